"""Validates a chain of ARC sets (RFC 8617 section 5.2): used when a forwarder that is trusted broke DKIM.

`ArcCheck` reads the sets from the header and says which hashes of the body it needs (shared with DKIM); behind the
body, `verdict` looks up the keys and judges the newest message signature and every seal.  Nothing a peer wrote raises.
"""

import asyncio
import hashlib
from collections.abc import Iterable

from kurir.message import Field, Headers
from kurir.senderauth.dkim.body import BodyDigests
from kurir.senderauth.dkim.canon import Canon, canonical_fields, canonical_own
from kurir.senderauth.dkim.keylookup import KeyLookup, TxtLookup
from kurir.senderauth.dkim.signature import Signature, Stamp, check_times
from kurir.senderauth.dkim.verdict import DkimProblem, DkimReason
from kurir.senderauth.dkim.verify import added_fields, header_digest

from .chain import ArcSet, ChainProblem, read_chain
from .settings import ArcSettings
from .verdict import ArcReason, ArcVerdict

_DEFAULT = ArcSettings()
_CHANGED = (
    DkimReason.BODY_CHANGED,
    DkimReason.HEADER_CHANGED,
    DkimReason.PARTLY_SIGNED,
    DkimReason.ADDED_FIELDS,
)


class ArcCheck:
    """The chain of one message."""

    __slots__ = ("_bodies", "_headers", "_problem", "_sets", "_settings")

    def __init__(self, headers: Headers, bodies: BodyDigests, settings: ArcSettings = _DEFAULT) -> None:
        self._headers = headers
        self._bodies = bodies
        self._settings = settings
        self._sets: tuple[ArcSet, ...] = ()
        self._problem: ChainProblem | None = None
        try:
            self._sets = read_chain(headers, settings)
            _check_statuses(self._sets)
        except ChainProblem as e:
            self._problem = e
            return
        for signature in (signature for arc_set in self._checked() for signature in arc_set.signatures):
            bodies.want(signature.body_canon, signature.length)

    def _checked(self) -> tuple[ArcSet, ...]:
        return self._sets[-1 - self._settings.older :]

    async def verdict(self, dns: TxtLookup, now: float) -> ArcVerdict:
        """Judge the chain; the whole body has been fed.  `now` in seconds since the epoch."""
        hops = tuple(arc_set.hop(self._headers) for arc_set in self._sets)
        if self._problem is None and not self._sets:
            return ArcVerdict(ArcReason.NO_CHAIN)
        try:
            if self._problem is not None:
                raise self._problem
            oldest = await self._judge(KeyLookup(dns, self._settings.keys), now)
        except ChainProblem as e:
            return ArcVerdict(e.reason, e.instance, e.cause, e.detail, hops)
        return ArcVerdict(ArcReason.VALID, hops=hops, oldest_pass=oldest)

    async def _judge(self, keys: KeyLookup, now: float) -> int:
        newest = self._sets[-1]
        messages = self._checked()
        # The newest signature first: where it fails, which is common, nobody's keys are asked for in vain.
        problem = await self._message_problem(newest, keys, now)
        if problem is not None:
            raise _as_chain_problem(newest.instance, problem, ArcReason.MESSAGE_CHANGED)
        # All other keys at once; what each lookup came to is met again where the key is used.
        stamps = {s.record_name: s for s in (a.stamp for a in self._sets)}
        await asyncio.gather(*(keys.find(stamp) for stamp in stamps.values()), return_exceptions=True)
        await self._check_seals(keys)
        oldest = newest.instance
        for arc_set in reversed(messages[:-1]):
            if await self._message_problem(arc_set, keys, now) is not None:
                return oldest
            oldest = arc_set.instance
        return 0 if oldest == 1 else oldest

    async def _message_problem(self, arc_set: ArcSet, keys: KeyLookup, now: float) -> DkimProblem | None:
        """Return why no reading of the set's message signature fits the message, None where one does."""
        problem: DkimProblem | None = None
        for signature in arc_set.signatures:
            problem = await self._problem_of(signature, arc_set.message, keys, now)
            if problem is None:
                break
        return problem

    async def _problem_of(
        self, signature: Signature, field: Field, keys: KeyLookup, now: float
    ) -> DkimProblem | None:
        body = self._bodies.digest(signature.body_canon, signature.length)
        if body.sha256 != signature.body_hash or body.unsigned < 0:
            return DkimProblem(DkimReason.BODY_CHANGED)
        if body.unsigned and not self._settings.keys.accept_partial:
            return DkimProblem(DkimReason.PARTLY_SIGNED, f"{body.unsigned} octets are not signed")
        try:
            check_times(signature, now, self._settings.keys)
            digest = header_digest(self._headers, field, signature)
            await _verify(signature.stamp, digest, keys)
        except DkimProblem as e:
            return e
        added = added_fields(self._headers, signature)
        return DkimProblem(DkimReason.ADDED_FIELDS, ", ".join(added)) if added else None

    async def _check_seals(self, keys: KeyLookup) -> None:
        sealed = hashlib.sha256()
        for arc_set in self._sets:
            before_seal = canonical_fields(self._headers, arc_set.fields[:2], Canon.RELAXED)
            sealed.update(before_seal)
            whole = sealed.copy()
            whole.update(canonical_own(self._headers, arc_set.seal, Canon.RELAXED))
            try:
                await _verify(arc_set.stamp, whole.digest(), keys)
            except DkimProblem as e:
                raise _as_chain_problem(arc_set.instance, e, ArcReason.SEAL_BROKEN) from None
            sealed.update(canonical_fields(self._headers, (arc_set.seal,), Canon.RELAXED))


def _check_statuses(sets: tuple[ArcSet, ...]) -> None:
    """Raise `ChainProblem` where the seals themselves say that the chain is broken (section 5.2, steps 2 and 3)."""
    if sets and sets[-1].status == "fail":
        raise ChainProblem(ArcReason.DECLARED_BROKEN, sets[-1].instance)
    for arc_set in sets:
        wanted = "none" if arc_set.instance == 1 else "pass"
        if arc_set.status != wanted:
            raise ChainProblem(ArcReason.BAD_STATUS, arc_set.instance, detail=f"cv={arc_set.status}")


async def _verify(stamp: Stamp, digest: bytes, keys: KeyLookup) -> None:
    records = await keys.find(stamp)
    if not any(record.verifies(stamp.octets, digest) for record in records):
        raise DkimProblem(DkimReason.HEADER_CHANGED)


def _as_chain_problem(instance: int, problem: DkimProblem, changed: ArcReason) -> ChainProblem:
    if problem.reason is DkimReason.DNS_FAILED:
        reason = ArcReason.DNS_FAILED
    elif problem.reason in _CHANGED:
        reason = changed
    else:
        reason = ArcReason.KEY_UNUSABLE
    return ChainProblem(reason, instance, problem.reason, problem.detail)


async def check_message(
    headers: Headers, body: Iterable[bytes], dns: TxtLookup, now: float, settings: ArcSettings = _DEFAULT
) -> ArcVerdict:
    """Check a message whose body is at hand; see `ArcCheck.verdict`."""
    bodies = BodyDigests()
    check = ArcCheck(headers, bodies, settings)
    for chunk in body:
        bodies.feed(chunk)
    return await check.verdict(dns, now)
