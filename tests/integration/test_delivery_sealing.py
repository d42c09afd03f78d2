"""Over a real connection: recipients with different senders travel in transactions of their own; size counts the signature."""

import asyncio

import msgspec
import pytest

from kurir.delivery import DomainKeys, RouteKind, Sealing, SealingSettings
from kurir.model import Cause, OutcomeKind, Recipient, parse_address
from kurir.queue.asks import Work
from kurir.senderauth.dkim import Signer
from kurir.senderauth.srs import Srs
from tests.integration.scripted_peer import ehlo, peer
from tests.unit.delivery.doubles import FakeClock, Harness, lease_for, smarthost_settings
from tests.unit.senderauth.dkim.material import check, ed_key, rsa_key

BODY = b"From: a@example.org\r\nSubject: x\r\n\r\nhello\r\n"


class Ring:
    version = 1

    def keys(self, domain):
        return DomainKeys(Signer((rsa_key(), ed_key())))


def harness(settings):
    rules = SealingSettings(own=frozenset({"example.org"}), server="mx.example.org")
    return Harness(settings, sealing=Sealing(rules, Ring(), FakeClock(), Srs((b"secret",))))


def recipient(address, wanted=None):
    return Recipient(parse_address(address), None, None, parse_address(wanted) if wanted else None)


async def test_each_sender_has_a_transaction_of_its_own():
    async with peer() as p:
        s = smarthost_settings(p.port)
        h = harness(s)
        lease = lease_for(
            s, 1, ["a@far.test", "b@far.test", "c@far.test", "d@far.test"], sender="x@origin.test"
        )
        through = {1: "club@example.org", 3: "club@example.org"}
        work = tuple(
            Work(w.index, recipient(str(w.recipient.address), through.get(w.index)), 0) for w in lease.work
        )
        results = await h.deliver([msgspec.structs.replace(lease, work=work)])
        await h.drain()
    assert len(results) == 4 and {o.kind for o in results.values()} == {OutcomeKind.HANDED_OVER}
    assert p.envelopes == [["a@far.test", "c@far.test"], ["b@far.test", "d@far.test"]]
    senders = [line for line in p.lines if line.startswith("MAIL")]
    assert senders[0].startswith("MAIL FROM:<x@origin.test>")
    assert senders[1].startswith("MAIL FROM:<SRS0=") and "=origin.test=x@example.org>" in senders[1]
    assert all(m.startswith(b"Received:") for m in p.messages)  # not ours: no signature


async def test_the_size_that_is_said_counts_the_signatures():
    async with peer() as p:
        s = smarthost_settings(p.port)
        h = harness(s)
        lease = msgspec.structs.replace(lease_for(s, 1, ["a@far.test"], body=BODY), ours=True)
        await h.deliver([lease])
        await h.drain()
    (message,) = p.messages
    verdicts = await asyncio.to_thread(check, message)
    assert all(v.passed for v in verdicts) and message.count(b"DKIM-Signature:") == 2
    assert f"SIZE={len(message)}" in next(line for line in p.lines if line.startswith("MAIL"))


async def test_what_is_too_large_with_its_signatures_is_refused_before_it_is_sent():
    async with peer({"EHLO": ehlo("PIPELINING", "8BITMIME", f"SIZE {len(BODY) + 100}")}) as p:
        s = smarthost_settings(p.port)
        h = harness(s)
        lease = msgspec.structs.replace(lease_for(s, 1, ["a@far.test"], body=BODY), ours=True)
        (outcome,) = (await h.deliver([lease])).values()
        await h.drain()
    assert outcome.kind is OutcomeKind.FAILED and outcome.cause is Cause.TOO_LARGE
    assert not any(line.startswith("MAIL") for line in p.lines)


@pytest.mark.parametrize(("final", "signed"), [(True, 0), (False, 2)])
async def test_a_store_of_ours_gets_it_as_it_is(final, signed):
    async with peer(lmtp=True) as p:
        s = smarthost_settings(p.port, hop={"lmtp": True}, route={"final": final})
        assert s.routes[0].kind is RouteKind.LMTP
        h = harness(s)
        lease = msgspec.structs.replace(lease_for(s, 1, ["a@far.test"], body=BODY), ours=True)
        await h.deliver([lease])
        await h.drain()
    assert p.messages[0].count(b"DKIM-Signature:") == signed
