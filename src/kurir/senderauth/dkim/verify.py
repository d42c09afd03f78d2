"""Checks the DKIM signatures of a message (RFC 6376 section 6.1, RFC 8301, RFC 8463).

`DkimCheck` reads the signatures from the header and says which hashes of the body it needs; when the body has
passed, `verdicts` looks up the keys, all at once, and judges each signature.  Nothing a peer wrote raises.
"""

import asyncio
import hashlib
from collections.abc import Iterable

from kurir.message import Field, Headers

from .body import BodyDigests
from .canon import canonical_fields, canonical_own, choose_fields
from .keylookup import KeyLookup, TxtLookup
from .keyrecord import KeyRecord
from .settings import DkimSettings
from .signature import Signature, check_times, read_dkim
from .verdict import DkimProblem, DkimReason, DkimVerdict

_DEFAULT = DkimSettings()
# Fields that readers show or obey and that may occur once only (RFC 5322 section 3.6, RFC 2045 section 3): a second
# one beside the signed one is how a signed message is made to say something else (RFC 6376 section 8.15).
_ONCE = ("from", "sender", "reply-to", "to", "cc", "subject", "date", "content-type")


class DkimCheck:
    """The signatures of one message.  `prefer` is the author's domain: its signatures are checked first."""

    __slots__ = ("_bodies", "_headers", "_pending", "_settings", "_verdicts")

    def __init__(
        self, headers: Headers, bodies: BodyDigests, settings: DkimSettings = _DEFAULT, prefer: str = ""
    ) -> None:
        self._headers = headers
        self._bodies = bodies
        self._settings = settings
        self._verdicts: dict[int, DkimVerdict] = {}
        read: list[tuple[int, Field, Signature]] = []
        for at, field in enumerate(headers.named(b"dkim-signature")[: settings.candidates]):
            try:
                read.append((at, field, read_dkim(headers.data[field.value_at : field.end], settings)))
            except DkimProblem as e:
                self._verdicts[at] = DkimVerdict(e.reason, detail=e.detail)
        read.sort(key=lambda item: not _related(item[2].stamp.domain, prefer))
        self._pending = read[: settings.signatures]
        for at, _, signature in read[settings.signatures :]:
            self._verdicts[at] = describe(signature, DkimReason.NOT_CHECKED)
        for _, _, signature in self._pending:
            bodies.want(signature.body_canon, signature.length)

    async def verdicts(self, dns: TxtLookup, now: float) -> tuple[DkimVerdict, ...]:
        """Return a verdict for each signature, uppermost first; the whole body has been fed.

        `now` is in seconds since the epoch: when the message came in.  A message without signatures has one
        verdict, `DkimReason.NO_SIGNATURE`.
        """
        keys = KeyLookup(dns, self._settings)
        judged = await asyncio.gather(
            *(self._judge(field, signature, keys, now) for _, field, signature in self._pending)
        )
        found = self._verdicts | {
            item[0]: verdict for item, verdict in zip(self._pending, judged, strict=True)
        }
        return tuple(found[at] for at in sorted(found)) or (DkimVerdict(DkimReason.NO_SIGNATURE),)

    async def _judge(self, field: Field, signature: Signature, keys: KeyLookup, now: float) -> DkimVerdict:
        body = self._bodies.digest(signature.body_canon, signature.length)
        unsigned = None if signature.length is None else body.unsigned
        body_same = body.sha256 == signature.body_hash and body.unsigned >= 0
        try:
            check_times(signature, now, self._settings)
            records = await keys.find(signature.stamp)
            records = _allowed(signature, records)
        except DkimProblem as e:
            # A changed body is final whatever the key would have said; the DNS may answer another time.
            if e.reason is DkimReason.DNS_FAILED and not body_same:
                return describe(signature, DkimReason.BODY_CHANGED, unsigned=unsigned)
            return describe(signature, e.reason, detail=e.detail, unsigned=unsigned)
        digest = header_digest(self._headers, field, signature)
        record = next((r for r in records if r.verifies(signature.stamp.octets, digest)), None)
        if not body_same:
            reason = DkimReason.BODY_CHANGED
        elif record is None:
            reason = DkimReason.HEADER_CHANGED
        else:
            reason = self._policy(signature, body.unsigned)
        shown = record or records[0]
        return describe(
            signature,
            reason,
            record=shown,
            unsigned=unsigned,
            header_intact=None if body_same else record is not None,
            detail=", ".join(added_fields(self._headers, signature))
            if reason is DkimReason.ADDED_FIELDS
            else "",
        )

    def _policy(self, signature: Signature, unsigned: int) -> DkimReason:
        if added_fields(self._headers, signature):
            return DkimReason.ADDED_FIELDS
        if unsigned and not self._settings.accept_partial:
            return DkimReason.PARTLY_SIGNED
        return DkimReason.VALID


def added_fields(headers: Headers, signature: Signature) -> tuple[str, ...]:
    """Return the names of signed fields beside which readers may see another one, or more of the signed one."""
    return tuple(
        name
        for name in _ONCE
        if (covered := signature.names.count(name)) > 0
        and (len(headers.named(name)) > covered or headers.disguised(name))
    )


def header_digest(headers: Headers, field: Field, signature: Signature) -> bytes:
    """Return the SHA-256 that `signature`, which stands in `field`, signs (RFC 6376 section 3.7)."""
    canon = signature.header_canon
    covered = canonical_fields(headers, choose_fields(headers, signature.names, field), canon)
    return hashlib.sha256(covered + canonical_own(headers, field, canon)).digest()


def describe(
    signature: Signature,
    reason: DkimReason,
    *,
    record: KeyRecord | None = None,
    unsigned: int | None = None,
    header_intact: bool | None = None,
    detail: str = "",
) -> DkimVerdict:
    """Return the verdict on `signature`."""
    return DkimVerdict(
        reason=reason,
        domain=signature.stamp.domain,
        selector=signature.stamp.selector,
        identity=signature.identity,
        algorithm=signature.stamp.algorithm.value,
        mark=signature.stamp.mark,
        key_bits=record.bits if record else 0,
        names=signature.names,
        signed_at=signature.stamp.signed_at,
        unsigned=unsigned,
        testing=record.testing if record else False,
        header_intact=header_intact,
        detail=detail,
    )


def _allowed(signature: Signature, records: tuple[KeyRecord, ...]) -> tuple[KeyRecord, ...]:
    if signature.identity_domain == signature.stamp.domain:
        return records
    loose = tuple(record for record in records if not record.strict)
    if not loose:
        raise DkimProblem(DkimReason.FOREIGN_IDENTITY, f"i={signature.identity[:80]}")
    return loose


def _related(domain: str, other: str) -> bool:
    return domain == other or domain.endswith(f".{other}") or other.endswith(f".{domain}")


async def check_message(
    headers: Headers,
    body: Iterable[bytes],
    dns: TxtLookup,
    now: float,
    settings: DkimSettings = _DEFAULT,
    prefer: str = "",
) -> tuple[DkimVerdict, ...]:
    """Check a message whose body is at hand; see `DkimCheck.verdicts`."""
    bodies = BodyDigests()
    check = DkimCheck(headers, bodies, settings, prefer)
    for chunk in body:
        bodies.feed(chunk)
    return await check.verdicts(dns, now)
