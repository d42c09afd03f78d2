"""Commands that do one thing through the server and say that it is done, or print its answer as JSON."""

from collections.abc import Callable
from typing import Any

import click

from kurir.app.operating.operate import operate

from .output import configuration, document
from .words import say

Words = str | Callable[[dict[str, Any]], str]
"""The key of a sentence, which the answer fills; or what makes the sentence of the answer."""


def act(config_file: str | None, as_json: bool, op: str, words: Words, **args: object) -> int:
    """Do `op` and tell of it; return the exit code.  Raises `ControlError`."""
    _, config = configuration(config_file)
    done: dict[str, Any] = operate(config, op, **args)
    if as_json:
        document(done)
    else:
        click.echo(say(words, **done) if isinstance(words, str) else words(done))
    return 0
