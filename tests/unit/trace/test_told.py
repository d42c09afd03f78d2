"""Every sentence that a room tells exists in Indonesian, with the same placeholders."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kurir.config.mistakes import _SHAPES
from kurir.model.told import Told, of_error, pack, told, unpack
from kurir.trace import say_told
from kurir.trace.explain.translations import translations

SOURCE = Path(__file__).resolve().parents[3] / "src" / "kurir"


def templates() -> Iterator[str]:
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "told"
            if called and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)
    yield from _SHAPES.values()


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"{(\w+)", text))


def test_every_sentence_is_translated_and_nothing_else() -> None:
    wanted = set(templates())
    assert wanted - translations().keys() == set()
    assert translations().keys() - wanted == set()


@pytest.mark.parametrize("english", sorted(translations()))
def test_placeholders_survive(english: str) -> None:
    assert placeholders(translations()[english]) == placeholders(english)


def test_told_travels_and_nests() -> None:
    inner = told("is missing")
    outer = told("{why}; its control socket does not answer", why=ValueError(inner))
    assert str(outer) == "is missing; its control socket does not answer"
    again = unpack(pack(outer))
    assert isinstance(again, Told)
    assert again == outer
    assert say_told(again, "id").startswith(translations()["is missing"])
    assert unpack(pack("just text")) == "just text"
    assert of_error(ValueError(outer)) is outer
    assert say_told("just text", "id") == "just text"
