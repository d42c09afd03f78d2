"""No spelling makes this a relay (catalogue part C), and every spelling of a domain gets the same verdict."""

import pytest
from reception_fakes import MX, SUBMISSION, House, Raw, settings

from kurir.identity import DomainKind
from kurir.model import ObservationKind
from kurir.reception import Client, Grant, Role, may_relay

LOCAL, RELAYED, FOREIGN = DomainKind.LOCAL, DomainKind.RELAYED, DomainKind.FOREIGN

# role, account, trusted -> grants for a local, a relayed and a foreign domain
RULE = [
    (Role.MX, None, False, (Grant.HERE, Grant.RELAYED, Grant.DENIED)),
    (Role.MX, None, True, (Grant.TRUSTED, Grant.TRUSTED, Grant.TRUSTED)),
    (Role.MX, "a", False, (Grant.ACCOUNT, Grant.ACCOUNT, Grant.ACCOUNT)),
    (Role.SUBMISSION, None, False, (Grant.LOGIN_FIRST, Grant.LOGIN_FIRST, Grant.LOGIN_FIRST)),
    (Role.SUBMISSION, None, True, (Grant.LOGIN_FIRST, Grant.LOGIN_FIRST, Grant.LOGIN_FIRST)),
    (Role.SUBMISSION, "a", False, (Grant.ACCOUNT, Grant.ACCOUNT, Grant.ACCOUNT)),
    (Role.LMTP, None, False, (Grant.HERE, Grant.DENIED, Grant.DENIED)),
    (Role.LMTP, None, True, (Grant.HERE, Grant.DENIED, Grant.DENIED)),
    (Role.LMTP, "a", True, (Grant.HERE, Grant.DENIED, Grant.DENIED)),
    (Role.LOCAL, None, False, (Grant.LOCAL, Grant.LOCAL, Grant.LOCAL)),
]


@pytest.mark.parametrize(("role", "account", "trusted", "grants"), RULE)
def test_rule(role: Role, account: str | None, trusted: bool, grants: tuple[Grant, ...]) -> None:
    client = Client(role, account, trusted)
    assert tuple(may_relay(client, kind) for kind in (LOCAL, RELAYED, FOREIGN)) == grants


def test_the_table_is_whole() -> None:
    assert {role for role, *_ in RULE} == set(Role)
    assert [g for g in Grant if not g.allowed] == [Grant.DENIED, Grant.LOGIN_FIRST]


# The forward-path as it is written, and how the answer begins.
SPELLINGS = [
    ("<u@far.example>", "550 5.7.1"),  # 32
    ("<u@FAR.example.>", "550 5.7.1"),
    ("<u%far.example@local.example>", "550 5.1.1"),  # 33
    ("<u%far.example%b.example@local.example>", "550 5.1.1"),
    ("<@local.example:u@far.example>", "550 5.7.1"),  # 34
    ("<@local.example,@mx.local.example:u@far.example>", "550 5.7.1"),
    ("<@far.example:alice@local.example>", "250"),  # the route is dropped, the rest is ours
    ("<far.example!u@local.example>", "550 5.1.1"),  # 35
    ("<far.example!u>", "501"),
    ('<"u@far.example"@local.example>', "550 5.1.1"),  # 36
    ('<"a b"@local.example>', "550 5.1.1"),
    ('<"alice@far.example">', "501"),
    ("<u@far.example@local.example>", "501"),
    ("<u@[127.0.0.1]>", "550 5.7.1"),  # 37
    ("<u@[IPv6:::1]>", "550 5.7.1"),
    ("<u@[IPv6:::ffff:127.0.0.1]>", "550 5.7.1"),
    (
        "<postmaster@[127.0.0.1]>",
        "250",
    ),  # the address that the client has reached us at (RFC 5321 section 4.5.1)
    ("<PostMaster@[127.0.0.1]>", "250"),
    ("<postmaster@[127.0.0.2]>", "550 5.7.1"),
    ("<postmaster@[192.0.2.1]>", "250"),
    ("<alice@[192.0.2.1]>", "250"),  # configured
    ("<nobody@[192.0.2.1]>", "550 5.1.1"),
    ("<u@127.0.0.1>", "501"),
    ("<u@2130706433>", "501"),
    ("<u@0177.0.0.1>", "550 5.7.1"),
    ("<u@localhost>", "550 5.7.1"),
    ("<alice@LOCAL.Example>", "250"),  # 38
    ("<ALICE@local.example.>", "250"),
    ("<alice@xn--bcher-kva.example>", "550 5.1.1"),
    ("<alice@XN--BCHER-KVA.example>", "550 5.1.1"),
    ("<postmaster>", "250"),  # 39
    ("<PostMaster>", "250"),
    ("<postmaster@local.example>", "250"),
    ("<abuse@xn--bcher-kva.example>", "250"),
    ("<alice>", "501"),
    ("<>", "501"),
    ("<alice+news@local.example>", "250"),
    ("<alice@sub.local.example>", "550 5.7.1"),
    ("<alice@local.example.far.example>", "550 5.7.1"),
    ("<alice@evil-local.example>", "550 5.7.1"),
    ("<|cmd@local.example>", "550 5.1.1"),  # 45: a name like any other
    ("<$(id)@far.example>", "501"),
    ("<../../x@local.example>", "501"),
    # The server behind us trusts us: what it might read as a route is not asked of it, let alone passed on.
    ("<u%far.example@relayed.example>", "550 5.7.1"),
    ("<far.example!u@relayed.example>", "550 5.7.1"),
    ('<"u@far.example"@relayed.example>', "550 5.7.1"),
    ("<known@relayed.example>", "250"),
]


async def test_spellings() -> None:
    house = House(settings=settings(max_errors=1000))
    house.people()
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await client.hello()
        await client.say("MAIL FROM:<a@far.example>")
        wrong = []
        for path, expected in SPELLINGS:
            reply = await client.say(f"RCPT TO:{path}")
            if not reply.startswith(expected):
                wrong.append((path, expected, reply))
        await client.close()
    assert not wrong
    denied = house.brain.seen(ObservationKind.REFUSED_RECIPIENT)
    assert denied
    assert all(o.client == "127.0.0.1" and o.helo == "client.example" for o in denied)


async def test_both_spellings_of_an_international_domain_are_one() -> None:
    house = House()
    house.people()
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await client.hello()
        assert (await client.say("MAIL FROM:<a@far.example> SMTPUTF8")).startswith("250")
        for path in (
            "postmaster@bücher.example",
            "postmaster@BÜCHER.example",
            "postmaster@xn--bcher-kva.example",
        ):
            assert (await client.say(f"RCPT TO:<{path}>")).startswith("250"), path
        await client.say("DATA")
        assert (await client.say(b"\r\n.\r\n")).startswith("250")
        await client.close()
    (got,) = house.brain.incoming
    assert len(got.envelope.recipients) == 1


async def test_trusted_networks_relay_on_25_and_still_log_in_on_587() -> None:
    from reception_fakes import LOOPBACK

    for listener, mail, rcpt in ((MX, "250", "250"), (SUBMISSION, "530", "503")):
        house = House(settings=settings(trusted=LOOPBACK))
        async with house.open(listener) as port:
            client = await Raw.dial(port)
            await client.hello()
            assert (await client.say("MAIL FROM:<app@local.example>")).startswith(mail)
            reply = await client.say("RCPT TO:<u@far.example>")
            assert reply.startswith((rcpt, "530")), reply
            await client.close()


async def test_thousand_and_one_recipients() -> None:
    house = House(settings=settings(max_recipients=1000, trusted=()))
    house.people()
    async with house.open(MX) as port:
        client = await Raw.dial(port)
        await client.hello()
        await client.say("MAIL FROM:<a@far.example>")
        client.send("".join(f"RCPT TO:<alice+{i}@local.example>\r\n" for i in range(1001)))
        replies = [await client.reply() for _ in range(1001)]
        assert {r[:3] for r in replies[:1000]} == {"250"}
        assert replies[1000].startswith("452 4.5.3")
        await client.say("DATA")
        assert (await client.say(b"\r\n.\r\n")).startswith("250")
        await client.close()
    assert len(house.brain.incoming[0].envelope.recipients) == 1  # all of them are alice
