"""``docs/reference/commands*.md``: what ``kurir ... --help`` prints, command by command, in one language."""

import os
from contextlib import redirect_stdout, suppress
from io import StringIO
from typing import Literal

import click
from markdown import page as whole

from kurir.cli.main import COMMANDS, root

_WORDS = {
    "en": (
        "Commands",
        (
            "Every command has `--json` (one document on standard output, stable keys: [JSON and exit codes](json.md)), `-c FILE` and "
            "`--lang en|id`. Tables and colours appear on a terminal only; in a pipe the output is plain text."
        ),
    ),
    "id": (
        "Perintah",
        (
            "Setiap perintah mengenal `--json` (satu dokumen di keluaran standar, kuncinya tetap: [JSON dan kode keluar](json.md)), `-c FILE` dan "
            "`--lang en|id`. Tabel dan warna hanya muncul di terminal; di dalam pipa keluarannya teks biasa."
        ),
    ),
}


def page(lang: Literal["en", "id"]) -> str:
    """Return the page; the help is asked from the commands themselves."""
    title, intro = _WORDS[lang]
    before = os.environ.get("KURIR_LANG")
    os.environ["KURIR_LANG"] = lang
    try:
        parts = [intro, _block("")]
        for name in names():
            parts += [f"## kurir {name}", _block(name)]
    finally:
        if before is None:
            del os.environ["KURIR_LANG"]
        else:
            os.environ["KURIR_LANG"] = before
    return whole(title, *parts)


def names() -> list[str]:
    """Return every command and sub-command, groups before their parts."""
    found = []
    for name in COMMANDS:
        command = root.get_command(click.Context(root), name)
        found.append(name)
        if isinstance(command, click.Group):
            found += [f"{name} {sub}" for sub in command.list_commands(click.Context(command))]
    return found


def _block(name: str) -> str:
    said = StringIO()
    with redirect_stdout(said), suppress(SystemExit):
        root.main([*name.split(), "--help"], prog_name="kurir")
    return f"```text\n{said.getvalue().strip()}\n```"
