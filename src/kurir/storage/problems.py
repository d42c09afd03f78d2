"""What an audit can find wrong: closed list of keys, each with its sentence; and the report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from kurir.model import encode_id

SENTENCES: Final[Mapping[str, str]] = {
    "unreadable": "{file} cannot be read: {error}",
    "message_missing": "message {id} is missing: number {number} is neither in the queue nor in a day file{where}"
    " (its neighbours are {previous} and {next})",
    "messages_missing": "messages {first_id} to {last_id} are missing: {count} numbers from {first} to {last}{where}",
    "message_twice": "message {id} is in two places: {places}",
    "number_unknown": "message {id} has number {number}, but only {highest} numbers were ever given",
    "rows_without_message": "message {id} is missing, but rows of it are still in {table} of {file}",
    "recipient_missing": "message {id} was accepted for {expected} recipients, but {found} are there ({file})",
    "fate_unexplained": "recipient {recipient} of message {id} has the fate {fate}, but its events say {events} ({file})",
    "acceptance_missing": "message {id} has {found} events of acceptance instead of one ({file})",
    "settled_too_early": "message {id} is marked as settled, but recipient {recipient} still waits",
    "settled_unlisted": "all recipients of message {id} have ended, but it is not marked as settled",
    "waits_in_day": "recipient {recipient} of message {id} has no fate, but is in {file} among the settled",
    "notice_without_message": "report {notice} is owed for message {id}, which is not in the queue",
    "notice_missing": "a report was owed for message {id}, but what it was to tell is gone ({file})",
    "body_missing": "the body of message {id} is gone ({file})",
    "body_damaged": "the body of message {id} is not what was accepted ({file}): {error}",
    "day_file_missing": "{file} is missing: {messages} settled messages with {recipients} recipients were in it",
    "day_differs": "{file} and the books of that day disagree: {what} {expected} in the books, {found} in the file",
    "day_unknown": "{file} holds {messages} messages, but the books know no such day",
    "book_changed": "the closed totals of {day} were changed after closing",
    "ledger_missing": "the ledger of facts.db is gone: how much was ever written cannot be proven",
    "ledger_differs": "{expected} {what} were ever written, but {found} are accounted for",
}


@dataclass(frozen=True, slots=True)
class AuditProblem:
    """One imbalance.  `key` is one of SENTENCES, `values` fill its placeholders."""

    key: str
    values: dict[str, str | int]

    def __str__(self) -> str:
        return SENTENCES[self.key].format_map(self.values)


def problem(key: str, number: int | None = None, **values: str | int) -> AuditProblem:
    """Make a problem; `number` also fills in the public id."""
    named: dict[str, str | int] = {} if number is None else {"number": number, "id": encode_id(number)}
    return AuditProblem(key, named | values)


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The books of the whole server at one moment.

    The law: `recipients` = all `fates` + `waiting` + `held`, every number from 1 to `messages` in exactly one
    place, and nothing in `problems`.
    """

    messages: int = 0
    recipients: int = 0
    fates: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    held: int = 0
    open_notices: int = 0
    queued: int = 0  # messages in the hot tables
    days: int = 0  # day files looked at
    dropped_days: int = 0
    problems: tuple[AuditProblem, ...] = ()

    @property
    def balanced(self) -> bool:
        """Whether nothing is missing."""
        return not self.problems
