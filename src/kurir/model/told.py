"""Sentences for people that can be said in another language later.

Rooms raise errors in plain English where they happen, as everybody reads them in the code and in the log;
`told` keeps the template and its values with the sentence, so that the command line can say it in Indonesian
(``kurir.trace.explain.say_told``).  A test finds every template in the source and insists on its translation.
"""

from collections.abc import Mapping

import msgspec


class Told(str):
    """A finished English sentence that remembers what it was made of."""

    __slots__ = ("template", "values")

    template: str
    values: Mapping[str, object]


def told(template: str, /, **values: object) -> Told:
    """Return `template` filled with `values` (``str.format``); a value may be told itself, or an error that was."""
    values = {k: of_error(v) if isinstance(v, BaseException) else v for k, v in values.items()}
    sentence = Told(template.format(**values) if values else template)
    sentence.template = template
    sentence.values = values
    return sentence


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """A told sentence on its way to another process; `values` are text, or told sentences themselves."""

    template: str
    values: dict[str, "str | Packed"]


def pack(text: str) -> Packed:
    """Return `text` so that it can be encoded; text that was never told is its own template."""
    if not isinstance(text, Told):
        return Packed("{text}", {"text": text})
    values = {k: pack(v) if isinstance(v, Told) else str(v) for k, v in text.values.items()}
    return Packed(text.template, values)


def unpack(packed: Packed) -> str:
    """Return the sentence that was packed."""
    if packed.template == "{text}":
        return str(packed.values["text"])
    values = {k: unpack(v) if isinstance(v, Packed) else v for k, v in packed.values.items()}
    return told(packed.template, **values)


def of_error(error: BaseException) -> str:
    """Return the sentence of an error, still `Told` where it was raised so."""
    first = error.args[0] if error.args else ""
    return first if isinstance(first, Told) else str(error)
