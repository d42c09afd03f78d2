"""What is mailed in the morning: once, only where there is something to tell, to who asked or has to decide."""

import email
import email.policy
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kurir.app.operating.submit import SubmitError
from kurir.app.process.logs import make
from kurir.app.reports.mornings import Mornings
from kurir.config import Config, load
from kurir.identity import Account
from kurir.model import Cause
from kurir.storage import Layout, SqliteAccounts, SqliteFacts
from tests.unit.queue.world import NO, SENT, FakeClock, World

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC).timestamp()
DAY = 86_400.0
SITI = Account("siti@here.example", ("siti@here.example",), "hash", summary="id")
BUDI = Account("budi@here.example", ("budi@here.example", "info@here.example"), "hash")


class Postbox:
    """Takes mail, or does not."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, email.message.EmailMessage]] = []
        self.closed = False

    def __call__(self, to: str, message: bytes) -> None:
        if self.closed:
            raise SubmitError("no server is running here", final=False)
        parsed = email.message_from_bytes(message, policy=email.policy.default)
        assert isinstance(parsed, email.message.EmailMessage)
        self.mails.append((to, parsed))

    def told(self) -> list[str]:
        return [to for to, _ in self.mails]


class House:
    """A state folder with a queue, and mornings over it."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.clock.wall = NOON
        file = folder / "kurir.toml"
        file.write_text('[server]\nhostname = "mx.here.example"\n[domains."here.example"]\n')
        self.config: Config = load(file)
        layout = Layout(self.config.server.state)
        self.facts = SqliteFacts(layout, self.clock)
        self.accounts = SqliteAccounts(layout, self.clock)
        for account in (SITI, BUDI):
            self.accounts.put(account)
        self.world = World(self.facts, clock=self.clock)  # type: ignore[arg-type]
        self.hand = self.world.hand()
        self.post = Postbox()
        self.mornings = Mornings(
            self.config, self.clock, make("json", "error", {}, "test"), self.post, zone=UTC
        )

    def send(self, *to: str, account: str = SITI.name) -> None:
        self.world.accept(*to, sender=account, account=account)
        self.world.plan(self.hand)

    def hold(self, to: str, subject: str = "You have won") -> int:
        return self.world.accept(
            to, sender="king@far.example", account=None, proven=False, hold="the sender is not proven",
            hold_cause=Cause.SENDER_UNPROVEN, subject=subject, header_from="King <king@far.example>",
        )  # fmt: skip

    def morning(self, days: float = 1, hour: int = 7) -> list[str]:
        """Let that morning come; return who was told then."""
        self.clock.wall = NOON + days * DAY + (hour - 12) * 3600
        before = len(self.post.mails)
        self.mornings.round()
        return self.post.told()[before:]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.facts.close()
    made.accounts.close()


def text_of(message: email.message.EmailMessage) -> str:
    return " ".join(message.get_content().split())


def test_a_day_is_summed_up_once_for_who_asked(house: House) -> None:
    house.send("a@far.example", "b@far.example")
    for lease in house.hand.take():
        house.world.settle(lease, SENT, NO)
    house.send("c@away.example")
    house.send("d@far.example", account=BUDI.name)  # he asked for nothing
    assert house.morning(hour=5) == []  # too early
    assert house.morning() == [SITI.name]
    assert house.morning(hour=9) == []
    _, message = house.post.mails[0]
    text = text_of(message)
    assert message["Subject"] == "Surel Anda pada Minggu, 22 November 2026"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["From"] == "postmaster@here.example"
    assert "Dikirim: 2 surel kepada 3 penerima." in text
    assert "b@far.example: ditolak" in text
    assert "c@away.example: menunggu" in text
    assert "kurir summary siti@here.example --unsubscribe" in text


def test_a_day_without_mail_is_told_to_nobody(house: House) -> None:
    assert house.morning() == []
    assert house.morning(days=2) == []


def test_a_mail_that_could_not_be_handed_in_comes_later(house: House) -> None:
    house.send("a@far.example")
    house.post.closed = True
    with pytest.raises(SubmitError):
        house.morning()
    house.post.closed = False
    assert house.morning(hour=8) == [SITI.name]


def test_held_mail_is_told_to_the_postmaster_and_to_its_owner(house: House) -> None:
    house.hold("info@here.example", "Hello\r\nBcc: everybody@x.example")
    released = house.hold("budi@here.example")
    house.world.brain.operator.release(released, by="operator")
    house.world.run()
    assert house.morning() == ["postmaster@here.example", BUDI.name]
    operator, owner = (text_of(m) for _, m in house.post.mails)
    assert "kurir queue release k0000011" in operator
    assert "King <king@far.example>" in operator and "info@here.example" in operator
    assert "Hello Bcc: everybody@x.example" in operator
    assert "King <king@far.example>" in owner and "postmaster@here.example" in owner
    assert "kurir queue" not in owner
    assert house.morning(days=2) == []  # still held, and known


def test_what_a_person_held_he_knows_of(house: House) -> None:
    house.send("a@far.example")
    house.world.brain.operator.hold(1, by="operator", reason="let me look")
    house.world.run()
    assert house.morning() == [SITI.name]


def test_both_can_be_switched_off(house: House) -> None:
    house.send("a@far.example")
    house.hold("info@here.example")
    house.accounts.put(replace(SITI, summary=""))
    off = house.config.model_copy(update={"morning": house.config.morning.model_copy(update={"held": False})})
    house.mornings = Mornings(off, house.clock, make("json", "error", {}, "test"), house.post, zone=UTC)
    assert house.morning() == []
