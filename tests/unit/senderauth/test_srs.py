"""Rewritten senders lead back to whom they stand for, for a while, and nobody else can make one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.model import Address, parse_address
from kurir.senderauth.srs import Srs, SrsError, SrsProblem, looks_rewritten

DAY = 86_400.0
NOW = 1_795_425_000.0
SRS = Srs((b"secret of ours",))
OTHER = Srs((b"secret of others",))

atoms = st.text("abcxyzABC019!#$%&'*+-/=?^_`{|}~", min_size=1, max_size=20)
locals_ = st.lists(atoms, min_size=1, max_size=3).map(".".join)
domains = st.sampled_from(["a.test", "mail.example.org", "xn--bcher-kva.example", "[192.0.2.1]"])
senders = st.builds(Address, locals_, domains)


def again(address: Address) -> Address:
    """What another server makes of the address that it was given as text."""
    return parse_address(str(address))


@given(senders, st.floats(0, 4e9), st.floats(0, 21 * DAY))
def test_there_and_back(sender, now, later):
    made = SRS.rewritten(sender, "ours.test", now)
    assert made.domain == "ours.test" and looks_rewritten(made.local)
    assert made == again(made)
    if made.local[:5] == "SRS0=":
        assert SRS.original(made.local, now + later) == sender


@given(senders)
def test_case_may_change_on_the_way(sender):
    made = SRS.rewritten(sender, "ours.test", NOW)
    for local in (made.local.lower(), made.local.upper()):
        assert SRS.original(local, NOW).key == sender.key


def test_a_second_forwarder_points_past_the_first():
    sender = parse_address("carl@origin.test")
    first = OTHER.rewritten(sender, "first.test", NOW)
    second = SRS.rewritten(first, "ours.test", NOW)
    assert second.local.startswith("SRS1=") and "first.test==" in second.local
    assert SRS.original(second.local, NOW) == first
    third = Srs((b"third",)).rewritten(second, "third.test", NOW)
    assert len(third.local) == len(second.local)  # it grows only once
    assert Srs((b"third",)).original(third.local, NOW) == first
    assert OTHER.original(first.local, NOW) == sender


MADE = SRS.rewritten(parse_address("carl@origin.test"), "ours.test", NOW).local


@pytest.mark.parametrize(
    ("local", "at", "problem"),
    [
        (MADE, NOW + 22 * DAY, SrsProblem.EXPIRED),
        (MADE, NOW - 2 * DAY, SrsProblem.EXPIRED),
        (MADE.replace("carl", "eve"), NOW, SrsProblem.FORGED),
        (MADE.replace("origin", "target"), NOW, SrsProblem.FORGED),
        (OTHER.rewritten(parse_address("carl@origin.test"), "ours.test", NOW).local, NOW, SrsProblem.FORGED),
        ("SRS0=aaaaaaaa=aa=origin.test=", NOW, SrsProblem.SYNTAX),
        ("SRS0=a=aa=origin.test=carl", NOW, SrsProblem.SYNTAX),
        ("SRS1=aaaaaaaa=origin.test=carl", NOW, SrsProblem.SYNTAX),
        ("srs1=aaaaaaaa=first.test==rest", NOW, SrsProblem.FORGED),
        ("carl", NOW, SrsProblem.SYNTAX),
    ],
)
def test_what_leads_nowhere(local, at, problem):
    with pytest.raises(SrsError) as caught:
        SRS.original(local, at)
    assert caught.value.problem is problem


@given(st.text(max_size=80))
def test_nothing_else_than_srs_error(text):
    for local in (text, f"SRS0={text}", f"SRS1={text}", f"SRS0=aaaaaaaa=aa={text}"):
        with pytest.raises(SrsError):
            SRS.original(local, NOW)


def test_an_old_secret_is_still_believed_and_the_first_one_makes():
    both = Srs((b"new", b"secret of ours"))
    assert both.original(MADE, NOW) == parse_address("carl@origin.test")
    assert Srs((b"new",)).original(both.rewritten(Address("a", "b.test"), "ours.test", NOW).local, NOW)


def test_what_would_be_too_long_stays():
    long = Address("a" * 64, "b" * 60 + "." + "c" * 60 + "." + "d" * 30 + ".test")
    assert SRS.rewritten(long, "ours.test", NOW) is long
    verp = parse_address("bounces+123456-abcd-user=example.org@em1234.bulk.example")
    assert SRS.original(again(SRS.rewritten(verp, "ours.test", NOW)).local, NOW) == verp


def test_a_secret_is_needed():
    for secrets in ((), (b"",)):
        with pytest.raises(ValueError, match="secret"):
            Srs(secrets)
