"""The brakes stop who guesses, and never somebody else."""

from dataclasses import dataclass, replace
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.identity import (
    ConnectionBrake,
    ConnectionBrakeSettings,
    LoginBrake,
    LoginBrakeSettings,
    Window,
    is_within,
    network_of,
)

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48"))
LOGINS = LoginBrakeSettings(
    address=Window(5, 3600.0),
    network=Window(8, 3600.0),
    pair=Window(3, 600.0),
    account=Window(6, 3600.0),
    longest_pause=60.0,
    keys=100,
    trusted=TRUSTED,
)


@dataclass
class Clock:
    at: float = 0.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def brake() -> tuple[LoginBrake, Clock]:
    clock = Clock()
    return LoginBrake(LOGINS, clock), clock


def test_the_pair() -> None:
    b, clock = brake()
    for _ in range(3):
        assert b.wait("192.0.2.1", "a") == 0
        b.failed("192.0.2.1", "a")
    assert 0 < b.wait("192.0.2.1", "A") <= 600
    assert b.wait("192.0.2.1", "b") == 0
    clock.at += 600
    assert b.wait("192.0.2.1", "a") == 0


def test_the_address() -> None:
    b, clock = brake()
    for i in range(5):
        b.failed("192.0.2.1", f"user{i}")
    assert b.wait("192.0.2.1", "another") > 3000
    assert b.wait("192.0.2.2", "another") == 0
    clock.at += 3600
    assert b.wait("192.0.2.1", "another") == 0


def test_the_network_and_the_trusted_ones() -> None:
    b, _ = brake()
    for i in range(8):
        b.failed(f"192.0.2.{i}", f"user{i}")
        b.failed(f"10.0.0.{i}", f"user-{i}")
        b.failed(f"2001:db8:2::{i:x}", f"user+{i}")
    assert b.wait("192.0.2.200", "new") > 0
    assert b.wait("2001:db8:2::ffff", "new") > 0
    assert b.wait("2001:db8:2:1::1", "new") == 0
    assert b.wait("10.0.0.200", "new") == 0
    for _ in range(5):
        b.failed("10.0.0.9", "x")
    assert b.wait("10.0.0.9", "new") > 0  # only the network lock is waived


def test_nobody_locks_out_somebody_from_elsewhere() -> None:
    b, clock = brake()
    b.succeeded("198.51.100.7", "victim")
    for i in range(60):
        b.failed(f"203.{i}.113.1", "victim")
        clock.at += 1
    assert b.wait("198.51.100.7", "victim") == 0
    # Others wait a little, and no longer than the longest pause: it is no lock.
    assert 0 < b.wait("192.0.2.55", "victim") <= 60
    clock.at += 60
    assert b.wait("192.0.2.55", "victim") == 0


def test_pauses_double() -> None:
    b, clock = brake()
    waits = []
    for i in range(12):
        b.failed(f"203.{i}.113.1", "victim")
        waits.append(b.wait("192.0.2.1", "victim"))
    assert waits == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60]
    clock.at += 4000
    assert b.wait("192.0.2.1", "victim") == 0


def test_a_good_login_does_not_wash_away_guesses_at_others() -> None:
    b, _ = brake()
    for i in range(5):
        b.failed("192.0.2.1", f"user{i}")
        b.succeeded("192.0.2.1", "own")
    assert b.wait("192.0.2.1", "user9") > 0
    assert b.wait("192.0.2.1", "own") == 0


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.text(max_size=5)), max_size=300))
def test_memory_is_bounded(attempts: list[tuple[int, str]]) -> None:
    from ipaddress import IPv4Address

    b, _ = brake()
    for number, name in attempts:
        client = str(IPv4Address(number))
        b.failed(client, name * 1000)
        b.succeeded(client, name)
    assert b.size() <= 5 * LOGINS.keys


CONNECTIONS = ConnectionBrakeSettings(
    per_address=3,
    per_network=5,
    address_rate=Window(10, 60.0),
    network_rate=Window(20, 60.0),
    keys=100,
    trusted=TRUSTED,
)


def test_connections_at_once() -> None:
    b = ConnectionBrake(CONNECTIONS, Clock())
    assert [b.admit("192.0.2.1") is None for _ in range(4)] == [True, True, True, False]
    assert b.admit("192.0.2.2") is None
    assert b.admit("192.0.2.3") is None
    refusal = b.admit("192.0.2.4")
    assert refusal is not None
    assert "network" in refusal
    assert b.admit("198.51.100.1") is None
    b.departed("192.0.2.1")
    assert b.admit("192.0.2.4") is None
    assert [b.admit("10.0.0.1") for _ in range(100)] == [None] * 100
    assert [b.admit("") for _ in range(100)] == [None] * 100  # unix sockets have no address


def test_connections_in_a_while() -> None:
    clock = Clock()
    b = ConnectionBrake(CONNECTIONS, clock)
    for _ in range(10):
        assert b.admit("192.0.2.1") is None
        b.departed("192.0.2.1")
    assert b.admit("192.0.2.1") is not None
    assert b.connections == 0
    clock.at += 61
    assert b.admit("192.0.2.1") is None


def test_messages_in_a_while() -> None:
    clock = Clock()
    paced = replace(CONNECTIONS, address_messages=Window(6, 60.0), network_messages=Window(9, 60.0))
    b = ConnectionBrake(paced, clock)
    assert [b.message("192.0.2.1") is None for _ in range(8)] == [True] * 6 + [False] * 2
    assert "address" in (b.message("192.0.2.1") or "")
    assert [b.message("192.0.2.2") is None for _ in range(5)] == [True] * 3 + [False] * 2
    assert "network" in (b.message("192.0.2.3") or "")
    assert b.message("198.51.100.1") is None  # others are not concerned
    for client in ("10.0.0.1", ""):  # nor are those we trust, and unix sockets
        assert [b.message(client) for _ in range(100)] == [None] * 100
    clock.at += 10.5  # one in ten seconds from now on
    assert [b.message("192.0.2.1") is None for _ in range(3)] == [True, False, False]
    clock.at += 1000  # and a burst again after a rest
    assert [b.message("192.0.2.1") is None for _ in range(7)] == [True] * 6 + [False]


@given(st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2", "10.0.0.1", "", "::1"]), max_size=60))
def test_what_is_admitted_is_given_back(clients: list[str]) -> None:
    b = ConnectionBrake(replace(CONNECTIONS, per_network=1000), Clock())
    admitted = [c for c in clients if b.admit(c) is None]
    for c in admitted:
        b.departed(c)
    assert b.connections == 0


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("/run/kurir.sock", "/run/kurir.sock"),
    ],
)
def test_networks(client: str, network: str) -> None:
    assert network_of(client) == network


def test_within() -> None:
    assert is_within("::ffff:10.1.2.3", TRUSTED)
    assert not is_within("11.0.0.1", TRUSTED)
    assert not is_within("", TRUSTED)
