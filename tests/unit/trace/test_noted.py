"""What deliveries note in English is said in Indonesian where people read it; the words of others are left alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.config import load_atlas
from kurir.delivery.connecting.visit import _WHO_DEMANDS
from kurir.delivery.mx import _UNPROVEN
from kurir.limits.shaping import Pace, ShapeSettings, Shift, Signal
from kurir.message.eightbit import Obstacle
from kurir.net.connect import _WORDS as _CONNECT_WORDS
from kurir.net.tls import _REASONS
from kurir.net.trust import _VERIFY_CODES, _WORDS
from kurir.queue.pacing.shaping import words_of
from kurir.trace import say_noted
from kurir.trace.explain.noted import _patterns

SOURCE = Path(__file__).resolve().parents[3] / "src" / "kurir"
CALLS = {
    "NetError": 1,
    "_trouble": 1,
    "_final": 1,
    "_none": 4,
    "_no_encryption": 1,
    "StsError": 0,
    "WebError": 1,
    "NoToken": 0,
}  # the argument that is the sentence


def sentence(node: ast.expr) -> str | None:
    """Return a literal sentence with an X in each hole."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "X" for v in node.values)
    return None


def noted() -> Iterator[str]:
    for room in ("delivery", "net"):
        for file in (SOURCE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if not isinstance(node, ast.Call):
                    continue
                name = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                found = [k.value for k in node.keywords if k.arg in ("detail", "refuse", "why_not", "why")]
                if name in CALLS and len(node.args) > CALLS[name]:
                    found.append(node.args[CALLS[name]])
                yield from (s for s in map(sentence, found) if s and s.strip("X; ") and " " in s)
    yield from (f"the domain X could not be looked up: {words} (4.4.3)" for words in _UNPROVEN.values())
    yield from (o.value for o in Obstacle)
    yield from (*_REASONS.values(), *_WORDS.values(), *_VERIFY_CODES.values())
    yield from (f"the server offers no TLS, which {who} (4.7.10)" for who in _WHO_DEMANDS.values())
    yield from (f"192.0.2.1:25: {words}" for _, words in _CONNECT_WORDS.values())


@pytest.mark.parametrize("text", sorted(set(noted())))
def test_every_detail_of_a_delivery_is_translated(text: str) -> None:
    text = text.replace("needs X", "needs SMTPUTF8, which the server does not offer (5.6.7)")
    text = text.replace("which X (4.7.10)", "which the sender demands (4.7.10)")
    assert say_noted(text, "id") != text
    assert say_noted(text, "en") == text


def prose() -> Iterator[str]:
    """Yield the sources of the shipped atlas that are no page."""
    atlas = load_atlas([])
    spf = [s.spf.source for s in atlas.smarthosts if s.spf is not None]
    limits = [x.source for entry in (*atlas.smarthosts, *atlas.receivers) for x in entry.limits]
    yield from (source for source in (*spf, *limits) if not source.startswith("http"))


@pytest.mark.parametrize("source", sorted(set(prose())))
def test_sources_of_the_atlas_that_are_no_page_are_translated(source: str) -> None:
    assert say_noted(source, "id") != source
    assert say_noted(source, "en") == source


def test_sentences_inside_sentences_and_words_of_others() -> None:
    said = say_noted("not tried: it failed a moment ago (no answer)", "id")
    assert said == "tidak dicoba: baru saja gagal (tidak ada jawaban)"
    assert say_noted("the connection was lost: Broken pipe", "id") == "sambungan hilang: Broken pipe"
    said = say_noted("192.0.2.1:25: connection refused; [2001:db8::1]:25: no answer", "id")
    assert said == "192.0.2.1:25: sambungan ditolak; [2001:db8::1]:25: tidak ada jawaban"
    deep = "still at most 1 connection at once to far.example:25: connections fail: 192.0.2.1:25: connection refused; [2001:db8::1]:25: connection refused"
    assert "connection" not in say_noted(deep, "id")
    assert say_noted("550 5.1.1 No such user here", "id") == "550 5.1.1 No such user here"


LOGIN_CALLS = {"Failure": 0, "_wrong": 1, "NotLoggedIn": 2, "Owner": 1}


def logins() -> Iterator[str]:
    """Return why logins fail: arguments of those calls, `reason=`, and what functions that look for a reason return."""
    for file in (*(SOURCE / "identity").rglob("*.py"), SOURCE / "reception" / "authentication.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            found: list[ast.expr] = []
            match node:
                case ast.Call(ast.Name(id=name) | ast.Attribute(attr=name)):
                    found = [k.value for k in node.keywords if k.arg == "reason"]
                    found += node.args[LOGIN_CALLS.get(name, 9) :][:1]
                case ast.FunctionDef(name="_issuer" | "_times" | "why_not"):
                    found = [n.value for n in ast.walk(node) if isinstance(n, ast.Return) and n.value]
            found = [n.value if isinstance(n, ast.Subscript) else n for n in found]
            found += [
                part
                for n in found
                if isinstance(n, ast.IfExp | ast.BoolOp)
                for part in ast.iter_child_nodes(n)
            ]  # type: ignore[misc]
            yield from (s for s in map(sentence, found) if s and s.strip("X:; ") and " " in s)


@pytest.mark.parametrize("text", sorted({*logins(), "PLAIN, app password printer"}))
def test_every_reason_of_a_login_is_translated(text: str) -> None:
    if text.startswith("this app password"):
        text += ": printer"
    text = text.replace("names X", "names no account")
    assert text.startswith("SCRAM: ") or say_noted(text, "id") != text


@given(st.text(max_size=700))
def test_any_text_is_taken(text: str) -> None:
    assert isinstance(say_noted(text, "id"), str)


def test_no_text_takes_long() -> None:
    for pattern, _ in _patterns():
        pattern.fullmatch("the message has " + "octets, the server takes at most " * 18)


def test_a_handshake_that_failed_is_said_whole() -> None:
    words = "the TLS handshake failed: the other side answered with something that is not TLS (4.7.0)"
    assert (
        say_noted(words, "id")
        == "jabat tangan TLS gagal: pihak sana menjawab dengan sesuatu yang bukan TLS (4.7.0)"
    )


def test_a_pace_that_cannot_be_less_is_said() -> None:
    shift = Shift(Signal.HANDSHAKE, "connections", 1.2, 0.9)
    words = words_of(shift, Pace("mx.far.example", ShapeSettings(), 20), "mx.far.example")
    assert words.startswith("still at most 1 connection at once to mx.far.example: connections fail")
    assert say_noted(words, "id").startswith(
        "tetap paling banyak 1 koneksi sekaligus ke mx.far.example: koneksi gagal"
    )
