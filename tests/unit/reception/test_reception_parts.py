"""The pure parts: protocol words, the next hop's words, verbs, the body collector."""

import asyncio
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reception_fakes import Files

from kurir.model import Reply
from kurir.queue import Forecast
from kurir.reception import replies
from kurir.reception.body import BodyCollector
from kurir.reception.observations import verb
from kurir.reception.transaction import from_next_hop
from kurir.reception.visitor import protocol_word
from kurir.reception.xclient import Introduction, introduction


@pytest.mark.parametrize(
    ("lmtp", "extended", "tls", "auth", "word"),
    [
        (False, False, False, False, "SMTP"),
        (False, True, False, False, "ESMTP"),
        (False, True, True, False, "ESMTPS"),
        (False, True, False, True, "ESMTPA"),
        (False, True, True, True, "ESMTPSA"),
        (True, True, False, False, "LMTP"),
        (True, True, True, True, "LMTPSA"),
    ],
)
def test_protocol_word(lmtp: bool, extended: bool, tls: bool, auth: bool, word: str) -> None:
    assert protocol_word(lmtp=lmtp, extended=extended, tls=tls, auth=auth) == word


@pytest.mark.parametrize(
    ("said", "ours"),
    [
        (Reply.of(250, None, "fine"), "250 2.1.5"),
        (Reply.of(550, "5.2.1", "gone"), "550 5.2.1 gone"),
        (Reply.of(521, None, ""), "550 5.1.1 Refused"),
        (Reply.of(421, "4.3.2", "closing"), "450 4.3.2 closing"),
        (Reply.of(354, None, "what"), "450 4.4.1 what"),
        (Reply.of(550, "4.1.1", "odd"), "550 5.1.1 odd"),
    ],
)
def test_the_next_hops_words(said: Reply, ours: str) -> None:
    assert str(from_next_hop(said)).startswith(ours)


@given(st.text(max_size=40))
def test_only_known_verbs_are_told(command: str) -> None:
    assert verb(command) in {"?", command.partition(" ")[0].partition(":")[0].upper()}
    assert verb("cGFzc3dvcmQ=") == "?"
    assert verb("AUTH PLAIN c2VjcmV0") == "AUTH"


def test_every_refusal_has_a_cause_and_the_right_class() -> None:
    ours = {v for module in (replies, replies.framing) for v in vars(module).values() if isinstance(v, Reply)}
    for reply in ours:
        assert reply.enhanced is None or reply.enhanced[0] == str(reply.code)[0]
    assert set(replies.CAUSES) <= ours


@given(
    st.lists(st.binary(min_size=1, max_size=400), max_size=30),
    st.integers(0, 1000),
    st.integers(1, 1000),
)
def test_the_collector_keeps_every_octet(chunks: list[bytes], in_memory: int, hold: int) -> None:
    files, looked = Files(), []

    def settle(head: bytes) -> bytes:
        looked.append(head)
        return head

    async def collect() -> tuple[bytes | None, str | None, BodyCollector]:
        body = BodyCollector(files, settle, in_memory=in_memory, hold=hold)
        for chunk in chunks:
            body.add(chunk)
            if body.flush_due:
                await body.flush()
        return (*await body.finish(), body)

    data, name, body = asyncio.run(collect())
    whole = b"".join(chunks)
    assert (data if name is None else files.finished[name]) == whole
    assert (name is None) == (len(whole) <= in_memory)
    assert body.size == len(whole)
    assert body.sha256 == hashlib.sha256(whole).digest()
    assert len(looked) == 1
    assert whole.startswith(looked[0])
    assert len(looked[0]) >= min(len(whole), max(in_memory, hold))


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"ADDR": "192.0.2.9", "PORT": "4711"}, Introduction("192.0.2.9", 4711, "", None)),
        (
            {"ADDR": "IPV6:2001:db8::9", "HELO": "far.example"},
            Introduction("2001:db8::9", 0, "far.example", None),
        ),
        ({"ADDR": None, "PORT": None, "LOGIN": None}, Introduction(None, 0, "", "")),
        ({"LOGIN": "rina@a.example"}, Introduction(None, 0, "", "rina@a.example")),
        ({"ADDR": "no address"}, None),
        ({"PORT": "smtp"}, None),
    ],
)
def test_what_a_front_server_says(attributes: dict[str, str | None], said: Introduction | None) -> None:
    assert introduction(attributes) == said


def test_the_reply_says_what_goes_now_by_whom_and_what_later() -> None:
    found = [Forecast("A", 412, 1.0), Forecast("B", 100, 1.0), Forecast("A", 88, 1_795_507_800.0, "a/d")]
    [line] = replies.accepted("k0000022", found, 600).lines
    assert line.startswith("k0000022 accepted, safe on disk; 412 recipients go now by A, 100 by B, ")
    assert ", 88 of 600 recipients go later, by a limit of A, the last on 2026-11-24 " in line
    closed = Forecast("B", 3, 1_795_507_800.0, closed=True)
    assert (
        replies.accepted("k0000022", [closed], 3)
        .lines[0]
        .startswith(
            "k0000022 accepted, safe on disk; 3 recipients go later, after an outage of B, the next try on 2026-11-24 "
        )
    )
    later = Forecast("A", 1, 1_795_507_800.0, "a/d")
    for first, recipients, words in (
        (
            Forecast("B", 1, 1.0),
            2,
            "1 recipient goes now by B, 1 of 2 recipients goes later, by a limit of A, on 2026",
        ),
        (None, 1, "1 recipient goes later, by a limit of A, on 2026-11-24 "),
    ):
        [line] = replies.accepted("k0000022", [f for f in (first, later) if f], recipients).lines
        assert line.startswith(f"k0000022 accepted, safe on disk; {words}")
    assert replies.accepted("k0000022", found[:1], 412).lines == ("k0000022 accepted, safe on disk",)
