"""TLS by policy: what is offered, what is proven, and what travels in the clear."""

import asyncio
import contextlib
import hashlib
import ssl
import time
from base64 import b64decode, b64encode

import msgspec
import pytest

from kurir.delivery import DeliverySettings, NextHop, NextHopVerifier, Route, RouteKind, TlsLevel
from kurir.identity import Account
from kurir.identity.passwords import scram_verifier
from kurir.identity.sasl import Challenge, SaslContext, Success, begin
from kurir.model import Cause, OutcomeKind, Reply, Stage, parse_address
from kurir.net import ClientTlsFactory, ClientTlsSettings
from kurir.net.devca import ensure_ca, ensure_leaf
from tests.integration.scripted_peer import CLOSE, HANG, Peer, ehlo, peer
from tests.unit.delivery.doubles import (
    FakeClock,
    FakeResolver,
    Harness,
    lease_for,
    ok,
    smarthost_settings,
    status,
)

TLS_EHLO = ehlo("PIPELINING", "STARTTLS")
D, F, H = OutcomeKind.DEFERRED, OutcomeKind.FAILED, OutcomeKind.HANDED_OVER


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return ensure_ca(tmp_path_factory.mktemp("ca"), now=time.time())


@pytest.fixture(scope="module")
def other_ca(tmp_path_factory):
    return ensure_ca(tmp_path_factory.mktemp("other"), now=time.time())


def server_context(authority, folder):
    files = ensure_leaf(authority, folder, ["mail.example"], now=time.time())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    return context


@pytest.fixture(scope="module")
def good(ca, tmp_path_factory):
    return server_context(ca, tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def foreign(other_ca, tmp_path_factory):
    return server_context(other_ca, tmp_path_factory.mktemp("foreign"))


@pytest.fixture
def trust(ca):
    return ClientTlsFactory(ClientTlsSettings(bundle=ca.certificate), now=time.time)


def settings_for(port, level, *, host="mail.example", **hop):
    return smarthost_settings(port, hop={"host": host, "tls": level, "tls_chosen": False} | hop)


RESOLVER = FakeResolver(a={"mail.example": ok("127.0.0.1"), "wrong.example": ok("127.0.0.1")})
OPP, REQ, NONE = TlsLevel.OPPORTUNISTIC, TlsLevel.REQUIRE, TlsLevel.NONE

# level, peer's script, its certificate, the name we dial -> kind, cause, stage, verified, plaintext fallback
MATRIX = {
    "opportunistic, good": (OPP, {"EHLO": TLS_EHLO}, "good", "mail.example", H, Cause.OK, "name", False),
    "opportunistic, foreign CA": (OPP, {"EHLO": TLS_EHLO}, "foreign", "mail.example", H, Cause.OK, None, False),
    "opportunistic, other name": (OPP, {"EHLO": TLS_EHLO}, "good", "wrong.example", H, Cause.OK, None, False),
    "opportunistic, not offered": (OPP, {}, None, "mail.example", H, Cause.OK, None, False),
    "opportunistic, handshake breaks": (OPP, {"EHLO": TLS_EHLO}, None, "mail.example", H, Cause.OK, None, True),
    "opportunistic, 454": (
        OPP, {"EHLO": TLS_EHLO, "STARTTLS": b"454 4.7.0 not now\r\n"}, None, "mail.example", H, Cause.OK, None, True,
    ),
    "none, offered": (NONE, {"EHLO": TLS_EHLO}, "good", "mail.example", H, Cause.OK, None, False),
    "required, good": (REQ, {"EHLO": TLS_EHLO}, "good", "mail.example", H, Cause.OK, "name", False),
    "required, foreign CA": (
        REQ, {"EHLO": TLS_EHLO}, "foreign", "mail.example", D, Cause.TLS_UNTRUSTED, None, False,
    ),
    "required, other name": (
        REQ, {"EHLO": TLS_EHLO}, "good", "wrong.example", D, Cause.TLS_UNTRUSTED, None, False,
    ),
    "required, not offered": (REQ, {}, None, "mail.example", D, Cause.TLS_REQUIRED, None, False),
    "required, handshake breaks": (
        REQ, {"EHLO": TLS_EHLO}, None, "mail.example", D, Cause.TLS_FAILED, None, False,
    ),
    "required, 454": (
        REQ, {"EHLO": TLS_EHLO, "STARTTLS": b"454 4.7.0 not now\r\n"}, None, "mail.example", D, Cause.TLS_REQUIRED, None, False,
    ),
    "injection behind 220": (
        REQ, {"EHLO": TLS_EHLO, "STARTTLS": b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n"}, "good", "mail.example", D, None, None, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MATRIX)
async def test_matrix(case, trust, request):
    level, script, certificate, name, kind, cause, verified, fallback = MATRIX[case]
    context = request.getfixturevalue(certificate) if certificate else None
    async with peer(script, tls=context) as p:
        s = settings_for(p.port, level, host=name)
        harness = Harness(s, RESOLVER, tls=trust)
        outcome = (await harness.deliver([lease_for(s, 1, ["a@example.org"])]))[1, 0]
        await harness.drain()
    assert outcome.kind is kind
    assert cause is None or outcome.cause is cause
    assert outcome.plaintext_fallback is fallback
    assert (outcome.tls.verified if outcome.tls else None) == verified
    if kind is not H:
        assert p.messages == [] and not any(line.startswith("MAIL") for line in p.lines)
        assert outcome.stage in (Stage.TLS, Stage.HELO)
    if "opportunistic, foreign" in case:
        assert outcome.tls.why_not


async def test_no_fallback_where_the_operator_forbids_it(trust):
    async with peer({"EHLO": TLS_EHLO}) as p:
        hop = {"host": "mail.example", "tls": OPP}
        s = smarthost_settings(p.port, hop=hop, plaintext_fallback=False)
        outcome = (await Harness(s, RESOLVER, tls=trust).deliver([lease_for(s, 1, ["a@example.org"])]))[1, 0]
    assert (outcome.kind, outcome.cause) == (D, Cause.TLS_FAILED) and p.messages == []


LOGIN = {"username": "user", "password": "s3cret"}


async def test_a_password_never_follows_a_failed_handshake(trust):
    script = {"EHLO": ehlo("STARTTLS", "AUTH PLAIN LOGIN"), "AUTH": b"235 ok\r\n"}
    async with peer(script) as p:
        s = settings_for(p.port, OPP, **LOGIN)
        outcome = (await Harness(s, RESOLVER, tls=trust).deliver([lease_for(s, 1, ["a@example.org"])]))[1, 0]
    assert outcome.kind is D and not any(line.startswith("AUTH") for line in p.lines)


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize(
    ("offered", "answers", "said"),
    [
        ("AUTH PLAIN LOGIN", [b"235 2.7.0 ok\r\n"], "AUTH PLAIN AHVzZXIAczNjcmV0"),
        ("AUTH LOGIN", [b"334 VXNlcm5hbWU6\r\n"], "AUTH LOGIN"),
    ],
)
async def test_login_over_tls(trust, good, implicit, offered, answers, said):
    script = {
        "EHLO": ehlo("STARTTLS", offered) if not implicit else ehlo(offered),
        "AUTH": answers,
        "dXNlcg==": b"334 UGFzc3dvcmQ6\r\n",
        "DXNLCG==": b"334 UGFzc3dvcmQ6\r\n",
        "CZNJCMV0": b"235 2.7.0 ok\r\n",
    }
    async with peer(script, tls=good, implicit=implicit) as p:
        s = settings_for(p.port, REQ, implicit_tls=implicit, **LOGIN)
        outcome = (await Harness(s, RESOLVER, tls=trust).deliver([lease_for(s, 1, ["a@example.org"])]))[1, 0]
    assert outcome.kind is H and outcome.tls.verified == "name"
    assert said in p.lines


SECRET = Account(
    "user", (), "", scram=scram_verifier("s3cret", lambda n: b"\1" * n, iterations=4096)
)  # fmt: skip


class SaslPeer(Peer):
    """Logs clients in for real; `endpoint` is the certificate it believes to show."""

    exchange = endpoint = None
    binds = True

    def answer(self, *steps):
        line = self.lines[-1] if self.lines else ""
        if steps[0] == "AUTH":
            _, mechanism, initial = line.split(" ")
            if mechanism.endswith("-PLUS") and not self.binds:
                return b"535 5.7.8 no such channel binding\r\n"
            context = SaslContext({"user": SECRET}.get, b"s" * 32, lambda n: b"\2" * n, self.endpoint)
            self.exchange = begin(mechanism, context)
            step = self.exchange.start(b64decode(initial))
        elif self.exchange is not None:
            step = self.exchange.answer(b64decode(line))
        else:
            return super().answer(*steps)
        if isinstance(step, Challenge):
            return b"334 " + b64encode(step.data) + b"\r\n"
        self.exchange = None
        return b"235 2.7.0 in\r\n" if isinstance(step, Success) else b"535 5.7.8 no\r\n"

    @property
    def mechanisms(self):
        return [line.split(" ")[1] for line in self.lines if line.startswith("AUTH")]


PLUS, BARE = "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"


@pytest.mark.parametrize(
    ("offered", "level", "binds", "shown", "used", "kind"),
    [
        (f"{PLUS} {BARE} PLAIN", REQ, True, "own", [PLUS], H),
        (f"{PLUS} {BARE} PLAIN", OPP, True, "own", [PLUS], H),
        (f"PLAIN LOGIN {BARE}", REQ, True, None, [BARE], H),
        # somebody took -PLUS off the list: the server notices, because we could have bound it
        (f"PLAIN {BARE}", REQ, True, "own", [BARE], D),
        # the binding is that of somebody else: that is what it is for
        (f"{PLUS} {BARE} PLAIN", REQ, True, "other", [PLUS], D),
        # the server binds by other means: without, but only where the certificate is proven
        (f"{PLUS} {BARE} PLAIN", REQ, False, "own", [PLUS, BARE], H),
        (f"{PLUS} {BARE} PLAIN", OPP, False, "own", [PLUS], D),
    ],
)
async def test_login_with_scram_is_bound_to_the_connection(
    ca, foreign, tmp_path, offered, level, binds, shown, used, kind, trust
):
    files = ensure_leaf(ca, tmp_path, ["mail.example"], now=time.time())
    context = foreign if level is OPP else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if level is REQ:
        context.load_cert_chain(files.certificate, files.key)
    async with peer({"EHLO": ehlo("STARTTLS", f"AUTH {offered}")}, tls=context, kind=SaslPeer) as p:
        p.binds = binds
        if shown == "own":
            p.endpoint = hashlib.sha256(shown_by(context)).digest()
        elif shown == "other":
            p.endpoint = b"x" * 32
        s = settings_for(p.port, level, **LOGIN)
        harness = Harness(s, RESOLVER, tls=trust)
        outcome = (await harness.deliver([lease_for(s, 1, ["a@example.org"])]))[1, 0]
        await harness.drain()
    assert p.mechanisms == used
    assert outcome.kind is kind, outcome
    assert outcome.kind is H or (outcome.stage, outcome.cause) == (Stage.AUTH, Cause.AUTH_FAILED)


def shown_by(context):
    """The certificate that a server context shows, as DER."""
    incoming, outgoing, back = ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    back.check_hostname, back.verify_mode = False, ssl.CERT_NONE
    client, server = back.wrap_bio(incoming, outgoing), context.wrap_bio(outgoing, incoming, server_side=True)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return client.getpeercert(binary_form=True)


async def test_a_wrong_password_is_our_trouble_and_waits(trust, good):
    script = {"EHLO": ehlo("STARTTLS", "AUTH PLAIN"), "AUTH": b"535 5.7.8 bad credentials\r\n"}
    async with peer(script, tls=good) as p:
        s = settings_for(p.port, REQ, **LOGIN)
        outcome = (await Harness(s, RESOLVER, tls=trust).deliver([lease_for(s, 1, ["a@example.org"])]))[1, 0]
    assert (outcome.kind, outcome.cause, outcome.stage) == (D, Cause.AUTH_FAILED, Stage.AUTH)


async def test_requiretls_travels_to_a_peer_that_promises_it(trust, good):
    async with peer({"EHLO": ehlo("STARTTLS", "REQUIRETLS")}, tls=good) as p:
        s = settings_for(p.port, OPP)
        harness = Harness(s, RESOLVER, tls=trust)
        outcome = (await harness.deliver([lease_for(s, 1, ["a@example.org"], require_tls=True)]))[1, 0]
        await harness.drain()
    assert outcome.kind is H and "MAIL FROM:<me@client.example> REQUIRETLS" in p.lines
    async with peer({"EHLO": TLS_EHLO}, tls=good) as p:
        s = settings_for(p.port, OPP)
        outcome = (
            await Harness(s, RESOLVER, tls=trust).deliver(
                [lease_for(s, 1, ["a@example.org"], require_tls=True)]
            )
        )[1, 0]
    assert (outcome.kind, outcome.cause) == (F, Cause.TLS_REQUIRED) and "5.7.30" in outcome.detail


async def test_requiretls_goes_to_the_next_host_where_the_first_does_not_promise_it(trust, good):
    """RFC 8689 section 4.2.1: steps 3 to 5 are repeated with each host."""
    async with (
        peer({"EHLO": TLS_EHLO}, tls=good) as first,
        peer({"EHLO": ehlo("STARTTLS", "REQUIRETLS")}, tls=good, host="127.0.0.2", port=first.port) as second,
    ):
        s = settings_for(first.port, OPP)
        resolver = FakeResolver(a={"mail.example": ok("127.0.0.1", "127.0.0.2")})
        harness = Harness(s, resolver, tls=trust)
        outcome = (await harness.deliver([lease_for(s, 1, ["a@example.org"], require_tls=True)]))[1, 0]
        await harness.drain()
    assert outcome.kind is H and len(second.messages) == 1 and "QUIT" in first.lines


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize(
    "says", [[], ["STARTTLS"], ["STARTTLS", "REQUIRETLS"]], ids=["plain", "TLS", "REQUIRETLS"]
)
async def test_a_report_that_asks_for_requiretls_goes_as_well_protected_as_it_can(trust, good, says, trusted):
    """RFC 8689 section 5: it is not lost for the want of it; section 2: and says it only where all is proven."""
    async with peer({"EHLO": ehlo(*says)}, tls=good) as p:
        s = settings_for(p.port, OPP)
        harness = Harness(s, RESOLVER, tls=trust if trusted else None)
        lease = msgspec.structs.replace(
            lease_for(s, 1, ["a@example.org"], require_tls=True), reverse_path=None
        )
        outcome = (await harness.deliver([lease]))[1, 0]
        await harness.drain()
    said = [line for line in p.lines if line.startswith("MAIL")]
    assert outcome.kind is H and len(said) == 1
    assert ("REQUIRETLS" in said[0]) is (trusted and "REQUIRETLS" in says)


async def test_what_one_message_demands_does_not_make_the_host_rest():
    async with peer({}) as p:
        s = settings_for(p.port, OPP)
        harness = Harness(s, RESOLVER)
        sealed = await harness.deliver([lease_for(s, 1, ["a@example.org"], require_tls=True)])
        plain = await harness.deliver([lease_for(s, 2, ["a@example.org"])])
        await harness.drain()
    assert sealed[1, 0].cause is Cause.TLS_REQUIRED and plain[2, 0].kind is H


def mx_settings(port, **changes):
    route = Route(name="mx", kind=RouteKind.MX)
    base = {"allow_loopback_peers": True, "mx_port": port}
    return DeliverySettings(hello_name="client.example", routes=(route,), **base | changes)


async def test_the_next_mx_is_tried():
    resolver = FakeResolver(
        mx={"example.org": ok((10, "dead.example"), (20, "mail.example"))},
        a={"dead.example": ok("127.0.0.9"), "mail.example": ok("127.0.0.1")},
    )
    async with peer() as p:
        s = mx_settings(p.port)
        harness = Harness(s, resolver)
        outcome = (await harness.deliver([lease_for(s, 1, ["a@example.org"])]))[1, 0]
        await harness.drain()
    assert outcome.kind is H and outcome.host == f"mail.example[127.0.0.1]:{p.port}"


async def test_mx_on_this_machine_is_a_loop():
    resolver = FakeResolver(mx={"example.org": ok((10, "mail.example"))}, a={"mail.example": ok("127.0.0.1")})
    async with peer() as p:
        s = mx_settings(p.port, allow_loopback_peers=False)
        outcome = (await Harness(s, resolver).deliver([lease_for(s, 1, ["a@example.org"])]))[1, 0]
    assert (outcome.kind, outcome.cause) == (F, Cause.LOOP) and "5.4.6" in outcome.detail
    assert p.connections == 0


@pytest.mark.parametrize(
    ("script", "code"),
    [({}, 250), ({"RCPT": b"550 5.1.1 nobody\r\n"}, 550), ({"RCPT": HANG}, 451), ({"RCPT": CLOSE}, 451),
     ({"MAIL": b"550 no null sender\r\n"}, 451), ({"banner": b"554 no\r\n"}, 451), ({"RCPT": b"450 later\r\n"}, 450)],
)  # fmt: skip
async def test_recipient_verification(script, code):
    async with peer(script) as p:
        s = smarthost_settings(p.port)
        harness = Harness(s)
        verifier = NextHopVerifier(s, harness.hand.planner, harness.hand.opener, harness.clock)
        who = parse_address("a@example.org")
        replies = await asyncio.gather(*(verifier.verify(None, who) for _ in range(5)))
        again = await verifier.verify(None, who)
    assert {r.code for r in replies} == {code} and isinstance(again, Reply)
    assert p.connections == 1
    assert not any(line.startswith("DATA") for line in p.lines)


@pytest.mark.parametrize(
    ("answer", "early", "late"),
    [(b"550 5.1.1 nobody\r\n", 100, 130), (b"450 later\r\n", 10, 20), (CLOSE, 10, 20)],
)
async def test_a_next_hop_that_was_mended_is_soon_believed(answer, early, late):
    async with peer({"RCPT": [answer, b"250 ok\r\n"]}) as p:
        s = smarthost_settings(p.port)
        harness, clock = Harness(s), FakeClock()
        verifier = NextHopVerifier(s, harness.hand.planner, harness.hand.opener, clock)
        who = parse_address("a@example.org")
        first = await verifier.verify(None, who)
        clock.at += early
        assert await verifier.verify(None, who) == first and first.code != 250
        clock.at += late - early
        assert (await verifier.verify(None, who)).code == 250


async def test_verification_without_a_way():
    resolver = FakeResolver(mx={"null.example": ok((0, ".")), "sick.example": status("servfail")})
    s = mx_settings(25)
    harness = Harness(s, resolver)
    verifier = NextHopVerifier(s, harness.hand.planner, harness.hand.opener, harness.clock)
    codes = [
        (await verifier.verify(None, parse_address(f"a@{d}"))).code
        for d in ("null.example", "sick.example", "gone.example")
    ]
    assert codes == [556, 451, 550]


def test_next_hop_repr_hides_the_password():
    assert "s3cret" not in repr(NextHop(host="x", port=1, **LOGIN))
