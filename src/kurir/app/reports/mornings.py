"""What is told each morning, once: the summaries that accounts asked for, and mail from outside that is held.

Nobody is told of a day without anything to tell.  Held mail is told to the postmaster, who can release it, and to the owner of
the mailbox, who alone knows whether he expects it; a server that was off in the morning tells when it is up again.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, time, timedelta, tzinfo

from kurir.app.operating import reading
from kurir.app.operating.control import ControlError
from kurir.app.operating.submit import SubmitError
from kurir.app.process.logs import Log
from kurir.app.wiring import settings
from kurir.config import Config
from kurir.identity import Account
from kurir.model import Cause, Clock, EventKind, parse_address
from kurir.queue import StoreError
from kurir.reports import Held, Morning, held_mail, owner_mail, summary_mail
from kurir.storage import MorningBook, StoredTrace, waiting
from kurir.trace import Lang

EVERY = 600.0
MOST_HELD = 1000

Send = Callable[[str, bytes], None]
"""Hands in mail for an address (blocks); raises `SubmitError`."""

# What was held by a rule at the door; what a person holds he knows of.
_BY_RULE = frozenset({Cause.SENDER_UNPROVEN, Cause.SENDER_NOT_LISTED, Cause.AUTHOR_UNCLEAR})


class Mornings:
    """One per server.  `zone` None is this machine's time zone."""

    def __init__(
        self, config: Config, clock: Clock, log: Log, send: Send, *, zone: tzinfo | None = None
    ) -> None:
        self._config = config
        self._clock = clock
        self._log = log
        self._send = send
        self._zone = zone
        self._book = MorningBook(settings.layout(config))
        self._contact = settings.postmaster(config)

    async def run(self) -> None:
        """Tell what is due, again and again, until cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.round)
            except (StoreError, ControlError, SubmitError, OSError) as e:
                self._log.warning("morning_failed", why=str(e), next="tried again in a while")
            await asyncio.sleep(EVERY)

    def round(self) -> None:
        """Tell of yesterday what was not told yet (blocks).  Raises `StoreError`, `ControlError`, `SubmitError`, OSError."""
        now = datetime.fromtimestamp(self._clock.now()).astimezone(self._zone)
        if now.hour < self._config.morning.hour:
            return
        today = datetime.combine(now.date(), time(), now.tzinfo)
        start = today - timedelta(days=1)
        day = f"{start:%Y-%m-%d}"
        told = self._book.told(day)
        accounts = reading.accounts(self._config)
        for account in accounts:
            if account.summary and (name := f"summary {account.name}") not in told:
                self._tell_summary(account, start, today, day)
                self._book.note(day, name)
        if self._config.morning.held and "held" not in told:
            self._tell_held(accounts, start.timestamp(), today.timestamp())
            self._book.note(day, "held")

    def _tell_summary(self, account: Account, start: datetime, end: datetime, day: str) -> None:
        summary = reading.day_of(self._config, account.name, start.timestamp(), end.timestamp(), day)
        if summary.messages:
            lang: Lang = "id" if account.summary == "id" else "en"
            to = parse_address(account.name)
            self._send(str(to), summary_mail(summary, to, lang, self._morning()))
            self._log.info("summary_sent", account=account.name, day=day)

    def _tell_held(self, accounts: Iterable[Account], since: float, until: float) -> None:
        page = waiting(settings.layout(self._config), held=True, limit=MOST_HELD)
        found = [(held, trace) for trace in page.traces if (held := _held(trace, since, until)) is not None]
        if not found:
            return
        morning, lang = self._morning(), self._config.server.language
        self._send(str(self._contact), held_mail([h for h, _ in found], page.messages, lang, morning))
        for account in accounts:
            own = [h for h, trace in found if _is_for(trace, account)]
            if own and "@" in account.name and account.name != self._contact.key:
                to, chosen = parse_address(account.name), _language(account, lang)
                self._send(str(to), owner_mail(own, to, chosen, self._morning()))
        self._log.info("held_told", messages=len(found))

    def _morning(self) -> Morning:
        zone = datetime.fromtimestamp(self._clock.now()).astimezone(self._zone).tzinfo
        assert zone is not None
        return Morning(self._contact, self._clock.now(), zone, secrets.token_hex(8))


def _language(account: Account, usual: Lang) -> Lang:
    return "id" if account.summary == "id" else "en" if account.summary == "en" else usual


def _held(trace: StoredTrace, since: float, until: float) -> Held | None:
    """Return what there is to tell of a message that a rule held in that time and that still is; else None."""
    event = next((e for e in trace.events if e.kind is EventKind.HELD and e.cause in _BY_RULE), None)
    if event is None or not since <= event.at < until:
        return None
    return Held(
        id=trace.id,
        at=event.at,
        sender=trace.header_from or str(trace.letter.reverse_path or ""),
        recipients=tuple(str(r.address) for r, s in trace.recipients if s.held is not None),
        subject=trace.letter.subject,
        cause=event.cause,
    )


def _is_for(trace: StoredTrace, account: Account) -> bool:
    own = {account.name.lower(), *account.addresses}
    return any(r.address.key in own for r, s in trace.recipients if s.held is not None)
