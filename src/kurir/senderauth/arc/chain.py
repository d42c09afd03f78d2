"""The ARC sets of a message: found in its header, put in order, and read (RFC 8617 sections 4.1 and 4.2).

A set is three fields with one number ``i=``: ARC-Authentication-Results (what a server found), ARC-Message-Signature
(the message as it left that server) and ARC-Seal (over all sets so far).  What is not exactly that is no chain.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from kurir.message import Field, Headers
from kurir.senderauth.dkim.canon import Canon
from kurir.senderauth.dkim.signature import Signature, Stamp, read_signature, read_stamp, read_tags
from kurir.senderauth.dkim.tags import number
from kurir.senderauth.dkim.verdict import DkimProblem, DkimReason

from .settings import ArcSettings
from .verdict import ArcHop, ArcReason

RESULTS_FIELD = b"arc-authentication-results"
MESSAGE_FIELD = b"arc-message-signature"
SEAL_FIELD = b"arc-seal"
_FIELDS = (RESULTS_FIELD, MESSAGE_FIELD, SEAL_FIELD)

_INSTANCE = re.compile(rb"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,2})[ \t\r\n]*;")


class ChainProblem(Exception):
    """Inside this room only: there is no valid chain, and why; it ends as a verdict."""

    def __init__(
        self, reason: ArcReason, instance: int = 0, cause: DkimReason | None = None, detail: str = ""
    ) -> None:
        super().__init__(reason, instance, detail)
        self.reason = reason
        self.instance = instance
        self.cause = cause
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ArcSet:
    """One set; `status` is the ``cv=`` of its seal.

    `signatures` are the ways to read its message signature: two where ``c=`` is missing, else one.
    """

    instance: int
    results: Field
    message: Field
    seal: Field
    signatures: tuple[Signature, ...]
    stamp: Stamp
    status: str

    @property
    def fields(self) -> tuple[Field, Field, Field]:
        """The fields in the order in which seals cover them (RFC 8617 section 5.1.1)."""
        return self.results, self.message, self.seal

    def hop(self, headers: Headers) -> ArcHop:
        """Return what the set says, for a verdict."""
        said = headers.value(self.results).partition(b";")[2].strip()
        return ArcHop(
            instance=self.instance,
            domain=self.stamp.domain,
            selector=self.stamp.selector,
            results=said.decode("utf-8", "replace"),
            sealed_at=self.stamp.signed_at,
        )


def read_chain(headers: Headers, settings: ArcSettings) -> tuple[ArcSet, ...]:
    """Return the sets of a message, oldest first; empty where it has none.  Raises `ChainProblem`."""
    count = max(len(headers.named(name)) for name in _FIELDS)
    if count == 0:
        return ()
    if count > settings.sets:
        raise ChainProblem(ArcReason.TOO_LONG, detail=f"{count} sets")
    results = _numbered(headers, RESULTS_FIELD, settings)
    messages = _numbered(headers, MESSAGE_FIELD, settings)
    seals = _numbered(headers, SEAL_FIELD, settings)
    if not results.keys() == messages.keys() == seals.keys() == set(range(1, count + 1)):
        raise ChainProblem(ArcReason.INCOMPLETE, detail="the three fields of a set are not all there")
    return tuple(
        _read_set(headers, at, results[at], messages[at], seals[at], settings) for at in range(1, count + 1)
    )


def last_status(headers: Headers, settings: ArcSettings) -> tuple[int, str]:
    """Return ``(highest instance, its cv=)`` of whatever seals can be read; (0, "") where there is none."""
    found: dict[int, str] = {}
    for field in headers.named(SEAL_FIELD)[: settings.sets]:
        try:
            tags = read_tags(headers.data[field.value_at : field.end], settings.keys)
            found[number(tags.get("i", ""), "i", 2)] = tags.get("cv", "").lower()
        except DkimProblem:
            continue
    return max(found.items()) if found else (0, "")


def _numbered(headers: Headers, name: bytes, settings: ArcSettings) -> Mapping[int, Field]:
    found: dict[int, Field] = {}
    for field in headers.named(name):
        instance = _instance(headers.data[field.value_at : field.end], name, settings)
        if not 1 <= instance <= settings.sets:
            raise ChainProblem(ArcReason.SYNTAX, detail=f"{name.decode()}: i={instance}")
        if instance in found:
            raise ChainProblem(ArcReason.INCOMPLETE, instance, detail=f"{name.decode()} is there twice")
        found[instance] = field
    return MappingProxyType(found)


def _instance(value: bytes, name: bytes, settings: ArcSettings) -> int:
    if name == RESULTS_FIELD:  # no tag list behind its i=, which must stand first (section 4.1.1)
        m = _INSTANCE.match(value)
        if m is None:
            raise ChainProblem(ArcReason.SYNTAX, detail="ARC-Authentication-Results does not begin with i=")
        return int(m[1])
    try:
        return number(read_tags(value, settings.keys).get("i", ""), "i", 2)
    except DkimProblem as e:
        raise ChainProblem(ArcReason.SYNTAX, detail=f"{name.decode()}: {e.detail}") from None


def _read_set(
    headers: Headers, instance: int, results: Field, message: Field, seal: Field, settings: ArcSettings
) -> ArcSet:
    try:
        signatures = _message_signatures(headers.data[message.value_at : message.end], settings)
        stamp, status = _seal(headers.data[seal.value_at : seal.end], settings)
    except DkimProblem as e:
        raise ChainProblem(ArcReason.SYNTAX, instance, e.reason, e.detail) from None
    return ArcSet(instance, results, message, seal, signatures, stamp, status)


def _message_signatures(value: bytes, settings: ArcSettings) -> tuple[Signature, ...]:
    tags = read_tags(value, settings.keys)
    signature = read_signature(tags, settings.keys)
    if "arc-seal" in signature.names:  # section 4.1.2
        raise DkimProblem(DkimReason.SYNTAX, "h= covers ARC-Seal")
    if "c" in tags:
        return (signature,)
    # As in DKIM a missing c= means simple (section 4.1.2), yet many who make ARC take it for relaxed.
    return signature, replace(signature, header_canon=Canon.RELAXED, body_canon=Canon.RELAXED)


def _seal(value: bytes, settings: ArcSettings) -> tuple[Stamp, str]:
    tags = read_tags(value, settings.keys)
    if "h" in tags:  # section 4.1.3
        raise DkimProblem(DkimReason.SYNTAX, "a seal has no h=")
    status = tags.get("cv", "").lower()
    if status not in ("none", "pass", "fail"):
        raise DkimProblem(DkimReason.SYNTAX, f"cv={status[:20]}")
    return read_stamp(tags), status
