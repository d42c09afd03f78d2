"""The ledger outside: every acknowledged message with its checksum, and every copy that came out.

A message carries ``X-Torture: ID`` as the first field that its sender wrote; servers put theirs above it, so
everything from that line on must come out unchanged.  A recipient that was refused ends in a bounce, which
names the address and quotes the field further down.
"""

import hashlib
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

_MARK = re.compile(rb"^X-Torture: (\S+)", re.MULTILINE)
_REFUSED = re.compile(rb"refused\d+@sink\.test")
_SENDER = "sender@example.test"


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that got its 250."""

    id: str
    rcpts: tuple[str, ...]
    digest: bytes
    size: int
    began: float
    ended: float


@dataclass(slots=True)
class Verdict:
    """What a round came to; `lost` and `damaged` name ``ID RECIPIENT``."""

    accepted: int = 0
    recipients: int = 0
    lost: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    duplicated: int = 0
    unasked: int = 0


def digest(data: bytes) -> bytes:
    """Return the checksum of a message, whichever line ends its store uses."""
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).digest()


class Ledger:
    """Thread-safe; `verdict` compares and `clear` begins a new round."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self.sent: dict[str, Sent] = {}
        self.copies: Counter[tuple[str, str]] = Counter()
        self.bounces: Counter[tuple[str, str]] = Counter()
        self.digests: dict[tuple[str, str], set[bytes]] = {}
        self.last: Sent | None = None
        self.refused: Counter[str] = Counter()

    # -- what was said to senders ---------------------------------------------------

    def acknowledged(self, sent: Sent) -> None:
        """A 250 was read."""
        with self._changed:
            self.sent[sent.id] = sent
            self.last = sent
            self._changed.notify_all()

    def answered(self, reply: bytes) -> None:
        """Another final answer was read; only its code and first word are kept."""
        with self._lock:
            self.refused[reply[:9].decode("latin-1")] += 1

    def wait(self, since: float, timeout: float) -> float | None:
        """Return when the first message begun after `since` was acknowledged; None after `timeout`."""
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                if self.last is not None and self.last.began > since:
                    return min(s.ended for s in self.sent.values() if s.began > since)
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)

    # -- what came out ----------------------------------------------------------------

    def received(self, raw: bytes, rcpts: list[str]) -> None:
        """Take what a sink or a mailbox got."""
        mark = _MARK.search(raw)
        if mark is None:
            return
        name = mark[1].decode()
        head = re.search(rb"\r?\n\r?\n", raw)
        with self._lock:
            if head is not None and mark.start() < head.start():
                check = digest(raw[mark.start() :])
                for rcpt in rcpts:
                    self.copies[name, rcpt] += 1
                    self.digests.setdefault((name, rcpt), set()).add(check)
            else:
                for rcpt in {m.decode() for m in _REFUSED.findall(raw)}:
                    self.bounces[name, rcpt] += 1

    def came_out(self) -> set[tuple[str, str]]:
        """Return (id, recipient) of everything that was received."""
        with self._lock:
            return set(self.copies)

    # -- judging ------------------------------------------------------------------------

    def verdict(self) -> Verdict:
        """Compare what was promised with what came out."""
        with self._lock:
            v = Verdict(accepted=len(self.sent))
            for sent in self.sent.values():
                for rcpt in sent.rcpts:
                    v.recipients += 1
                    came = self.bounces if rcpt.startswith("refused") else self.copies
                    n = came[sent.id, rcpt]
                    if n == 0:
                        v.lost.append(f"{sent.id} {rcpt} ({sent.size} octets)")
                    elif self.digests.get((sent.id, rcpt), {sent.digest}) != {sent.digest}:
                        v.damaged.append(f"{sent.id} {rcpt} ({sent.size} octets)")
            v.duplicated = sum(n - 1 for c in (self.copies, self.bounces) for n in c.values() if n > 1)
            v.unasked = len({name for name, _ in self.copies} - set(self.sent))
            return v

    def clear(self) -> None:
        """Begin a new round."""
        with self._lock:
            self.sent.clear()
            self.copies.clear()
            self.bounces.clear()
            self.digests.clear()
            self.last = None


SENDER = _SENDER
