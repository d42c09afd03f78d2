"""Mail of strangers on a real socket: checked behind the last octet, labelled, held or refused in words."""

import asyncio
from ipaddress import ip_network

import pytest
from reception_fakes import LMTP, LOOPBACK, MESSAGE, MX, SUBMISSIONS, House, Raw, settings
from tests.unit.senderauth.dkim.material import signed, zone_records
from tests.unit.senderauth.zones import TIMEOUT, Zones

from kurir.model import Cause, MailParams, ObservationKind, Origin, Recipient, Reply, parse_address
from kurir.reception import ListenerSettings, ReceptionSettings
from kurir.reception.intake import Intake, Sender
from kurir.reception.relay import Client
from kurir.reception.transaction import Transaction
from kurir.reports import Tally
from kurir.senderauth.screening import Screener, ScreeningSettings, SenderRule, TreatmentSettings
from kurir.smtp.events import MailFrom

IDS = frozenset({"mx.local.example"})
FORGED = b"Authentication-Results: MX.local.example; dmarc=pass\r\n"
FOREIGN = b"Authentication-Results: mx.far.example; spf=pass\r\n"


def zones() -> Zones:
    records: dict[str, list[tuple[str, object]]] = {n: [("TXT", t)] for n, t in zone_records().items()}
    records["pass.example"] = [("TXT", b"v=spf1 ip4:127.0.0.1 -all")]
    records["fail.example"] = [("TXT", b"v=spf1 -all exp=why.fail.example")]
    records["why.fail.example"] = [("TXT", b"ask the postmaster")]
    records["silent.example"] = [(TIMEOUT, None)]
    for name in ("reject", "quarantine", "none"):
        records[f"{name}.example"] = [("TXT", b"v=spf1 -all")]
        records[f"_dmarc.{name}.example"] = [("TXT", f"v=DMARC1; p={name}".encode())]
    records["_dmarc.example.org"] = [("TXT", b"v=DMARC1; p=reject")]
    return Zones(records)


def house(**changes: object) -> House:
    screener = Screener(ScreeningSettings.limits_of("mx.local.example", 5), zones())
    return peopled(House(settings=settings(results_ids=IDS, **changes), screener=screener))


def peopled(h: House) -> House:
    h.account("alice@local.example", "alice's secret")
    return h


def mail(domain: str, *above: bytes) -> bytes:
    return b"".join(above) + MESSAGE.replace(b"alice@local.example", f"a@{domain}".encode(), 1)


async def send(
    h: House, message: bytes, sender: str = "", listener: ListenerSettings = MX, *, hello: str = "EHLO"
) -> str:
    async with h.open(listener) as port:
        client = await Raw.dial(port)
        assert (await client.reply()).startswith("220")
        await client.say(f"{hello} client.example")
        await client.say(f"MAIL FROM:<{sender}>")
        await client.say("RCPT TO:<alice@local.example>")
        await client.say("DATA")
        reply = await client.say(message + b".\r\n")
        await client.close()
    return reply


# author's domain -> (settings, reply, marked, held, what the field says)
CASES: dict[str, tuple[str, TreatmentSettings, str, bool, bool, str]] = {
    "proven": ("pass.example", TreatmentSettings(), "250", False, False, "spf=pass"),
    "nothing known": ("unknown.example", TreatmentSettings(), "250", False, False, "spf=none"),
    "reject": (
        "reject.example",
        TreatmentSettings(),
        "550 5.7.1 reject.example asks to refuse mail that does not prove to come from it (DMARC)",
        False,
        False,
        "",
    ),
    "quarantine": ("quarantine.example", TreatmentSettings(), "250", True, False, "dmarc=fail"),
    "quarantine held": (
        "quarantine.example",
        TreatmentSettings(quarantine="hold"),
        "250",
        False,
        True,
        "dmarc=fail",
    ),
    "none": ("none.example", TreatmentSettings(), "250", False, False, "dmarc=fail"),
    "SPF fail": ("fail.example", TreatmentSettings(), "250", True, False, "spf=fail"),
    "SPF fail refused": (
        "fail.example",
        TreatmentSettings(spf_fail="refuse"),
        "550 5.7.23 fail.example says that 127.0.0.1 may not send for it (SPF): ask the postmaster",
        False,
        False,
        "",
    ),
    "a rule of ours": (
        "reject.example",
        TreatmentSettings(rules={"reject.example": SenderRule("accept", "moving house")}),
        "250",
        False,
        False,
        "dmarc=fail (p=reject dis=none local_policy)",
    ),
    "the DNS is silent": ("silent.example", TreatmentSettings(), "250", False, False, "spf=temperror"),
}


@pytest.mark.parametrize("name", CASES)
async def test_what_becomes_of_a_strangers_mail(name: str) -> None:
    domain, treatment, reply, marked, held, said = CASES[name]
    h = house(treatment=treatment)
    assert (await send(h, mail(domain), f"a@{domain}")).startswith(reply)
    if reply.startswith("5"):
        assert not h.brain.incoming
        seen = h.brain.seen(ObservationKind.REFUSED_MESSAGE)[0]
        assert seen.cause in (Cause.SENDER_UNPROVEN, Cause.SENDER_NOT_LISTED)
        assert seen.detail.startswith("dmarc=")
        return
    incoming = h.brain.incoming[0]
    assert incoming.trace_block.startswith(b"Authentication-Results: mx.local.example;\r\n")
    assert said.encode() in incoming.trace_block
    assert incoming.trace_block.index(b"Received: ") > incoming.trace_block.index(said.encode())
    assert (b"X-Spam-Flag: YES\r\n" in incoming.trace_block) is marked
    assert (incoming.hold is not None) is held
    assert incoming.hold_cause is (Cause.SENDER_UNPROVEN if held else None)
    assert incoming.proven_sender is (name == "proven")
    assert {"spf", "dkim", "dmarc", "iprev"} <= {check.method for check in incoming.checks}


async def test_a_message_without_an_author_is_refused() -> None:
    h = house()
    reply = await send(h, b"Subject: x\r\n\r\nhello\r\n", "a@pass.example")
    assert reply == "550 5.7.1 The From field must name one author with an address"
    assert h.brain.seen(ObservationKind.REFUSED_MESSAGE)[0].cause is Cause.AUTHOR_UNCLEAR


async def test_results_that_pose_as_ours_are_cut_out_and_others_stay() -> None:
    h = house()
    await send(h, mail("pass.example", FORGED, FOREIGN, FORGED), "a@pass.example")
    incoming = h.brain.incoming[0]
    assert incoming.body == mail("pass.example", FOREIGN)
    assert incoming.size == len(incoming.body)
    assert incoming.body[incoming.header_end :] == b"hello\r\n"
    assert incoming.trace_block.count(b"Authentication-Results") == 1


async def test_a_signature_that_covers_such_a_field_is_checked_before_it_goes() -> None:
    h = house()
    await send(h, FORGED + signed(), "x@far.example")
    assert b"dkim=pass" in h.brain.incoming[0].trace_block
    assert b"dmarc=pass" in h.brain.incoming[0].trace_block


@pytest.mark.parametrize("size", [200_000, 1_500_000])
async def test_a_large_body_is_hashed_on_its_way_to_the_file(size: int) -> None:
    text = b"From: <a@example.org>\r\nSubject: large\r\n\r\n" + b"a line of  seventeen\r\n" * (size // 22)
    h = house()
    reply = await send(h, signed(text), "a@example.org")
    assert reply.startswith("250")
    incoming = h.brain.incoming[0]
    assert incoming.body is None
    assert incoming.trace_block.count(b"dkim=pass") == 2
    assert h.files.finished[incoming.body_file or ""] == signed(text)

    changed = signed(text)[:-100] + b"b" + signed(text)[-99:]
    h = house()
    assert (await send(h, changed, "a@example.org")).startswith("550 5.7.1 example.org asks to refuse")
    assert h.files.discarded == 1
    assert not h.brain.incoming


# Who is not put to the checks: a mail that would be refused is taken, without a field of ours.
EXEMPT: dict[str, tuple[dict[str, object], ListenerSettings]] = {
    "a trusted network": ({"trusted": LOOPBACK}, MX),
    "an exempt network": ({"unscreened": (ip_network("127.0.0.0/24"),)}, MX),
    "our own servers by LMTP": ({}, LMTP),
}


@pytest.mark.parametrize("name", EXEMPT)
async def test_who_is_not_checked(name: str) -> None:
    changes, listener = EXEMPT[name]
    h = house(**changes)
    hello = "LHLO" if listener is LMTP else "EHLO"
    assert (await send(h, mail("reject.example"), "a@reject.example", listener, hello=hello)).startswith(
        "250"
    )
    incoming = h.brain.incoming[0]
    assert b"Authentication-Results" not in incoming.trace_block
    assert incoming.checks == ()
    assert incoming.proven_sender is (name == "a trusted network")
    assert not h.desk.screener.dns.asked  # type: ignore[union-attr]


async def test_an_exempt_network_is_no_trusted_one() -> None:
    h = house(unscreened=LOOPBACK)
    await send(h, mail("pass.example", FORGED), "a@pass.example")
    assert h.brain.incoming[0].body == mail("pass.example")  # what poses as ours goes all the same


async def test_nobody_is_checked_without_a_screener() -> None:
    h = peopled(House(settings=ReceptionSettings(hostname="mx.local.example")))
    assert (await send(h, mail("reject.example"), "a@reject.example")).startswith("250")
    assert h.brain.incoming[0].checks == ()


async def test_accounts_cannot_pose_as_our_results_either() -> None:
    h = house()
    account = h.store.account("alice@local.example")
    assert account is not None
    origin = Origin(protocol="ESMTPSA", listener="submissions", client="127.0.0.1", account=account.name)
    sender = parse_address("alice@local.example")
    transaction = Transaction(
        MailFrom(sender, MailParams()),
        Client(SUBMISSIONS.role, account.name, False),
        h.directory,
        h.desk.settings,
    )
    transaction.add(Recipient(sender), (Recipient(sender),))
    intake = Intake(h.desk, transaction, Sender(origin, SUBMISSIONS.role, account, True))
    intake.add(FORGED + b"Bcc: x@y.example\r\n" + FOREIGN + MESSAGE)
    assert (await intake.accept()).code == 250
    assert h.brain.incoming[0].body == FOREIGN + MESSAGE


async def test_two_messages_at_once_do_not_wait_for_each_others_dns() -> None:
    h = house()
    gate = asyncio.Event()
    dns = h.desk.screener.dns  # type: ignore[union-attr]
    answer = dns.txt

    async def slow(name: str):  # type: ignore[no-untyped-def]
        if "slow" in name:
            await gate.wait()
        return await answer(name)

    dns.txt = slow  # type: ignore[method-assign]
    async with h.open(MX) as port:
        first, second = await Raw.dial(port), await Raw.dial(port)
        for client, domain in ((first, "slow.example"), (second, "pass.example")):
            await client.hello()
            await client.say(f"MAIL FROM:<a@{domain}>")
            await client.say("RCPT TO:<alice@local.example>")
            await client.say("DATA")
            client.send(mail(domain) + b".\r\n")
        assert (await second.reply()).startswith("250")
        gate.set()
        assert (await first.reply()).startswith("250")
        await first.close()
        await second.close()


async def test_what_is_taken_or_refused_is_counted_for_the_owner_and_nothing_else() -> None:
    wanted = {f"_dmarc.{p}.example": f"v=DMARC1; p={p}; rua=mailto:d@{p}.example" for p in ("reject", "none")}
    dns = Zones({**zones()._zone, **{name: [("TXT", text.encode())] for name, text in wanted.items()}})
    screener = Screener(ScreeningSettings.limits_of("mx.local.example", 5), dns)
    tally = Tally()
    for author, unstorable, code in (
        ("reject", None, "550"),
        ("none", None, "250"),
        ("quarantine", None, "250"),  # asks for no reports
        ("none", Reply.of(451, "4.3.0", "not now"), "451"),  # comes again
    ):
        h = peopled(House(settings=settings(results_ids=IDS), screener=screener))
        h.desk.seen, h.brain.unstorable = tally, unstorable
        assert (await send(h, mail(f"{author}.example"), f"a@{author}.example")).startswith(code)
    counted = {(one.domain, one.row.disposition): n for one, n in tally.take()}
    assert counted == {("reject.example", "reject"): 1, ("none.example", "none"): 1}
