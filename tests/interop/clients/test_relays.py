"""Postfix, Exim and OpenSMTPD hand their mail to Kurir: as an account's smarthost client, and as servers of the world."""

import re
import time
from collections.abc import Iterator

import pytest

from kurir.net.devca import ensure_ca
from tests.interop.servers.peer import Peer

from .letters import BODIES, LARGE, VERY_LARGE, large, letter
from .post import DOMAIN, OUTSIDE, Post, opened
from .programs import run
from .relays import EximRelay, OpenSmtpdRelay, PostfixRelay, Route

pytestmark = pytest.mark.interop

BUDI, CITRA = f"budi@{DOMAIN}", f"citra@{DOMAIN}"
FAR = f"x@{OUTSIDE}"
RELAYS = {"postfix": PostfixRelay, "exim": EximRelay, "opensmtpd": OpenSmtpdRelay}
# OpenSMTPD handles lines as C strings: what follows a NUL is lost within it.
CUTS_AT_NUL = ("opensmtpd",)


def as_account(post: Post, door: str = "submission", **more) -> Route:
    ways = {"user": post.ana, "password": post.ana_password, "implicit": door == "submissions"}
    return Route(getattr(post.kurir, door), post.kurir.ca, **{**ways, **more})


def as_stranger(post: Post, **more) -> Route:
    return Route(post.kurir.smtp, post.kurir.ca, **more)


@pytest.fixture(scope="module", params=RELAYS)
def account_relay(request, post) -> Iterator[Peer]:
    """A relay that logs in; its users send as the account."""
    with RELAYS[request.param](as_account(post)) as relay:
        yield relay


@pytest.fixture(scope="module", params=RELAYS)
def stranger_relay(request, post) -> Iterator[Peer]:
    """A relay that is a server of the world for us."""
    with RELAYS[request.param](as_stranger(post)) as relay:
        yield relay


def assert_carries(post: Post, relay: Peer, sender: str, to: tuple[str, ...], names) -> list[str]:
    letters = [
        letter(BODIES[n], sender=sender, to=to[0])
        for n in names
        if n != "NUL" or relay.name not in CUTS_AT_NUL
    ]
    for sent in letters:
        relay.send(sender, to, sent.whole)
    for sent in letters:
        post.assert_same(post.in_mailbox("budi", sent.message_id), sent.as_sent)
        if FAR in to:
            post.assert_same(post.outside(sent.message_id).data, sent.as_sent)
    return [sent.message_id for sent in letters]


def test_an_account_carries_everything(post, account_relay):
    first, *_ = assert_carries(post, account_relay, post.ana, (BUDI, FAR), BODIES)
    fates = {BUDI: "delivered", FAR: "handed_over"}
    post.assert_told(first, protocol="ESMTPSA", account=post.ana, fates=fates)


def test_a_stranger_carries_everything(post, stranger_relay):
    first, *_ = assert_carries(post, stranger_relay, FAR, (BUDI, CITRA), BODIES)
    fates = {BUDI: "delivered", CITRA: "delivered"}
    story = post.assert_told(first, protocol="ESMTPS", account=None, fates=fates)
    assert f"mx.{stranger_relay.domain}" in story["history"][0]["text"]
    if isinstance(stranger_relay, EximRelay):
        # Exim logs K for CHUNKING, L for PIPELINING, CV=yes for a certificate that holds
        assert re.search(r"CV=yes L K C=\"250 2\.0\.0 ", stranger_relay.said())


def test_a_stranger_carries_10_mb(post, stranger_relay):
    sent = letter(large(LARGE), sender=FAR, to=BUDI)
    stranger_relay.send(FAR, [BUDI], sent.whole)
    post.assert_same(post.in_mailbox("budi", sent.message_id), sent.as_sent)


@pytest.mark.full
@pytest.mark.parametrize("name", RELAYS)
def test_a_stranger_carries_100_mb(tmp_path, name):
    with (
        opened(tmp_path, size_limit=VERY_LARGE + (1 << 20), accounts=("ana", "budi")) as post,
        RELAYS[name](as_stranger(post)) as relay,
    ):
        sent = letter(large(VERY_LARGE), sender=FAR, to=BUDI)
        relay.send(FAR, [BUDI], sent.whole)
        post.assert_same(post.in_mailbox("budi", sent.message_id), sent.as_sent)


def test_a_server_with_an_account_of_its_own_hands_in_its_reports(post):
    """Postfix bounces what we refuse; its report goes to the sender through us, as MAILER-DAEMON@ its own name."""
    made = post.kurir.json("user", "add", f"relay@{DOMAIN}", "--also", f"*@{DOMAIN}", "--relay")
    route = as_account(post, user=f"relay@{DOMAIN}", password=made["password"])
    with PostfixRelay(route) as relay:
        sent = letter(BODIES["plain"], sender=BUDI, to=f"nobody.at.all@{DOMAIN}")
        relay.send(BUDI, [f"nobody.at.all@{DOMAIN}"], sent.whole)
        report = post.report_about(sent.message_id, "budi")
    assert b"MAILER-DAEMON" in report
    assert b"550 5.1.1 No such mailbox here" in report


TOO_LARGE = {
    "postfix": r"status=bounced \(message size \d+ exceeds size limit \d+ of server",
    "exim": r"552 5\.3\.4 ",
    "opensmtpd": r"(message too large|552 5\.3\.4|exceeds|too big)",
}


def test_a_stranger_is_told_the_size_limit(post, stranger_relay):
    sent = letter(large(LARGE + (2 << 20)), sender=FAR, to=BUDI)
    stranger_relay.send(FAR, [BUDI], sent.whole)
    said = re.compile(TOO_LARGE[stranger_relay.name])
    post.kurir.wait("the refusal in the log", lambda: said.search(stranger_relay.said()))


def test_one_of_several_recipients_is_unknown(post, stranger_relay):
    nobody = f"nobody.{stranger_relay.name}@{DOMAIN}"
    sent = letter(BODIES["plain"], sender=FAR, to=BUDI)
    stranger_relay.send(FAR, [BUDI, nobody, CITRA], sent.whole)
    for local in ("budi", "citra"):
        post.assert_same(post.in_mailbox(local, sent.message_id), sent.as_sent)
    post.kurir.wait(
        "the refusal in the log",
        lambda: any(nobody in line and "550 5.1.1 No such mailbox here" in line for line in stranger_relay.said().splitlines()),
    )  # fmt: skip
    post.observed(nobody, "refused_recipient", sender=FAR, helo=f"mx.{stranger_relay.domain}")


# -- many messages over few connections --------------------------------------------------------------------

MANY = 30


def send_many(post: Post, relay: Peer) -> None:
    letters = [letter(b"%d\r\n" % n, sender=FAR, to=BUDI) for n in range(MANY)]
    for sent in letters:
        relay.send(FAR, [BUDI, CITRA], sent.whole)
    if isinstance(relay, EximRelay):
        run(relay.run_queue(), home=relay.home)
    for sent in letters:
        post.assert_same(post.in_mailbox("budi", sent.message_id), sent.as_sent)
        post.assert_same(post.in_mailbox("citra", sent.message_id), sent.as_sent)


def test_postfix_keeps_connections(post):
    with PostfixRelay(as_stranger(post, connections=2)) as relay:
        send_many(post, relay)
        assert "conn_use=" in relay.said()


def test_exim_keeps_connections(post):
    with EximRelay(as_stranger(post, connections=1), queued=True) as relay:
        send_many(post, relay)
        # an asterisk behind the host: a message that followed another one over the same connection
        assert (
            len(re.findall(r"=> \S+ R=kurir T=kurir H=localhost \[[\d.]+\]:\d+\* ", relay.said()))
            >= MANY // 2
        )


def test_opensmtpd_keeps_connections(post):
    with OpenSmtpdRelay(as_stranger(post, connections=1)) as relay:
        send_many(post, relay)
        assert relay.said().count(" mta connected") <= 3


# -- what only some of them can ----------------------------------------------------------------------------

LOGINS = {
    "postfix 587 LOGIN": (PostfixRelay, "submission", "LOGIN"),
    "postfix 587 SCRAM-SHA-256": (PostfixRelay, "submission", "SCRAM-SHA-256"),
    "postfix 465 PLAIN": (PostfixRelay, "submissions", "PLAIN"),
    "exim 587 LOGIN": (EximRelay, "submission", "LOGIN"),
    "exim 465 PLAIN": (EximRelay, "submissions", "PLAIN"),
    "opensmtpd 465 PLAIN": (OpenSmtpdRelay, "submissions", "PLAIN"),
}


@pytest.mark.parametrize(("kind", "door", "mechanism"), LOGINS.values(), ids=LOGINS)
def test_ways_to_log_in(post, kind, door, mechanism):
    with kind(as_account(post, door, mechanism=mechanism)) as relay:
        assert_carries(post, relay, post.ana, (BUDI, FAR), ["leading dots"])


@pytest.mark.parametrize("kind", [PostfixRelay, EximRelay])
def test_smtputf8(post, kind):
    jurgen, door = f"jürgen@{DOMAIN}", f"用户@{OUTSIDE}"
    sent = letter(BODIES["utf-8"], sender=jurgen, to=door, subject="Příliš žluťoučký", name="Jürgen")
    # as a stranger: OpenSMTPD and the SASL library of others know no UTF-8 names
    with kind(as_account(post)) as relay:
        ours = letter(BODIES["utf-8"], sender=post.ana, to=door, subject="Příliš žluťoučký", name="Âna")
        relay.send(post.ana, [door, jurgen], ours.whole, ["SMTPUTF8", "BODY=8BITMIME"])
        received = post.outside(ours.message_id)
        post.assert_same(received.data, ours.as_sent)
        assert "SMTPUTF8" in received.mail
        post.assert_same(post.in_mailbox("jürgen", ours.message_id), ours.as_sent)
    with kind(as_stranger(post)) as relay:
        relay.send(f"Ω@{OUTSIDE}", [jurgen], sent.whole, ["SMTPUTF8", "BODY=8BITMIME"])
        arrived = post.in_mailbox("jürgen", sent.message_id)
        post.assert_same(arrived, sent.as_sent)
        assert arrived.startswith(f"Return-Path: <Ω@{OUTSIDE}>\r\nDelivered-To: {jurgen}\r\n".encode())


def test_postfix_asks_for_reports(post):
    loud = letter(BODIES["plain"], sender=post.ana, to=BUDI)
    quiet = letter(BODIES["plain"], sender=post.ana, to=FAR)
    with PostfixRelay(as_account(post)) as relay:
        relay.send(post.ana, [BUDI], loud.whole, ["RET=HDRS", "ENVID=nomor-7"], ["NOTIFY=SUCCESS,DELAY"])
        relay.send(post.ana, [FAR], quiet.whole, ["RET=FULL"], ["NOTIFY=NEVER", "ORCPT=rfc822;asal@far.test"])
        report = post.report_about(loud.message_id, "ana")
        received = post.outside(quiet.message_id)
    assert b"\r\nOriginal-Envelope-Id: nomor-7\r\n" in report
    assert b"\r\nAction: delivered\r\n" in report
    assert "RET=FULL" in received.mail
    assert "NOTIFY=NEVER" in received.rcpts[0]
    assert "ORCPT=rfc822;asal@far.test" in received.rcpts[0]


# -- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RELAYS)
def test_wrong_password(post, name):
    with RELAYS[name](as_account(post, user=BUDI, password="wrong")) as relay:
        relay.send(BUDI, [CITRA], letter(b"x\r\n", sender=BUDI, to=CITRA).whole)
        said = "535 5.7.8 Authentication credentials invalid"
        post.kurir.wait("the refusal in the log", lambda: said in relay.said())
    post.observed(BUDI, "failed_login", detail="wrong password")


def test_wrong_sender(post, account_relay):
    account_relay.send(FAR, [BUDI], letter(b"x\r\n", sender=FAR, to=BUDI).whole)
    said = "553 5.7.1 Your account may not send from this address"
    post.kurir.wait("the refusal in the log", lambda: said in account_relay.said())


REFUSES_CERTIFICATE = {
    "postfix": "Server certificate not verified",
    "exim": "certificate verification failed",
    "opensmtpd": "SSL certificate check failed",
}


@pytest.mark.parametrize("name", RELAYS)
def test_the_certificate_is_checked(post, tmp_path, name):
    """With another authority than ours none of them sends: the checks above were real."""
    other = ensure_ca(tmp_path / "other", now=time.time()).certificate
    sent = letter(b"x\r\n", sender=FAR, to=BUDI)
    with RELAYS[name](Route(post.kurir.smtp, other)) as relay:
        relay.send(FAR, [BUDI], sent.whole)
        said = REFUSES_CERTIFICATE[name]
        post.kurir.wait("the refusal in the log", lambda: said in relay.said())
