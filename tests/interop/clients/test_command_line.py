"""swaks, msmtp and curl: what administrators and scripts send with."""

import pytest

from tests.interop.servers.peer import program

from .letters import BODIES, LARGE, VERY_LARGE, large, letter
from .post import DOMAIN, HOST, OUTSIDE, Post, opened
from .programs import run, words

pytestmark = pytest.mark.interop

BUDI, CITRA = f"budi@{DOMAIN}", f"citra@{DOMAIN}"
FAR = f"x@{OUTSIDE}"
BOTH = {BUDI: "delivered", FAR: "handed_over"}


def assert_arrived(post: Post, sent, octets: bytes | None = None) -> None:
    octets = sent.as_sent if octets is None else octets
    post.assert_same(post.in_mailbox("budi", sent.message_id), octets)
    post.assert_same(post.outside(sent.message_id).data, octets)


# -- swaks -----------------------------------------------------------------------------------------------


def swaks(post: Post, home, data: bytes, *more: str, door="submission", sender=None, to=(BUDI, FAR), check=0):
    # swaks takes a last dot as the end and adds a line end where there is none
    (home / "letter").write_bytes(data + (b"" if data.endswith(b"\r\n") else b"\r\n") + b".\r\n")
    command = [
        program("swaks"), "--server", HOST, "--port", str(getattr(post.kurir, door)), "--ehlo", "laptop.test",
        "--from", sender or post.ana, "--to", ",".join(to), "--data", "@letter", "--no-strip-from",
        "--tls-verify", "--tls-ca-path", str(post.kurir.ca), *more,
    ]  # fmt: skip
    return run(command, home=home, check=check)


def swaks_login(post: Post, mechanism="PLAIN", user=None, password=None) -> list[str]:
    user, password = user or post.ana, password or post.ana_password
    return ["--auth", mechanism, "--auth-user", user, "--auth-password", password]


SWAKS_WAYS = {
    "587 PLAIN": ("submission", "--tls", "PLAIN"),
    "587 LOGIN": ("submission", "--tls", "LOGIN"),
    "465 PLAIN": ("submissions", "--tls-on-connect", "PLAIN"),
    "465 LOGIN": ("submissions", "--tls-on-connect", "LOGIN"),
}


@pytest.mark.parametrize(("door", "tls", "mechanism"), SWAKS_WAYS.values(), ids=SWAKS_WAYS)
def test_swaks_logs_in(post, tmp_path, door, tls, mechanism):
    sent = letter(BODIES["plain"], sender=post.ana, to=BUDI)
    done = swaks(post, tmp_path, sent.whole, tls, *swaks_login(post, mechanism), door=door)
    assert "TLS started with cipher" in words(done)
    assert_arrived(post, sent)
    story = post.assert_told(sent.message_id, protocol="ESMTPSA", account=post.ana, fates=BOTH)
    assert "laptop.test [127.0.0.1], logged in as ana@kurir.test" in story["history"][0]["text"]


@pytest.mark.parametrize("name", BODIES)
def test_swaks_carries(post, tmp_path, name):
    sent = letter(BODIES[name], sender=post.ana, to=BUDI)
    swaks(post, tmp_path, sent.whole, "--tls", "--pipeline", *swaks_login(post))
    assert_arrived(post, sent)


def test_swaks_carries_10_mb(post, tmp_path):
    sent = letter(large(LARGE), sender=post.ana, to=BUDI)
    swaks(post, tmp_path, sent.whole, "--tls-on-connect", *swaks_login(post), door="submissions")
    assert_arrived(post, sent)


def test_swaks_lmtp(post, tmp_path):
    sent = letter(BODIES["leading dots"], sender=FAR, to=BUDI)
    done = swaks(post, tmp_path, sent.whole, "--protocol", "LMTP", door="lmtp", sender=FAR, to=(BUDI, CITRA))
    assert words(done).count("<-  250 2.0.0 ") == 2  # one word for each recipient
    for who in ("budi", "citra"):
        post.assert_same(post.in_mailbox(who, sent.message_id), sent.as_sent)
    fates = {BUDI: "delivered", CITRA: "delivered"}
    post.assert_told(sent.message_id, protocol="LMTP", account=None, fates=fates)


def test_swaks_as_a_stranger(post, tmp_path):
    sent = letter(BODIES["utf-8"], sender=FAR, to=BUDI)
    swaks(post, tmp_path, sent.whole, "--tls", door="smtp", sender=FAR, to=(BUDI,))
    post.assert_same(post.in_mailbox("budi", sent.message_id), sent.as_sent)
    post.assert_told(sent.message_id, protocol="ESMTPS", account=None, fates={BUDI: "delivered"})


SWAKS_REFUSALS = {
    "wrong password": (
        28,
        "submission",
        "535 5.7.8 Authentication credentials invalid",
        CITRA,
        "wrong",
        None,
    ),
    "wrong sender": (23, "submission", "553 5.7.1 Your account may not send from", None, None, BUDI),
    "no login": (23, "submission", "530 5.7.0 Authentication required", "", "", None),
    "relaying": (24, "smtp", "550 5.7.1 Relaying denied", "", "", FAR),
}


@pytest.mark.parametrize(
    ("code", "door", "said", "user", "password", "sender"), SWAKS_REFUSALS.values(), ids=SWAKS_REFUSALS
)
def test_swaks_is_refused(post, tmp_path, code, door, said, user, password, sender):
    sent = letter(b"x\r\n", sender=post.ana, to=BUDI)
    login = [] if user == "" else swaks_login(post, "LOGIN", user, password)
    done = swaks(post, tmp_path, sent.whole, "--tls", *login, door=door, sender=sender, to=(FAR,), check=code)
    assert said in words(done)


# -- msmtp -----------------------------------------------------------------------------------------------


def msmtp(post: Post, home, data: bytes, *more: str, to=(BUDI, FAR), check=0, **changed: str):
    settings = {
        "host": HOST, "port": str(post.kurir.submission), "tls": "on", "tls_starttls": "on",
        "tls_trust_file": str(post.kurir.ca), "auth": "scram-sha-256", "user": post.ana,
        "password": post.ana_password, "from": post.ana, "timeout": "60", **changed,
    }  # fmt: skip
    config = home / "msmtprc"
    config.touch(0o600)
    config.write_text("account default\n" + "".join(f"{k} {v}\n" for k, v in settings.items()))
    return run([program("msmtp"), "-C", config, *more, "--", *to], stdin=data, home=home, check=check)


@pytest.mark.parametrize("mechanism", ["plain", "login", "scram-sha-256"])
@pytest.mark.parametrize("door", ["submission", "submissions"])
def test_msmtp_logs_in(post, tmp_path, mechanism, door):
    methods = words(run([program("msmtp"), "--version"], home=tmp_path))
    if mechanism not in methods:
        pytest.skip(f"this msmtp is built without {mechanism}")
    sent = letter(BODIES["plain"], sender=post.ana, to=BUDI)
    implicit = {"port": str(post.kurir.submissions), "tls_starttls": "off"} if door == "submissions" else {}
    msmtp(post, tmp_path, sent.with_lf, auth=mechanism, **implicit)
    assert_arrived(post, sent)


# msmtp reads lines as C strings, so a NUL ends one
@pytest.mark.parametrize("name", [name for name in BODIES if name != "NUL"])
def test_msmtp_carries(post, tmp_path, name):
    sent = letter(BODIES[name], sender=post.ana, to=BUDI)
    msmtp(post, tmp_path, sent.with_lf)
    assert_arrived(post, sent)


def test_msmtp_tells_the_trace_and_asks_for_reports(post, tmp_path):
    sent = letter(BODIES["plain"], sender=post.ana, to=BUDI)
    msmtp(post, tmp_path, sent.with_lf, dsn_notify="success,failure", dsn_return="headers")
    post.assert_told(sent.message_id, protocol="ESMTPSA", account=post.ana, fates=BOTH)
    received = post.outside(sent.message_id)
    assert "RET=HDRS" in received.mail
    assert "NOTIFY=SUCCESS,FAILURE" in received.rcpts[0]
    report = post.report_about(sent.message_id, "ana")
    assert b"\r\nAction: delivered\r\n" in report
    assert b"\r\nFinal-Recipient: rfc822;" in report


def test_msmtp_is_refused(post, tmp_path):
    sent = letter(b"x\r\n", sender=post.ana, to=BUDI)
    done = msmtp(post, tmp_path, sent.with_lf, check=77, user=CITRA, password="wrong")
    assert "535 5.7.8 Authentication credentials invalid" in words(done)
    done = msmtp(post, tmp_path, sent.with_lf, check=None, **{"from": BUDI})
    assert done.returncode != 0
    assert "553 5.7.1 Your account may not send from this address" in words(done)
    done = msmtp(
        post, tmp_path, sent.with_lf, check=None, tls_trust_file="/etc/ssl/certs/ca-certificates.crt"
    )
    assert done.returncode != 0  # our authority is not among the world's


# -- curl --------------------------------------------------------------------------------------------------


def curl(post: Post, home, data: bytes, *more: str, door="submission", sender=None, to=(BUDI, FAR), check=0):
    (home / "letter").write_bytes(data)
    scheme = "smtps" if door == "submissions" else "smtp"
    recipients = [word for address in to for word in ("--mail-rcpt", address)]
    command = [
        program("curl"), "-sS", "--show-error", "-v", "--url", f"{scheme}://{HOST}:{getattr(post.kurir, door)}/laptop.test",
        "--ssl-reqd", "--cacert", post.kurir.ca, "--mail-from", sender or post.ana, *recipients,
        "--upload-file", "letter", *more,
    ]  # fmt: skip
    return run(command, home=home, check=check)


def curl_login(post: Post, mechanism="PLAIN", user=None, password=None) -> list[str]:
    user, password = user or post.ana, password or post.ana_password
    return ["--user", f"{user}:{password}", "--login-options", f"AUTH={mechanism}"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("door", ["submission", "submissions"])
def test_curl_logs_in(post, tmp_path, mechanism, door):
    sent = letter(BODIES["plain"], sender=post.ana, to=BUDI)
    done = curl(post, tmp_path, sent.whole, *curl_login(post, mechanism), door=door)
    assert "SSL certificate verify ok" in words(done)
    assert_arrived(post, sent)
    post.assert_told(sent.message_id, protocol="ESMTPSA", account=post.ana, fates=BOTH)


@pytest.mark.parametrize("name", BODIES)
def test_curl_carries(post, tmp_path, name):
    sent = letter(BODIES[name], sender=post.ana, to=BUDI)
    curl(post, tmp_path, sent.whole, *curl_login(post))
    assert_arrived(post, sent)


def test_curl_carries_10_mb(post, tmp_path):
    sent = letter(large(LARGE), sender=post.ana, to=BUDI)
    curl(post, tmp_path, sent.whole, *curl_login(post))
    assert_arrived(post, sent)


@pytest.mark.full
def test_curl_carries_100_mb(tmp_path):
    with opened(tmp_path, size_limit=VERY_LARGE + (1 << 20), accounts=("ana", "budi")) as post:
        sent = letter(large(VERY_LARGE), sender=post.ana, to=BUDI)
        curl(post, tmp_path, sent.whole, *curl_login(post))
        assert_arrived(post, sent)


def test_curl_smtputf8(post, tmp_path):
    jurgen, door = f"jürgen@{DOMAIN}", f"用户@{OUTSIDE}"
    sent = letter(BODIES["utf-8"], sender=jurgen, to=door, subject="Příliš žluťoučký", name="Jürgen Müller")
    login = curl_login(post, "PLAIN", jurgen, post.passwords["jürgen"])
    curl(post, tmp_path, sent.whole, *login, sender=jurgen, to=(door, BUDI))
    assert_arrived(post, sent)


def test_curl_is_refused(post, tmp_path):
    sent = letter(b"x\r\n", sender=post.ana, to=BUDI)
    done = curl(post, tmp_path, sent.whole, *curl_login(post, "PLAIN", CITRA, "wrong"), check=67)
    assert "535 5.7.8 Authentication credentials invalid" in words(done)
    done = curl(post, tmp_path, sent.whole, *curl_login(post), sender=BUDI, check=55)
    assert "553 5.7.1 Your account may not send from this address" in words(done)
    done = curl(
        post,
        tmp_path,
        sent.whole,
        *curl_login(post),
        "--cacert",
        "/etc/ssl/certs/ca-certificates.crt",
        check=60,
    )
    assert "certificate" in words(done)
