"""Sending under fire: threads that hand in numbered messages and remember every one that was acknowledged."""

import contextlib
import re
import smtplib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from .mail import text
from .patience import PATIENCE
from .sink import Sink

_SESSION = 500  # messages; at a thousand the server says 421 "enough"
_TOKEN = re.compile(rb"^Subject: (t\d+-\d+)\r?$", re.MULTILINE)


@dataclass
class Load:
    """`threads` clients on 127.0.0.1:`port`, each sending one message after the other until `stop`.

    A client that loses its connection, or is told 4xx, comes back with its next message.  `errors` counts
    what went wrong by kind; a 5xx is remembered in `refused` and is a failure of the test.
    """

    port: int
    threads: int = 4
    to: str = "bob@far.test"
    pause: float = 0.0
    acked: set[str] = field(default_factory=set)
    errors: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _running: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        for i in range(self.threads):
            thread = threading.Thread(target=self._run, args=(i,), daemon=True)
            thread.start()
            self._running.append(thread)
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End after the message each client is at."""
        self._stop.set()
        for thread in self._running:
            thread.join(2 * PATIENCE)
            assert not thread.is_alive(), "a client hangs: the server neither answers nor hangs up"

    def _run(self, client: int) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self.port, local_hostname="load.test", timeout=PATIENCE) as s:
                    s.ehlo()
                    for _ in range(_SESSION):
                        number += 1
                        self._one(s, f"t{client}-{number}")
                        if self._stop.wait(self.pause):
                            break
            except (OSError, smtplib.SMTPException) as e:
                self.errors[type(e).__name__] += 1
                time.sleep(0.05)

    def _one(self, s: smtplib.SMTP, token: str) -> None:
        for code, said in (s.mail("load@far.test"), s.rcpt(self.to)):
            if code != 250:
                self._not_taken(s, code, said)
                return
        code, said = s.data(text("load@far.test", self.to, token, "x" * 2000 + "\n"))
        if code == 250:
            self.acked.add(token)
        else:
            self._not_taken(s, code, said)

    def _not_taken(self, s: smtplib.SMTP, code: int, said: bytes) -> None:
        self.errors[str(code)] += 1
        if code >= 500:
            self.refused.append(f"{code} {said!r}")
        with contextlib.suppress(smtplib.SMTPException):
            s.rset()
        time.sleep(0.02)


def arrivals(sink: Sink) -> Counter[str]:
    """Return how often each numbered message arrived."""
    found = (_TOKEN.search(m.data) for m in list(sink.messages))
    return Counter(m[1].decode() for m in found if m)
