"""Bounces that come back: shown in the trace of the mail they are about, believed only where they can be, and mail to
the dead is refused with the reason until somebody lifts it.
"""

import smtplib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.harness import PATIENCE, Kurir, Sink, hand_in, login, reports, text

BOUNCE = """\
From: Mail Delivery Subsystem <mailer-daemon@mx.far.test>
To: <alice@example.test>
Subject: Undelivered Mail Returned to Sender
Message-ID: <{token}@mx.far.test>
Date: Mon, 23 Nov 2026 08:10:00 +0000
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Your message could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.far.test

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; {said}

--b
Content-Type: text/rfc822-headers

Message-ID: <{original}@client.test>
Subject: x

--b--
"""
FREE = """\
From: MAILER-DAEMON@mx.far.test
To: <alice@example.test>
Subject: failure notice
Message-ID: <{token}@mx.far.test>
Date: Mon, 23 Nov 2026 08:10:00 +0000

Hi. This is the qmail-send program at mx.far.test.
I'm afraid I wasn't able to deliver your message to the following addresses.

<{recipient}>:
192.0.2.153 does not like recipient.
Remote host said: {said}
Giving up on 192.0.2.153.

--- Below this line is a copy of the message.

Return-Path: <alice@example.test>
Message-ID: <{original}@client.test>
Subject: x

hello
"""
UNKNOWN = "550 5.1.1 no such user here"


@dataclass
class World:
    kurir: Kurir
    far: Sink
    session: smtplib.SMTP

    def send(self, to: str | list[str], subject: str) -> str:
        first = to if isinstance(to, str) else to[0]
        return hand_in(self.session, "alice@example.test", to, text("alice@example.test", first, subject))

    def story(self, id: str) -> Any:
        (message,) = self.kurir.ask("trace", id)["messages"]
        return message

    def handed_over(self, id: str) -> None:
        self.kurir.wait(f"{id} handed over", lambda: all(r["fate"] for r in self.story(id)["recipients"]))

    def comes_back(
        self, form: str, recipient: str, original: str, said: str = UNKNOWN, token: str = "b"
    ) -> None:
        """Let a stranger hand in a bounce, as the server of the other side would."""
        message = form.format(recipient=recipient, original=original, said=said, token=f"{token}-{original}")
        before = len(self.kurir.mail("alice"))
        with smtplib.SMTP("127.0.0.1", self.kurir.smtp, local_hostname="mx.far.test", timeout=PATIENCE) as s:
            s.ehlo()
            hand_in(s, "", "alice@example.test", message.replace("\n", "\r\n").encode())
        self.kurir.wait("the bounce in the mailbox", lambda: len(self.kurir.mail("alice")) > before)

    def returned(self, id: str) -> list[Any]:
        steps = [s for r in self.story(id)["recipients"] for s in r["history"]]
        return [s for s in steps if s["kind"] == "returned"]

    def listed(self) -> dict[str, Any]:
        return {e["address"]: e for e in self.kurir.ask("suppress", "list")["addresses"]}

    def rcpt(self, address: str) -> tuple[int, str]:
        """Ask as a program in a trusted network."""
        with smtplib.SMTP(
            "127.0.0.1",
            self.kurir.smtp,
            local_hostname="app.test",
            timeout=PATIENCE,
            source_address=("127.0.0.2", 0),
        ) as s:
            s.ehlo()
            s.mail("alice@example.test")
            code, said = s.rcpt(address)
        return code, said.decode()


@pytest.fixture(scope="module", params=[0, 1], ids=["one-process", "workers"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        far = stack.enter_context(Sink())
        road = f'[[roads]]\nname = "far"\nurl = "smtp://127.0.0.1:{far.port}?tls=none"\nrecipients = ["far.test"]\n'
        kurir = Kurir(
            tmp_path_factory.mktemp("suppression") / "kurir",
            workers=request.param,
            trust=("127.0.0.2/32",),
            toml="[senderauth]\nenabled = false\n" + road,
        )
        password = stack.enter_context(kurir).user("alice", "correct horse")
        session = stack.enter_context(login(kurir, "alice", password))
        yield World(kurir, far, session)
        assert kurir.audit()["balanced"]


@pytest.mark.parametrize("form", [BOUNCE, FREE], ids=["report", "free-form"])
def test_a_bounce_stands_in_the_trace_and_the_dead_address_is_refused_until_it_is_lifted(
    world: World, form: str
) -> None:
    name = "gone" if form is BOUNCE else "left"
    address = f"{name}@far.test"
    id = world.send(address, f"to-{name}")
    world.handed_over(id)
    world.comes_back(form, address, f"to-{name}")
    (step,) = world.kurir.wait("the bounce in the trace", lambda: world.returned(id))
    assert (step["cause"], step["reason"]) == ("unknown_user", UNKNOWN)
    assert "no such user" in world.kurir.inside("trace", id, "--lang", "id")[1]

    _, said = world.kurir.wait("the refusal", lambda: (r := world.rcpt(address))[0] == 550 and r)
    assert (
        "suppression list since 20" in said and UNKNOWN in said and f"kurir suppress remove {address}" in said
    )
    shown = world.kurir.ask("suppress", "show", address)
    assert (shown["cause"], shown["by"], shown["source"]) == ("unknown_user", "bounce", id)
    assert shown["until"] > shown["since"] + 29 * 86400
    assert world.kurir.json("why", said)["cause"] == "suppressed"

    world.kurir.cli("suppress", "remove", address)
    assert address not in world.listed()
    world.kurir.wait("mail is taken again", lambda: world.rcpt(address)[0] == 250)


def test_a_bounce_that_only_knows_what_the_sender_called_the_envelope(world: World) -> None:
    world.send("envelope@far.test", "another")
    letter = text("alice@example.test", "envelope@far.test", "named")
    world.session.sendmail(
        "alice@example.test", "envelope@far.test", letter, mail_options=["ENVID=QQ314159-8"]
    )
    id = next(
        m["id"] for m in world.kurir.ask("trace", "envelope@far.test")["messages"] if m["subject"] == "named"
    )
    world.handed_over(id)
    form = BOUNCE.replace("Reporting-MTA:", "Original-Envelope-Id: QQ314159-8\nReporting-MTA:")
    assert form != BOUNCE
    world.comes_back(form, "envelope@far.test", "taken-away")
    (step,) = world.kurir.wait("the bounce in the trace", lambda: world.returned(id))
    assert step["cause"] == "unknown_user"
    world.kurir.wait("the address on the list", lambda: "envelope@far.test" in world.listed())


def test_a_forged_bounce_suppresses_nobody(world: World) -> None:
    id = world.send("healthy@far.test", "secret-token")
    world.handed_over(id)
    world.comes_back(BOUNCE, "healthy@far.test", "guessed-token")
    world.comes_back(BOUNCE, "never-written-to@far.test", "secret-token")  # forwarded there, for all we know
    world.kurir.wait("the second one in the trace", lambda: world.returned(id))
    assert not {"healthy@far.test", "never-written-to@far.test"} & set(world.listed())


def test_a_bounce_of_mail_that_others_got_as_well_is_no_proof(world: World) -> None:
    id = world.send(["anna@far.test", "berta@far.test"], "to-both")
    world.handed_over(id)
    world.comes_back(BOUNCE, "berta@far.test", "to-both")
    world.kurir.wait("the bounce in the trace", lambda: world.returned(id))
    assert "berta@far.test" not in world.listed()


def test_a_full_mailbox_is_shown_and_suppresses_nobody(world: World) -> None:
    id = world.send("full@far.test", "to-full")
    world.handed_over(id)
    world.comes_back(BOUNCE, "full@far.test", "to-full", "552 5.2.2 over quota")
    (step,) = world.kurir.wait("the bounce in the trace", lambda: world.returned(id))
    assert step["cause"] == "mailbox_full"
    assert "full@far.test" not in world.listed()


def test_what_was_taken_before_comes_back_with_a_report_that_says_why(world: World) -> None:
    world.far.script = lambda verb, line, n: (
        b"450 4.2.0 later\r\n" if verb == "RCPT" and "slow" in line else None
    )
    id = world.send(["slow@far.test", "other@far.test"], "to-slow")
    world.kurir.wait("the first try", lambda: world.story(id)["recipients"][0]["attempts"])
    world.kurir.cli(
        "suppress", "add", "slow@far.test", "--reason", "asked us by phone to stop", "--days", "7"
    )

    def given_up() -> bool:
        world.kurir.inside("queue", "retry", id)
        return bool(world.story(id)["recipients"][0]["fate"])

    world.kurir.wait("the end", given_up)
    slow = world.story(id)["recipients"][0]
    assert (slow["fate"], slow["cause"]) == ("bounced", "suppressed")
    assert "asked us by phone to stop" in slow["what"]
    told = world.kurir.wait(
        "the report",
        lambda: [r for r in reports(world.kurir, "alice") if "slow@far.test" in str(r.recipients)],
    )
    assert "asked us by phone to stop" in told[-1].text
    assert not any("slow" in r for m in world.far.messages for r in m.rcpts)
    world.kurir.cli("suppress", "remove", "slow@far.test")
    world.far.script = None


def test_our_own_addresses_are_not_for_the_list_and_help_is_there(world: World) -> None:
    code, _, errors = world.kurir.inside("suppress", "add", "alice@example.test", "--reason", "x")
    assert code == 1 and "address of this server" in errors
    code, _, errors = world.kurir.inside("suppress", "remove", "nobody@far.test")
    assert code == 1 and "not on the suppression list" in errors
    assert world.kurir.inside("suppress", "show", "nobody@far.test")[0] == 1
    assert "kurir suppress" in world.kurir.inside("suppress", "--help", config=False)[1]
