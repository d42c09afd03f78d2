"""Python's own clients: smtplib in all its ways to log in, a raw SCRAM exchange, and aiosmtplib over kept connections."""

import asyncio
import base64
import hashlib
import hmac
import secrets
import smtplib
import ssl
from email.message import EmailMessage

import aiosmtplib
import pytest

from tests.harness import PATIENCE

from .letters import BODIES, LARGE, VERY_LARGE, large, letter
from .post import DOMAIN, HOST, OUTSIDE, Post, opened

pytestmark = pytest.mark.interop

BUDI = f"budi@{DOMAIN}"
FAR = f"x@{OUTSIDE}"


def connected(post: Post, door: str = "submission") -> smtplib.SMTP:
    """Return a connection under TLS whose certificate was checked."""
    if door == "submissions":
        return smtplib.SMTP_SSL(HOST, post.kurir.submissions, context=post.tls, timeout=PATIENCE)
    smtp = smtplib.SMTP(HOST, getattr(post.kurir, door), timeout=PATIENCE)
    assert smtp.starttls(context=post.tls)[0] == 220
    return smtp


def logged_in(post: Post, door: str = "submission") -> smtplib.SMTP:
    smtp = connected(post, door)
    smtp.login(post.ana, post.ana_password)
    return smtp


# -- bodies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BODIES)
def test_smtplib_carries(post, name):
    sent = letter(BODIES[name], sender=post.ana, to=BUDI)
    with logged_in(post) as smtp:
        assert smtp.sendmail(post.ana, [BUDI, FAR], sent.whole, ["BODY=8BITMIME"]) == {}
    post.assert_same(post.in_mailbox("budi", sent.message_id), sent.as_sent)
    post.assert_same(post.outside(sent.message_id).data, sent.as_sent)


def test_smtplib_carries_much_over_one_connection(post):
    letters = [letter(body, sender=post.ana, to=BUDI) for body in BODIES.values()]
    with logged_in(post, "submissions") as smtp:
        for sent in letters:
            assert smtp.sendmail(post.ana, [BUDI], sent.whole) == {}
    for sent in letters:
        post.assert_same(post.in_mailbox("budi", sent.message_id), sent.as_sent)


def send_large(post: Post, octets: int) -> None:
    sent = letter(large(octets), sender=post.ana, to=BUDI)
    with logged_in(post) as smtp:
        assert smtp.sendmail(post.ana, [BUDI, FAR], sent.whole) == {}  # declares its SIZE
    post.assert_same(post.in_mailbox("budi", sent.message_id), sent.as_sent)
    post.assert_same(post.outside(sent.message_id).data, sent.as_sent)


def test_smtplib_carries_10_mb(post):
    send_large(post, LARGE)


@pytest.mark.full
def test_smtplib_carries_100_mb(tmp_path):
    with opened(tmp_path, size_limit=VERY_LARGE + (1 << 20), accounts=("ana", "budi")) as post:
        send_large(post, VERY_LARGE)


def test_smtplib_smtputf8(post):
    jurgen, door = f"jürgen@{DOMAIN}", f"用户@{OUTSIDE}"
    sent = letter(BODIES["utf-8"], sender=jurgen, to=door, subject="Příliš žluťoučký", name="Jürgen Müller")
    with connected(post) as smtp:
        smtp.ehlo()
        # smtplib's own AUTH speaks ASCII only; RFC 4616 says UTF-8
        plain = base64.b64encode(f"\0{jurgen}\0{post.passwords['jürgen']}".encode()).decode()
        assert smtp.docmd("AUTH", f"PLAIN {plain}")[0] == 235
        assert smtp.sendmail(jurgen, [door, jurgen], sent.whole, ["SMTPUTF8", "BODY=8BITMIME"]) == {}
    post.assert_same(post.in_mailbox("jürgen", sent.message_id), sent.as_sent)
    received = post.outside(sent.message_id)
    post.assert_same(received.data, sent.as_sent)
    assert "SMTPUTF8" in received.mail
    assert received.rcpts == [f"RCPT TO:<{door}>"]
    post.assert_told(
        sent.message_id,
        protocol="ESMTPSA",
        account=jurgen,
        fates={door: "handed_over", jurgen: "delivered"},
    )


def test_smtplib_sends_what_python_makes(post):
    """An application's everyday way: EmailMessage with an attachment, Bcc, no Message-ID."""
    message = EmailMessage()
    message["From"], message["To"], message["Bcc"] = post.ana, BUDI, f"citra@{DOMAIN}"
    message["Subject"] = mark = f"Laporan {secrets.token_hex(8)}"
    message.set_content("Terlampir.\n")
    message.add_attachment(bytes(range(256)) * 100, maintype="application", subtype="zip", filename="a.zip")
    message.set_boundary("=-kurir-=")
    with logged_in(post) as smtp:
        assert smtp.send_message(message) == {}
    arrived = post.kurir.wait(
        "the message", lambda: next((m for m in post.kurir.mail("citra") if mark.encode() in m), None)
    )
    head, _, body = arrived.partition(b"\r\n\r\n")
    assert b"\r\nBcc:" not in head
    assert head.count(b"\r\nMessage-ID: <") == head.count(b"\r\nDate: ") == 1
    del message["Bcc"]
    assert body == message.as_bytes().partition(b"\n\n")[2].replace(b"\n", b"\r\n")


# -- logging in ------------------------------------------------------------------------------------------

WAYS = {
    "587 PLAIN": ("submission", "auth_plain"),
    "587 LOGIN": ("submission", "auth_login"),
    "465 PLAIN": ("submissions", "auth_plain"),
    "465 LOGIN": ("submissions", "auth_login"),
}


@pytest.mark.parametrize(("door", "way"), WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("initial", [True, False], ids=["initial response", "challenge"])
def test_smtplib_logs_in(post, door, way, initial):
    with connected(post, door) as smtp:
        smtp.ehlo()
        smtp.user, smtp.password = post.ana, post.ana_password
        mechanism = way.removeprefix("auth_").upper()
        assert smtp.auth(mechanism, getattr(smtp, way), initial_response_ok=initial)[0] == 235
        sent = letter(b"x\r\n", sender=post.ana, to=BUDI)
        smtp.sendmail(post.ana, [BUDI], sent.whole)
    assert post.in_mailbox("budi", sent.message_id)


def scram(smtp: smtplib.SMTP, user: str, password: str, *, plus: bool) -> tuple[int, bytes]:
    """Log in with SCRAM-SHA-256(-PLUS), written from RFC 5802, RFC 7677 and RFC 5929; return the last reply."""
    gs2 = b"p=tls-server-end-point,," if plus else b"n,,"
    binding = hashlib.sha256(smtp.sock.getpeercert(binary_form=True)).digest() if plus else b""
    nonce = secrets.token_urlsafe(18)
    bare = f"n={user},r={nonce}"
    first = base64.b64encode(gs2 + bare.encode()).decode()
    code, said = smtp.docmd("AUTH", f"SCRAM-SHA-256{'-PLUS' if plus else ''} {first}")
    assert code == 334, said
    server_first = base64.b64decode(said).decode()
    fields = dict(f.split("=", 1) for f in server_first.split(","))
    assert fields["r"].startswith(nonce) and fields["r"] != nonce
    assert int(fields["i"]) >= 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    final = f"c={base64.b64encode(gs2 + binding).decode()},r={fields['r']}"
    signed = f"{bare},{server_first},{final}".encode()
    signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature, strict=True))).decode()
    code, said = smtp.docmd(base64.b64encode(f"{final},p={proof}".encode()).decode())
    if code != 334:
        return code, said
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    expected = b"v=" + base64.b64encode(hmac.digest(server_key, signed, "sha256"))
    assert base64.b64decode(said) == expected  # the server knows the password too
    return smtp.docmd("")


@pytest.mark.parametrize("plus", [False, True], ids=["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
def test_raw_scram(post, plus):
    with connected(post) as smtp:
        smtp.ehlo()
        offered = smtp.esmtp_features["auth"].split()
        assert offered[:2] == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]
        assert scram(smtp, post.ana, post.ana_password, plus=plus)[0] == 235
        sent = letter(b"x\r\n", sender=post.ana, to=BUDI)
        assert smtp.sendmail(post.ana, [BUDI], sent.whole) == {}
    post.in_mailbox("budi", sent.message_id)
    post.assert_told(sent.message_id, protocol="ESMTPSA", account=post.ana, fates={BUDI: "delivered"})


def test_raw_scram_refuses_a_wrong_password(post):
    with connected(post) as smtp:
        smtp.ehlo()
        code, said = scram(smtp, f"citra@{DOMAIN}", "wrong", plus=False)
        assert (code, said) == (535, b"5.7.8 Authentication credentials invalid")


# -- refusals --------------------------------------------------------------------------------------------


def test_smtplib_wrong_password(post):
    citra = f"citra@{DOMAIN}"
    with connected(post) as smtp:
        smtp.ehlo()
        smtp.user, smtp.password = citra, "wrong"
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            smtp.auth("PLAIN", smtp.auth_plain)
    assert refused.value.args == (535, b"5.7.8 Authentication credentials invalid")
    seen = post.observed(citra, "failed_login", listener="submission", detail="wrong password")
    assert seen["protection"] == "encrypted"


def test_smtplib_wrong_sender(post):
    sent = letter(b"x\r\n", sender=post.ana, to=BUDI)
    with logged_in(post) as smtp:
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            smtp.sendmail(BUDI, [BUDI], sent.whole)
        assert refused.value.args[:2] == (553, b"5.7.1 Your account may not send from this address")
        foreign = letter(b"x\r\n", sender=BUDI, to=BUDI)
        with pytest.raises(smtplib.SMTPDataError) as refused_data:
            smtp.sendmail(post.ana, [BUDI], foreign.whole)
        assert refused_data.value.args == (550, b"5.7.1 You may not send as this address: " + BUDI.encode())
        assert smtp.sendmail(post.ana, [BUDI], sent.whole) == {}  # the session goes on
    post.observed(post.ana, "refused_sender", account=post.ana, sender=BUDI)


def test_smtplib_needs_tls_and_login(post):
    with smtplib.SMTP(HOST, post.kurir.submission) as smtp:
        with pytest.raises(smtplib.SMTPNotSupportedError):
            smtp.login(post.ana, post.ana_password)
        assert smtp.docmd("AUTH", "PLAIN " + "AGFuYQBwdw==")[0] in (530, 538, 504)
        code, said = smtp.mail(post.ana)
        assert code == 530
        assert said.startswith(b"5.7.0 ")
    with connected(post) as smtp, pytest.raises(smtplib.SMTPSenderRefused) as refused:
        smtp.sendmail(post.ana, [BUDI], b"From: x\r\n\r\n")
    assert refused.value.args[:2] == (530, b"5.7.0 Authentication required")


def test_smtplib_checks_the_certificate(post):
    with smtplib.SMTP(HOST, post.kurir.submission) as smtp, pytest.raises(ssl.SSLCertVerificationError):
        smtp.starttls(context=ssl.create_default_context())  # does not know our authority
    strict = ssl.create_default_context(cafile=post.kurir.ca)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT  # the default of Python 3.13
    with smtplib.SMTP(HOST, post.kurir.submission) as smtp:
        assert smtp.starttls(context=strict)[0] == 220


def test_smtplib_too_large(post):
    sent = letter(large(LARGE + (2 << 20)), sender=post.ana, to=BUDI)
    with logged_in(post) as smtp:
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            smtp.sendmail(post.ana, [BUDI], sent.whole)  # declares SIZE
        assert refused.value.args[0] == 552
        smtp.esmtp_features.pop("size")
        with pytest.raises(smtplib.SMTPDataError) as refused_data:
            smtp.sendmail(post.ana, [BUDI], sent.whole)
        assert refused_data.value.args[0] == 552


# -- aiosmtplib --------------------------------------------------------------------------------------------


async def test_aiosmtplib_carries_everything_over_kept_connections(post):
    letters = [letter(body, sender=post.ana, to=BUDI) for body in BODIES.values()]

    async def one(door: str, part: slice) -> None:
        implicit = door == "submissions"
        client = aiosmtplib.SMTP(
            hostname=HOST, port=getattr(post.kurir, door), use_tls=implicit, start_tls=not implicit,
            tls_context=post.tls, username=post.ana, password=post.ana_password, timeout=PATIENCE,
        )  # fmt: skip
        async with client:
            for sent in letters[part]:
                refused, _ = await client.sendmail(post.ana, [BUDI, FAR], sent.whole)
                assert refused == {}

    await asyncio.gather(one("submission", slice(0, None, 2)), one("submissions", slice(1, None, 2)))
    for sent in letters:
        post.assert_same(post.in_mailbox("budi", sent.message_id), sent.as_sent)
        post.assert_same(post.outside(sent.message_id).data, sent.as_sent)
    post.assert_told(
        letters[0].message_id,
        protocol="ESMTPSA",
        account=post.ana,
        fates={BUDI: "delivered", FAR: "handed_over"},
    )


async def test_aiosmtplib_refusals(post):
    port = post.kurir.submission
    async with aiosmtplib.SMTP(hostname=HOST, port=port, start_tls=True, tls_context=post.tls) as client:
        with pytest.raises(aiosmtplib.SMTPAuthenticationError) as refused:
            await client.login(f"citra@{DOMAIN}", "wrong")
        assert refused.value.code == 535
        await client.login(post.ana, post.ana_password)
        with pytest.raises(aiosmtplib.SMTPSenderRefused) as wrong_sender:
            await client.sendmail(BUDI, [BUDI], b"From: x\r\n\r\n")
        assert wrong_sender.value.code == 553
    with pytest.raises(aiosmtplib.SMTPConnectError):
        await aiosmtplib.SMTP(hostname=HOST, port=post.kurir.submissions, use_tls=True).connect()
