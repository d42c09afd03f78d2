"""A round: cycles of one fault under load, then a drain, the comparison with the ledger, and the audit."""

import json
import os
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.harness.sink import Sink

from .engine import Engine
from .ledger import Ledger, Verdict
from .load import Load

DRAIN_SECONDS = 180.0
PEER_DRAIN_SECONDS = 240.0  # OpenSMTPD rests a route for 15 s and more after an error
RECOVER_SECONDS = 90.0


@dataclass(slots=True)
class Cell:
    """The sum of all rounds of one engine and one fault."""

    engine: str
    fault: str
    command: str = ""
    cycles: int = 0
    accepted: int = 0
    recipients: int = 0
    lost: int = 0
    damaged: int = 0
    duplicated: int = 0
    open_at_crash: int = 0
    recover: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether nothing was lost or damaged and nothing needed a hand."""
        return not (self.lost or self.damaged or self.problems)


class Progress:
    """Results so far, in ``progress.json`` of a folder, replaced as a whole after each round."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._file = folder / "progress.json"
        self.cells: dict[str, Cell] = {}
        if self._file.exists():
            for row in json.loads(self._file.read_text()):
                self.cells[f"{row['engine']}/{row['fault']}"] = Cell(**row)

    def cell(self, engine: str, fault: str, command: str = "") -> Cell:
        """Return the cell, new or as an earlier run left it."""
        cell = self.cells.setdefault(f"{engine}/{fault}", Cell(engine, fault))
        cell.command = command or cell.command
        return cell

    def save(self) -> None:
        """Write everything."""
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps([asdict(c) for c in self.cells.values()], indent=1))
        draft.replace(self._file)


@dataclass(slots=True)
class Bench:
    """One engine, its sink, its senders and the ledger."""

    engine: Engine
    sink: Sink
    load: Load
    ledger: Ledger
    draw: random.Random
    say: Callable[[str], None]
    logs: tuple[Path, ...] = ()
    drain_seconds: float = DRAIN_SECONDS

    def collect(self) -> None:
        """Enter what the sink has."""
        count = len(self.sink.messages)  # others append meanwhile
        taken = self.sink.messages[:count]
        del self.sink.messages[:count]
        for message in taken:
            rcpts = [line[line.index("<") + 1 : line.index(">")] for line in message.rcpts]
            self.ledger.received(message.data, rcpts)

    def opened(self) -> int:
        """Return how many deliveries were open, after a crash or while everything is stopped."""
        time.sleep(0.05)  # what was already on the wire
        self.collect()
        return max(self.engine.open_deliveries(self.ledger), 0)

    def recovered(self, since: float) -> float | None:
        """Return the seconds until a message sent after `since` was accepted."""
        at = self.ledger.wait(since, RECOVER_SECONDS)
        return None if at is None else at - since

    def drain(self) -> tuple[Verdict, list[str]]:
        """Stop the senders, let the queue run empty, compare, audit; the mailboxes are empty after it."""
        problems = []
        self.load.pause()
        end = time.monotonic() + self.drain_seconds
        quiet = 0
        while quiet < 2 and time.monotonic() < end:
            quiet = quiet + 1 if self.engine.idle() else 0
            time.sleep(0.1)
        if quiet < 2:
            problems.append(f"the queue did not run empty within {self.drain_seconds:g} s")
        self.collect()
        for rcpt, raw in self.engine.stored():
            self.ledger.received(raw, [rcpt])
        verdict = self.ledger.verdict()
        problems += self.engine.audit()
        if not (verdict.lost or verdict.damaged):
            self.engine.sweep()
            os.sync()
        self.ledger.clear()
        return verdict, problems

    def book(self, cell: Cell, progress: Progress, cycles: int, recover: list[float], began: float, opened: int,
             problems: list[str], folder: Path | None = None) -> bool:  # fmt: skip
        """Drain and add the round to its cell; evidence of a loss is kept.  Returns whether all is well."""
        verdict, found = self.drain()
        cell.cycles += cycles
        cell.accepted += verdict.accepted
        cell.recipients += verdict.recipients
        if any("run empty" in p for p in found):  # late is not lost, nor is it well
            found.append(f"{len(verdict.lost)} recipients of {verdict.recipients} had got nothing by then")
        else:
            cell.lost += len(verdict.lost)
        cell.damaged += len(verdict.damaged)
        cell.duplicated += verdict.duplicated
        cell.open_at_crash += max(opened, 0)
        cell.recover += [round(r, 3) for r in recover]
        cell.problems += problems + found
        cell.seconds += time.monotonic() - began
        bad = verdict.lost or verdict.damaged or problems or found
        if bad:
            self.say(f"BAD: lost {verdict.lost[:5]} damaged {verdict.damaged[:5]} {problems} {found}")
            self._evidence(progress.folder, verdict, folder)
        progress.save()
        return not bad

    def _evidence(self, where: Path, verdict: Verdict, folder: Path | None) -> None:
        place = where / f"evidence-{int(time.time())}"
        place.mkdir(exist_ok=True)
        (place / "verdict.json").write_text(json.dumps(asdict(verdict), indent=1))
        for log in self.logs:
            if log.exists():
                shutil.copy(log, place)
        if folder is not None and folder.is_dir():
            shutil.copytree(
                folder, place / "state", dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock", "run")
            )
        self.say(f"evidence kept in {place}")
