"""What the README and the tutorials show is what happens: their blocks ``console run`` are run against a fresh playground.

A line ``$ command`` is run by bash (``> `` continues it); what follows up to the next ``$`` is what it must print, apart from
times, dates, Message-IDs, passwords, folders and spacing.  A line ``...`` stands for anything.  Commands that only look are
asked again for some seconds, because delivery takes its moment.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import PATIENCE, Kurir

ROOT = Path(__file__).resolve().parents[3]
PAGES = [
    "README.md",
    "docs/tutorial/first-server.md",
    pytest.param("README.id.md", marks=pytest.mark.full),
    pytest.param("docs/tutorial/first-server.id.md", marks=pytest.mark.full),
]
_BLOCK = re.compile(r"^```console run\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LOOKS = re.compile(r"kurir (sandbox (list|show)|trace (?!erase)|queue (list|show)|audit|status)|^cat ")
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December|Januari|Februari|Maret|Mei|Juni|Juli|Agustus|Oktober|Desember"
_VARIES = [
    (re.compile(rf"\b\d{{1,2}} (?:{_MONTHS}) \d{{4}}\b"), "DATE"),
    (re.compile(r"\b\w{3}, +\d{1,2} \w{3} \d{4}\b"), "DATE"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "DATE"),
    (re.compile(r"\b\d\d[:.]\d\d(?:[:.]\d\d)?\b"), "TIME"),
    (re.compile(r"<[0-9a-f]{16,32}@"), "<ID@"),
    (re.compile(r"\b[a-z0-9]{5}(?:-[a-z0-9]{5}){3}\b"), "PASSWORD"),
    (re.compile(r"\(TLSv1\.\d [A-Z0-9_-]+\)|\(TLSv1\.\d\)"), "(TLS)"),
]


def commands(page: str) -> Iterator[tuple[str, str]]:
    """Each command of a page with what it must print."""
    for block in _BLOCK.findall((ROOT / page).read_text("utf-8")):
        command, expected = "", []
        for line in [*block.splitlines(), "$ "]:
            if line.startswith("$ "):
                if command:
                    yield command, "\n".join(expected)
                command, expected = line[2:], []
            elif line.startswith("> ") and not expected:
                command += "\n" + line[2:]
            else:
                expected.append(line)


def plain(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, name in _VARIES:
        text = pattern.sub(name, text)
    return " ".join(text.split())


def fits(said: str, expected: str) -> bool:
    parts = [re.escape(plain(part)) for part in re.split(r"^ *\.\.\.$", expected, flags=re.MULTILINE)]
    return re.fullmatch(r"\s?.*\s?".join(parts), plain(said), re.DOTALL) is not None


@pytest.mark.parametrize("page", PAGES)
def test_the_transcripts_are_true(page: str, tmp_path: Path) -> None:
    found = list(commands(page))
    assert len(found) >= 5, "no runnable block was found"
    for tool in {"curl"} & {word for command, _ in found for word in command.split()}:
        if not shutil.which(tool):
            pytest.skip(f"{page} uses {tool}, which is not installed")
    (tmp_path / "bin").mkdir()
    shim = tmp_path / "bin" / "kurir"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kurir.cli.main "$@"\n')
    shim.chmod(0o755)
    here = tmp_path / "srv"
    here.mkdir()
    with Kurir(here / "playground", domain="play.test") as kurir:
        kurir.user("you")
        ports = {20025: kurir.smtp, 20587: kurir.submission, 20465: kurir.submissions, 28080: kurir.admin}
        environment = {
            **kurir.env, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "KURIR_CONFIG": str(kurir.config), "TZ": "UTC",
            "COLUMNS": "88", "KURIR_LANG": "id" if page.endswith(".id.md") else "en", "USER": "you", "LOGNAME": "you",
        }  # fmt: skip
        for command, expected in found:
            for shown, real in ports.items():
                command = command.replace(str(shown), str(real))
            end = time.monotonic() + (PATIENCE if _LOOKS.search(command) else 0)
            while True:
                done = subprocess.run(
                    ["bash", "-c", command],
                    cwd=here,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=PATIENCE,
                )
                said = (done.stdout + done.stderr).replace(str(here), "/srv")
                if fits(said, expected) or time.monotonic() > end:
                    break
                time.sleep(0.1)
            assert fits(said, expected), f"$ {command}\n--- shown in {page}\n{expected}\n--- printed\n{said}"
