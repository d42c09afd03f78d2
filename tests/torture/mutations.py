"""Break a copy of Kurir on purpose: each promise that is removed must turn a check red.

``python -m tests.torture.mutations`` (or ``scripts/torture --mutations``) patches a copy of ``src``, runs the
checks that must notice, and exits 0 only if the copy as it is passes all of them and every mutant fails each
of its own.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 420


@dataclass(frozen=True, slots=True)
class Mutation:
    """One promise broken: in `file`, each (`old`, `new`) exactly once; `checks` must all turn red."""

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    checks: tuple[str, ...]


def _torture(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.torture", "--source", "{src}", "--state", "{state}", *arguments]


CHECKS = {
    "order": _torture("--only", "order"),
    "cuts": _torture("--only", "cuts", "--cuts", "6", "--flag", "2"),
    "queue tests": [
        sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-o", "pythonpath={src}", "tests/unit/queue",
    ],
}  # fmt: skip

MUTATIONS = (
    Mutation(
        "the fsync removed (synchronous=OFF)",
        "storage/database.py",
        (("FULL: Final = 2", "FULL: Final = 0"),),
        ("order", "cuts"),
    ),
    Mutation(
        "the fsync put off (synchronous=NORMAL)",
        "storage/database.py",
        (("FULL: Final = 2", "FULL: Final = 1"),),
        ("order", "cuts"),
    ),
    Mutation(
        "250 before the commit",
        "queue/taking/commit.py",
        (
            (
                "        others = [change for change, _ in changes if change is not None]\n",
                (
                    "        others = [change for change, _ in changes if change is not None]\n"
                    "        for i, a in enumerate(accepts):\n            a.committed(number + i)\n"
                ),
            ),
            ("                acceptance.committed(first + i)\n", "                pass\n"),
        ),
        ("order", "queue tests"),
    ),
    Mutation(
        "the folder of body files not synced",
        "storage/bodies.py",
        (("                sync_directory(self._path.parent)\n", ""),),
        ("order",),
    ),
    Mutation(
        "the Maildir's folder not synced",
        "delivery/local/maildir.py",
        (("        try:\n            _sync_folder(folder)\n", "        try:\n            pass\n"),),
        ("order",),
    ),
    Mutation(
        "settled without the event",
        "queue/outcomes/settle.py",
        (("        sheet.event(errand, EventKind.ATTEMPTED, outcome=outcome, fate=fate)\n", ""),),
        ("order", "queue tests"),
    ),
)


def mutate(source: Path, mutation: Mutation) -> None:
    """Apply a mutation; raises AssertionError where the source is not what it expects."""
    path = source / "kurir" / mutation.file
    text = path.read_text()
    for old, new in mutation.edits:
        count = text.count(old)
        assert count == 1, f"{mutation.name}: {old!r} stands {count} times in {mutation.file}"
        text = text.replace(old, new)
    path.write_text(text)


def look(check: str, source: Path, work: Path) -> tuple[bool, str]:
    """Run one check against `source`; return whether it is green, and else why not."""
    state = Path(tempfile.mkdtemp(dir=work))
    command = [part.format(src=source, state=state) for part in CHECKS[check]]
    path = f"{source}:{ROOT}" if check.endswith("tests") else f"{ROOT}:{ROOT / 'src'}"
    try:
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, timeout=LIMIT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False, f"no end within {LIMIT} s"
    if done.returncode == 0:
        return True, ""
    told = [line for line in done.stdout.splitlines() if line.startswith(REASONS)]
    return False, "; ".join(told)[:300] or done.stdout[-300:]


REASONS = ("- kurir", "FAILED", "E   ", "| kurir")
"""How lines begin that say what was found."""


def main(only: str = "") -> int:
    """Run all; print a table."""
    good = True
    print("| broken | check | turned | because |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="kurir-mutants-") as folder:
        work = Path(folder)
        todo: list[Mutation | None] = [None, *(m for m in MUTATIONS if only in m.name)]
        for number, mutation in enumerate(todo):
            source = work / f"src{number}"
            shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
            if mutation is not None:
                mutate(source, mutation)
            for check in CHECKS if mutation is None else mutation.checks:
                said, why = look(check, source, work)
                good &= said == (mutation is None)
                turned = "green" if said else "red"
                print(
                    f"| {mutation.name if mutation else 'nothing'} | {check} | {turned} | {why} |", flush=True
                )
    print("every mutant was noticed" if good else "NOT as it must be: see above")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
