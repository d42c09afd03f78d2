"""Every fault at every step of a delivery, on a whole server: the right fate, one right report, a trace that says why.

All cases run at once on one server: each has a domain of its own, a road to a misbehaving server of its own,
and one message from an account.  The message is tried for twenty seconds, and the time limits allow for a machine that
is slow itself: two attempts that hang fit into the lifetime all the same.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Kurir, Report, Sink, hand_in, login, reports, text

LIFETIME, NOTICE = 20.0, 3.0  # seconds
SETTINGS = f"""
[queue]
retry = [1, 1, 2]
lifetime = {LIFETIME}
delay_notice = [{NOTICE}]

[delivery.timeouts]
connect = 4
banner = 4
hello = 4
tls = 4
auth = 4
command = 2
data = 4
final_dot = 4
"""

STEPS = ("BANNER", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BODY")
SESSION = STEPS[:4]  # a refusal there is about us, not about the message
STAGES = {
    "BANNER": "banner",
    "EHLO": "helo",
    "STARTTLS": "tls",
    "AUTH": "auth",
    "MAIL": "mail",
    "RCPT": "rcpt",
    "DATA": "data",
    "BODY": "body",
}
# fault -> what the server says, and the words of it that the sender and the operator must be able to read
FAULTS: dict[str, tuple[Any, str]] = {
    "later": (b"451 4.7.1 Greylisted, please come back\r\n", "451 4.7.1 Greylisted, please come back"),
    "never": (
        b"550-5.7.1 No: we do not like you\r\n550 5.7.1 see https://no.test/77\r\n",
        "https://no.test/77",
    ),
    "bye": ((b"421 4.3.2 Shutting down at 12:00\r\n", "close"), "421 4.3.2 Shutting down at 12:00"),
    "close": ("close", ""),
    "garbage": (b"what is this, HTTP/1.1?\r\n", "HTTP/1.1"),
    "half": ((b"250-half of a rep", "close"), ""),
    "stub": (b"250-half of a rep", ""),  # and then silence
    "hang": ("hang", ""),
}
SILENT = ("close", "garbage", "half", "stub", "hang")  # after the final dot nobody knows what they did


@dataclasses.dataclass(frozen=True)
class Case:
    step: str
    fault: str
    times: int = 1000  # how often the server misbehaves before it mends its ways

    @property
    def domain(self) -> str:
        return f"{self.fault}-{self.step}{'-once' if self.mends else ''}.test".lower()

    @property
    def mends(self) -> bool:
        return self.times < 1000

    @property
    def refused(self) -> bool:
        """Whether it is over at once: a 5xx about the message.  One about the session may be about us."""
        return self.fault == "never" and self.step not in SESSION

    @property
    def unknown(self) -> bool:
        """Whether the message may have arrived in spite of everything."""
        return self.step == "BODY" and self.fault in SILENT

    @property
    def extensions(self) -> tuple[str, ...]:
        more = {"STARTTLS": ("STARTTLS",), "AUTH": ("AUTH PLAIN",)}.get(self.step, ())
        return ("PIPELINING", "8BITMIME", "DSN", "ENHANCEDSTATUSCODES", *more)

    def url(self, port: int) -> str:
        login = "me:secret@" if self.step == "AUTH" else ""
        tls = {"STARTTLS": "require", "AUTH": "opportunistic"}.get(self.step, "none")
        return f"smtp://{login}127.0.0.1:{port}?tls={tls}"

    def script(self, verb: str, _: str, attempt: int) -> Any:
        return FAULTS[self.fault][0] if verb == self.step and attempt <= self.times else None


PERSISTENT = [Case(step, fault) for step in STEPS for fault in FAULTS]
MENDING = [
    Case(step, fault, 1)
    for step in STEPS
    for fault in FAULTS
    if step != "STARTTLS" and not Case(step, fault).refused  # this server has no TLS to mend
]
POLITE = [Case("QUIT", fault) for fault in ("never", "close", "hang")]  # the message is over by then
ALL = PERSISTENT + MENDING + POLITE


@dataclasses.dataclass
class World:
    kurir: Kurir
    sinks: dict[str, Sink]
    stories: dict[str, Any]
    reports: dict[str, list[Report]]


@pytest.fixture(scope="module", params=[0, 1], ids=["one-process", "workers"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("matrix") / "kurir"
    with ExitStack() as stack:
        sinks = {c.domain: stack.enter_context(Sink(c.script, c.extensions)) for c in ALL}
        roads = "".join(
            f'[[roads]]\nname = "{c.domain[:-5]}"\nurl = "{c.url(sinks[c.domain].port)}"\nrecipients = ["{c.domain}"]\n'
            for c in ALL
        )
        kurir = Kurir(folder, workers=request.param, toml=SETTINGS + roads)
        password = stack.enter_context(kurir).user("alice", "correct horse")
        with login(kurir, "alice", password) as s:
            for d in sinks:
                message = text("alice@example.test", f"bob@{d}", f"to {d}", "secret body\n")
                hand_in(s, "alice@example.test", f"bob@{d}", message, mail=[f"ENVID={d}"])
        kurir.wait_empty()
        told = kurir.json("trace", "alice@example.test", "--limit", "1000")["messages"]
        found = reports(kurir, "alice")
        yield World(
            kurir,
            sinks,
            {m["to"][0].partition("@")[2]: m for m in told if m["account"]},
            {d: [r for r in found if r.envid == d] for d in sinks},
        )
        assert kurir.audit()["balanced"]


def seconds(later: str, earlier: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


@pytest.mark.parametrize("case", PERSISTENT, ids=lambda c: c.domain[:-5])
def test_a_fault_that_stays(world: World, case: Case) -> None:
    story = world.stories[case.domain]
    (recipient,) = story["recipients"]
    words = FAULTS[case.fault][1]
    attempts = [h for h in recipient["history"] if h["kind"] == "attempted"]
    tried = [h for h in attempts if "not tried" not in h["detail"]]

    assert recipient["fate"] == ("bounced" if case.refused else "expired")
    assert recipient["possibly_delivered"] is case.unknown
    assert len(tried) == 1 if case.refused else len(tried) >= 2
    assert {h["stage"] for h in tried} == {STAGES[case.step]}
    assert all(h["host"].endswith(f":{world.sinks[case.domain].port}") for h in attempts)
    if not case.refused:
        assert LIFETIME - 0.5 < seconds(recipient["history"][-1]["at"], story["accepted_at"]) < 2 * LIFETIME
    assert case.step == "BODY" or not world.sinks[case.domain].messages

    # The sender: one notice of the delay, one of the end.
    found = world.reports[case.domain]
    assert [r.actions[f"bob@{case.domain}"] for r in found] == (
        ["failed"] if case.refused else ["delayed", "failed"]
    )
    last = found[-1].recipients[f"bob@{case.domain}"]
    assert last["status"][0] == ("5" if case.refused else "4")
    assert words in last["diagnostic-code"]
    assert last["diagnostic-code"].startswith(
        "smtp;" if case.fault in ("later", "never", "bye") else "x-kurir;"
    )
    assert "127.0.0.1" in last["remote-mta"]
    assert ("may have taken it all the same" in found[-1].text) is case.unknown
    assert ("Mungkin server tujuan tetap menerimanya" in found[-1].text) is case.unknown
    assert words in found[-1].text
    if not case.refused:
        due = next(h for h in recipient["notices"] if h["kind"] == "notice_due")
        assert NOTICE <= seconds(due["at"], story["accepted_at"]) < LIFETIME
        assert "will-retry-until" in found[0].recipients[f"bob@{case.domain}"]


@pytest.mark.parametrize("case", MENDING, ids=lambda c: c.domain[:-5])
def test_a_fault_that_goes_away(world: World, case: Case) -> None:
    (recipient,) = world.stories[case.domain]["recipients"]
    assert recipient["fate"] == "handed_over"
    assert any(h["possibly_delivered"] for h in recipient["history"]) is case.unknown
    assert not recipient["possibly_delivered"]  # it is delivered: nothing is open any more
    took_it_twice = (case.step, case.fault) == ("BODY", "stub")  # its "250-" was no answer yet
    assert len(world.sinks[case.domain].messages) == (2 if took_it_twice else 1)
    assert b"secret body" in world.sinks[case.domain].messages[0].data
    assert [r.actions for r in world.reports[case.domain] if "failed" in r.actions.values()] == []


@pytest.mark.parametrize("case", POLITE, ids=lambda c: c.domain[:-5])
def test_rudeness_at_the_end_changes_nothing(world: World, case: Case) -> None:
    (recipient,) = world.stories[case.domain]["recipients"]
    assert (recipient["fate"], recipient["attempts"]) == ("handed_over", 1)
    assert len(world.sinks[case.domain].messages) == 1
    assert world.reports[case.domain] == []


def test_nothing_else_was_reported(world: World) -> None:
    assert len(world.kurir.mail("alice")) == sum(map(len, world.reports.values()))


@pytest.mark.parametrize("lang", ["en", "id"])
@pytest.mark.parametrize(
    "case", [Case("RCPT", "never"), Case("MAIL", "later"), Case("BODY", "hang")], ids=lambda c: c.domain
)
def test_the_trace_says_why(world: World, case: Case, lang: str) -> None:
    told = world.kurir.cli("trace", world.stories[case.domain]["id"], "--lang", lang).stdout.decode()
    assert f"bob@{case.domain}" in told
    assert FAULTS[case.fault][1] in told
    assert {"en": "Why", "id": "Sebab"}[lang] in told
