"""How much memory a Kurir has to itself, all its processes together, and how high it went."""

import threading
import time
from pathlib import Path
from typing import Self

MIB = 1 << 20


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                todo += [int(child) for child in children.read_text().split()]
            except OSError:
                continue
    return found


def resident(pid: int) -> int:
    """Return the octets of memory of a family that belong to it: shared pages count once (PSS)."""
    total = 0
    for one in family(pid):
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024
    return total


class Watch:
    """Measures all the while; `growth` is the most by which memory went above what it was at the beginning."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)
        self.idle = resident(pid)
        self.highest = self.idle
        self.samples = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _measure(self) -> None:
        while not self._over.is_set():
            self.highest = max(self.highest, resident(self._pid))
            self.samples += 1
            time.sleep(0.01)

    @property
    def growth(self) -> float:
        """In MiB."""
        return (self.highest - self.idle) / MIB
