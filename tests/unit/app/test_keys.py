"""Keys are files nobody else may read, in use only when the DNS shows them, and none goes too early."""

import asyncio
import stat

import pytest

from kurir.app.ipc.wire import Result
from kurir.app.keys.dkim import (
    FolderRing,
    KeyDesk,
    KeyDeskError,
    KeySettings,
    awaits_key,
    published,
    rewriting,
)
from kurir.app.keys.keywatch import KeyWatch
from kurir.net.ports import DnsAnswer, DnsStatus
from kurir.senderauth.dkim import SelectorSettings, SelectorState, Sighting, Step, txt_strings
from kurir.storage import KeyFolder, Layout

DAY = 86_400.0
START = 1_795_425_000.0
RULES = SelectorSettings(settle=3600.0, retire_after=8 * DAY, rotate_after=180 * DAY)
D = "example.test"


class Clock:
    def __init__(self):
        self.at = START

    def now(self):
        return self.at

    def monotonic(self):
        return self.at


class Dns:
    """TXT records in a dictionary; a name in `broken` is not answered."""

    def __init__(self):
        self.records = {}
        self.broken = set()
        self.asked = []

    async def txt(self, name):
        self.asked.append(name)
        if name in self.broken:
            return DnsAnswer(DnsStatus.TIMEOUT)
        if name in self.records:
            return DnsAnswer(DnsStatus.OK, (self.records[name].encode(),))
        return DnsAnswer(DnsStatus.NXDOMAIN)

    def publish(self, folder, domain=D):
        for selector, text in published(folder, domain).items():
            self.records[f"{selector}._domainkey.{domain}"] = "".join(txt_strings(text))


@pytest.fixture
def world(tmp_path):
    """(desk, folder, clock, dns, watch): the watch tells the desk directly."""
    clock, dns, folder = Clock(), Dns(), KeyFolder(Layout(tmp_path))
    desk = KeyDesk(folder, KeySettings(domains=(D,), selectors=RULES), clock)

    async def operate(op, args):
        assert op == "dkim.seen"
        seen = {d: {n: Sighting(s) for n, s in some.items()} for d, some in args["sightings"].items()}
        return Result(
            value={"steps": [[t.domain, t.decision.selector, t.decision.step.value] for t in desk.seen(seen)]}
        )

    return desk, folder, clock, dns, KeyWatch(folder, lambda: dns, clock, operate)


def states(folder):
    return {s.name: s.state.value for s in folder.selectors().get(D, ())}


def test_made_once_and_for_nobody_else(world, tmp_path):
    desk, folder, *_ = world
    assert [t.decision.step for t in desk.prepare()] == [Step.CREATE, Step.CREATE]
    first = {p.name: p.read_bytes() for p in (tmp_path / "keys").iterdir()}
    assert not desk.prepare()
    assert {p.name: p.read_bytes() for p in (tmp_path / "keys").iterdir()} == first
    assert len(first) == 4
    for path in (tmp_path / "keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert states(folder) == {"k202611r": "pending", "k202611e": "pending"}
    assert rewriting(folder, wanted=True) is not None
    assert rewriting(folder, wanted=False) is None


def test_a_playground_signs_at_once(tmp_path):
    folder = KeyFolder(Layout(tmp_path))
    desk = KeyDesk(folder, KeySettings(domains=(D,), selectors=RULES, at_once=True), Clock())
    desk.prepare()
    assert set(states(folder).values()) == {"active"}
    assert [s.state for s in desk.new(D)] == [SelectorState.ACTIVE] * 2
    assert sorted(states(folder).values()) == ["active", "active", "retiring", "retiring"]


async def test_in_use_when_it_is_seen_and_a_rotation_breaks_nothing(world):
    desk, folder, clock, dns, watch = world
    desk.prepare()
    ring = FolderRing(folder, dkim=True, arc=True)
    ring.look()
    assert [step for *_, step in await watch.look()] == ["publish", "publish"]
    assert ring.keys(D) is None and awaits_key(folder, D) and awaits_key(folder, f"mail.{D}")
    assert not awaits_key(folder, "foreign.test")

    dns.publish(folder)
    clock.at += 61
    assert {step for *_, step in await watch.look()} == {"use"}
    assert ring.look() and ring.keys(D).signer is not None and ring.keys(D).sealer is not None
    assert not awaits_key(folder, D)
    version = ring.version
    assert not ring.look() and ring.version == version

    # rotation: the old ones sign on until the new ones have been seen for a while
    clock.at += 10 * DAY
    made = desk.new(D)
    assert {s.state for s in made} == {SelectorState.PENDING}
    with pytest.raises(KeyDeskError, match="already"):
        desk.new(D)
    assert sorted(states(folder).values()) == ["active", "active", "pending", "pending"]
    dns.publish(folder)
    await watch.look()
    assert sorted(states(folder).values()) == ["active", "active", "pending", "pending"]
    clock.at += 3700
    assert {step for *_, step in await watch.look()} == {"use", "retire"}
    assert sorted(states(folder).values()) == ["active", "active", "retiring", "retiring"]
    assert len(published(folder, D)) == 4

    # and are published until nothing of them is on its way any more
    clock.at += 8 * DAY - 10
    await watch.look()
    assert len(published(folder, D)) == 4
    clock.at += 3700
    assert {step for *_, step in await watch.look()} == {"withdraw"}
    assert set(published(folder, D)) == {s.name for s in made}
    with pytest.raises(OSError, match="k202611r"):
        folder.key(D, "k202611r")


async def test_no_answer_changes_nothing_and_a_vanished_record_is_told(world):
    desk, folder, clock, dns, watch = world
    desk.prepare()
    dns.publish(folder)
    await watch.look()
    assert set(states(folder).values()) == {"active"}
    dns.broken = set(dns.records)
    clock.at += 2 * 3600
    assert await watch.look() == []
    dns.broken, dns.records = set(), {}
    clock.at += 2 * 3600
    assert {step for *_, step in await watch.look()} == {"missing"}
    assert set(states(folder).values()) == {
        "active"
    }  # it goes on signing: another key would not be seen either


async def test_looked_at_as_often_as_is_due(world):
    desk, folder, clock, dns, watch = world
    desk.prepare()
    for _ in range(5):
        await watch.look()
        clock.at += 10
    assert len(dns.asked) == 2
    clock.at += 60
    dns.publish(folder)
    await watch.look()
    assert len(dns.asked) == 4
    clock.at += 3000
    await watch.look()
    assert len(dns.asked) == 4


def test_retiring_by_hand(world):
    desk, folder, _clock, _dns, _watch = world
    desk.prepare()
    seen = {D: dict.fromkeys(states(folder), Sighting.SEEN)}
    desk.seen(seen)
    with pytest.raises(KeyDeskError, match="no RSA key"):
        desk.retire(D, "k202611r")
    assert desk.retire(D, "k202611e").state is SelectorState.RETIRING
    with pytest.raises(KeyDeskError, match="not in use"):
        desk.retire(D, "k202611e")
    (made,) = desk.new(D, ["rsa"])
    assert desk.retire(D, made.name).state is SelectorState.RETIRED
    assert made.name not in published(folder, D)
    for domain, name in (("other.test", "x"), (D, "nope"), ("@@", "x")):
        with pytest.raises(KeyDeskError):
            desk.retire(domain, name)


def test_a_damaged_key_is_left_out_and_told(world, tmp_path):
    desk, folder, *_ = world
    desk.prepare()
    desk.seen({D: dict.fromkeys(states(folder), Sighting.SEEN)})
    (tmp_path / "keys" / f"k202611r._domainkey.{D}.pem").write_text("nonsense")
    ring = FolderRing(folder, dkim=True, arc=True)
    ring.look()
    keys = ring.keys(D)
    assert keys.sealer is None and keys.signer is not None
    assert list(ring.problems) == [f"k202611r._domainkey.{D}"]
    (tmp_path / "keys" / "states.json").write_text("{")
    with pytest.raises(ValueError, match=r"states\.json"):
        ring.look()
    assert ring.keys(D) is keys


def test_two_at_once_are_one_after_the_other(world):
    desk, folder, *_ = world
    desk.prepare()

    async def both():
        done = await asyncio.gather(
            *(asyncio.to_thread(desk.new, D) for _ in range(3)), return_exceptions=True
        )
        assert all(isinstance(d, KeyDeskError) for d in done)  # pending ones are there already

    asyncio.run(both())
    assert len(states(folder)) == 2
