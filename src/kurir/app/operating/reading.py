"""What the command line reads by itself, beside a running server or after it: trace, accounts, sandbox."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from kurir.app.process.clock import SystemClock
from kurir.app.wiring import roads, settings
from kurir.config import Config
from kurir.identity import Account, AppPassword, ClientCertificate
from kurir.model import Event, EventKind, Observation, Recipient, Standing, encode_id
from kurir.model.told import told
from kurir.queue import StoreError
from kurir.queue.ports import RecipientState
from kurir.sandbox import SandboxStore
from kurir.storage import (
    NoDatabase,
    SqliteAccounts,
    SqliteSuppressions,
    StoredTrace,
    TraceQuery,
    TraceReader,
    TraceSummary,
)
from kurir.suppression import Entry, Report
from kurir.trace import (
    DaySummary,
    MessageFacts,
    RecipientFacts,
    Timeline,
    summarise,
    timeline,
)

from . import control
from .control import ControlError

T = TypeVar("T")


_NO_CHARACTER = re.compile("[\ud800-\udfff]")
LOOK_SECONDS = 10.0  # for what only the running server knows; the rest is told without it
_DOMAIN = re.compile(r"[^\s@<>]+\.[^\s@<>.]+\.?")


def typed(text: str) -> str:
    """Return what a person typed as plain text: octets that are no UTF-8 as the trace keeps them (U+FFFD)."""
    return _NO_CHARACTER.sub("\ufffd", text)


def reader(config: Config) -> TraceReader:
    """Return the reader of this server's files."""
    return TraceReader(settings.layout(config))


def accounts(config: Config) -> list[Account]:
    """Return all accounts, by name; none where none was ever made."""
    try:
        store = SqliteAccounts(settings.layout(config), SystemClock(), writable=False)
    except NoDatabase:
        return []
    except StoreError as e:
        raise ControlError(
            told("the accounts cannot be read: {why}; run this as the server's user or as root", why=e)
        ) from None
    try:
        return list(store.accounts())
    finally:
        store.close()


def account(config: Config, name: str) -> Account:
    """Return one account.  Raises `ControlError` where there is none."""
    for one in accounts(config):
        if one.name.lower() == name.lower():
            return one
    raise ControlError(told("there is no account {name!r}; see: kurir user list", name=name))


def shown_app_password(used: AppPassword) -> dict[str, Any]:
    """Return an app password without its keys."""
    return {
        "label": used.label, "senders": list(used.senders), "networks": list(used.networks),
        "expires_at": used.expires_at, "created_at": used.created_at,
    }  # fmt: skip


def shown_certificate(certificate: ClientCertificate) -> dict[str, Any]:
    """Return a registered certificate."""
    return {"key": certificate.key, "label": certificate.label, "added_at": certificate.added_at}


def suppressions(config: Config) -> list[Entry]:
    """Return the addresses that mail is not sent to, the newest first; expired entries are left out."""
    now = SystemClock().now()
    found: list[Entry] = _suppressed(config, lambda store: store.entries(), [])
    return [entry for entry in found if entry.holds(now)]


def suppression_json(entry: Entry) -> dict[str, Any]:
    """Return an entry as plain values: times in epoch seconds, `source` a queue id or None."""
    return {
        "address": entry.address,
        "cause": entry.cause.value,
        "words": entry.words,
        "by": entry.by,
        "source": encode_id(entry.source) if entry.source is not None else None,
        "since": entry.since,
        "until": entry.until,
    }


def _came_back(config: Config, numbers: Sequence[int]) -> dict[int, list[Event]]:
    """Return what bounces said of messages after they were handed over, as events of their traces."""
    reports: dict[int, Sequence[Report]] = _suppressed(
        config, lambda store: {number: store.reports(number) for number in numbers}, {}
    )
    return {number: [_returned(number, report) for report in found] for number, found in reports.items()}


def _returned(number: int, report: Report) -> Event:
    return Event(
        number=number, kind=EventKind.RETURNED, at=report.at, recipient=report.recipient, cause=report.cause,
        by=report.host, reason=report.words, other=report.bounce,
    )  # fmt: skip


def _suppressed(config: Config, ask: Callable[[SqliteSuppressions], T], nothing: T) -> T:
    try:
        store = SqliteSuppressions(settings.layout(config), SystemClock(), writable=False)
    except NoDatabase:
        return nothing
    except StoreError as e:
        raise ControlError(
            told(
                "the suppression list cannot be read: {why}; run this as the server's user or as root", why=e
            )
        ) from None
    try:
        return ask(store)
    finally:
        store.close()


def sandbox_store(config: Config) -> SandboxStore:
    """Return the captured mail of a playground.  Raises `ControlError` for a server without a sandbox."""
    if not roads.has_sandbox(config):
        raise ControlError(
            told("this server has no sandbox; make a playground with: kurir init DIR --domain D --playground")
        )
    return SandboxStore(Path(config.server.state) / "sandbox")


def search(config: Config, text: str, *, since: float | None = None, limit: int = 50) -> list[TraceSummary]:
    """Return messages that fit what a person typed, the newest first; an address in brackets is tried as well.

    What may be a domain finds the messages from and to it, beside those with it in their subject.
    """
    text = typed(text)
    query = msgspec.structs.replace(TraceQuery.of(text), since=since)
    found = reader(config).search(query, limit)
    if (domain := _everybody_at(text)) and query.subject:
        there = reader(config).search(TraceQuery(address=domain, since=since), limit)
        both = {m.number: m for m in (*found, *there)}
        return [both[n] for n in sorted(both, reverse=True)[:limit]]
    if not found and query.message_id:
        found = reader(config).search(TraceQuery(address=text.strip("<> "), since=since), limit)
    if not found and query.address:
        found = reader(config).search(TraceQuery(message_id=text, since=since), limit)
    return found


def observed(config: Config, text: str, *, since: float | None = None, limit: int = 20) -> list[Observation]:
    """Return what never became a message and has to do with this address, domain or client, the newest first."""
    text = typed(text).strip("<> ")
    found = [] if "@" in text else reader(config).observations(client=text, since=since, limit=limit)
    if not found:
        address = text if "@" in text else _everybody_at(text)
        found = reader(config).observations(address=address, since=since, limit=limit) if address else []
    return [o for o, _ in found]


def _everybody_at(text: str) -> str:
    """Return the search for all addresses of a domain, "" where `text` cannot be one."""
    text = text.strip()
    return f"@{text.rstrip('.')}" if _DOMAIN.fullmatch(text) else ""


def story(config: Config, number: int) -> Timeline | None:
    """Return the timeline of one message, None where it is not known."""
    found = reader(config).trace(number)
    return None if found is None else timeline_of(config, found)


def timeline_of(config: Config, trace: StoredTrace) -> Timeline:
    """Return the timeline of a message, with where it stands at this moment as far as the server runs."""
    waits = any(s.fate is None and s.held is None for _, s in trace.recipients)
    standing = standings(config, trace.id) if waits else {}
    return timeline(
        facts_of(trace, standing), [*trace.events, *_came_back(config, [trace.number]).get(trace.number, ())]
    )


MOST_OF_A_DAY = 5_000  # messages of one account that a summary looks at
MOST_ASKED = 200  # waiting messages that the running server is asked about


def day_of(config: Config, name: str, start: float, end: float, day: str) -> DaySummary:
    """Return what became of what an account (or a program of ours in its name) sent from `start` to `end`.

    Raises `ControlError` where there is no such account.
    """
    who = account(config, name)
    found: dict[int, StoredTrace] = {}
    for query in (
        TraceQuery(account=who.name, since=start, until=end),
        *(
            TraceQuery(address=a, since=start, until=end)
            for a in who.addresses
            if not a.startswith(("*", "<"))
        ),
    ):
        for trace in reader(config).traces(query, MOST_OF_A_DAY):
            if _sent_by(trace, who):
                found[trace.number] = trace
    traces = [found[n] for n in sorted(found)]
    timelines, asked, came_back = [], 0, _came_back(config, sorted(found))
    for trace in traces:
        waits = asked < MOST_ASKED and any(s.fate is None and s.held is None for _, s in trace.recipients)
        asked += waits
        standing = standings(config, trace.id) if waits else {}
        events = [*trace.events, *came_back.get(trace.number, ())]
        timelines.append(timeline(facts_of(trace, standing), events))
    return summarise(who.name, day, start, timelines, cut=len(traces) >= MOST_OF_A_DAY)


def _sent_by(trace: StoredTrace, who: Account) -> bool:
    letter = trace.letter
    if letter.origin.account is not None:
        return letter.origin.account.lower() == who.name.lower()
    sender = letter.reverse_path
    return letter.origin.ours and sender is not None and sender.key in who.addresses


def standings(config: Config, id: str) -> dict[int, Standing]:
    """Return the recipients of a message that are tried now or wait for a limit, by index; only the running server knows."""
    path = config.server.state / settings.CONTROL_SOCKET
    try:
        found: list[dict[str, Any]] = control.call(path, "queue.now", patience=LOOK_SECONDS, id=id)
    except ControlError:
        return {}
    return {standing.recipient: standing for standing in msgspec.convert(found, list[Standing])}


def facts_of(trace: StoredTrace, standing: Mapping[int, Standing]) -> MessageFacts:
    """Adapt what storage returns to what the trace tells from."""
    letter = trace.letter
    return MessageFacts(
        number=letter.number,
        accepted_at=letter.accepted_at,
        reverse_path=letter.reverse_path,
        recipients=tuple(_recipient(i, r, s, standing.get(i)) for i, (r, s) in enumerate(trace.recipients)),
        origin=letter.origin,
        size=letter.size,
        subject=letter.subject,
        message_id=letter.message_id,
        header_from=trace.header_from,
        require_tls=letter.params.require_tls,
        sealed=letter.params.sealed,
        urgency=letter.params.urgency,
        urgency_by=letter.params.urgency_by,
    )


def _recipient(
    index: int, recipient: Recipient, state: RecipientState, now: Standing | None
) -> RecipientFacts:
    return RecipientFacts(
        index=index,
        address=recipient.address,
        fate=state.fate,
        next_at=now.next_at if now is not None else state.next_at,
        held=state.held,
        attempts=state.attempts,
        wanted=recipient.wanted,
        limit=now.limit if now is not None else None,
        trying=now is not None and now.trying,
    )


def newest(config: Config) -> float | None:
    """Return when the newest message was accepted (epoch seconds), None where there is none."""
    found: Sequence[TraceSummary] = reader(config).search(TraceQuery(), 1)
    return found[0].accepted_at if found else None
