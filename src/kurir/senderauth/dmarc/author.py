"""Whose name stands in From: the author domain (RFC 9989 sections 5.3.1 and 11.5).

Read by the one parser of the message room, so that what is compared is what a person is shown.  Where From is
missing, repeated (a malformed line that others may show as one included), or can be read in two ways, there is no
author that could be proven.
"""

from dataclasses import dataclass
from enum import Enum

from kurir.message import AddressProblem, Headers, parse_mailboxes


class AuthorProblem(str, Enum):
    """Why there is no author domain; each is also the name of a sentence ``dmarc.<value>``."""

    MISSING = "author_missing"
    REPEATED = "author_repeated"
    UNREADABLE = "author_unreadable"
    NO_ADDRESS = "author_no_address"  # an empty group (RFC 6854)


@dataclass(frozen=True, slots=True)
class Author:
    """The author domains of a message, in A-labels, each once, in order; or the `problem`, with a `detail`."""

    domains: tuple[str, ...]
    problem: AuthorProblem | None = None
    detail: str = ""


def author_of(headers: Headers) -> Author:
    """Read the From field of `headers`.  Never raises."""
    fields = headers.named("from")
    if not fields:
        return Author((), AuthorProblem.MISSING, "0")
    seen = len(fields) + headers.disguised("from")
    if seen != 1:
        return Author((), AuthorProblem.REPEATED, f"{seen}")
    return author_in(headers.data[fields[0].value_at : fields[0].end])


def author_in(value: bytes) -> Author:
    """Read the value of one From field, folded or not.  Never raises."""
    found = parse_mailboxes(value)
    if found.problem is not None:
        if found.problem is AddressProblem.EMPTY:
            return Author((), AuthorProblem.NO_ADDRESS)
        return Author((), AuthorProblem.UNREADABLE, f"{found.problem.value} {found.detail}".strip())
    domains = tuple(dict.fromkeys(mailbox.address.domain for mailbox in found.mailboxes))
    if not domains or "" in domains:
        return Author((), AuthorProblem.NO_ADDRESS)
    return Author(domains)
