"""What is put in front of a message when it leaves: our DKIM signatures, or an ARC set (RFC 6376, RFC 8463, RFC 8617).

The accepted octets stay as they came; the fields are made for the form that travels (a body that was derived to 7-bit
is signed as derived) and stand above the trace block.  Only mail of our own people is signed as ours (`Lease.ours`),
by the keys of the domain in its From; mail from outside that an alias sends on is sealed, so that the next server
learns what we found when it came.  Made once for each message and form, whatever the number of recipients and sites.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Protocol

from kurir.delivery.ports import Bodies
from kurir.message import Headers, scan
from kurir.message.headers import find_header_end
from kurir.message.limits import HeaderLimits
from kurir.model import Address, Clock
from kurir.queue.asks import Lease, Work
from kurir.senderauth.arc import Sealer, own_results
from kurir.senderauth.dkim import Signer
from kurir.senderauth.dmarc.author import author_of
from kurir.senderauth.srs import Srs

from .payload import HEADER_LIMIT, Payload

_REMEMBERED = 512  # fields of so many messages: about 2 KB each
# Looser than the parser, which has the last word: what it takes for a domain of an author stands in here.
_FROM = re.compile(rb"^from[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE | re.MULTILINE)
_DOMAIN = re.compile(rb"([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+)")
_Key = tuple[int, bytes, str, str]


@dataclass(frozen=True, slots=True)
class DomainKeys:
    """What a domain signs with: all its active keys, and the one that seals (None: it does not)."""

    signer: Signer | None
    sealer: Sealer | None = None


class KeyRing(Protocol):
    """The keys of our domains as they are now."""

    @property
    def version(self) -> int:
        """Grows whenever a key came into use or went out of it."""
        ...

    def keys(self, domain: str) -> DomainKeys | None:
        """Return the keys of `domain` (A-labels) itself, or None."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingSettings:
    """`own` are our domains; `server` is the name in our Authentication-Results fields (RFC 8601 section 2.2)."""

    own: frozenset[str]
    server: str


class Sealing:
    """Makes the fields, and the reverse-path that forwarded mail travels with."""

    def __init__(
        self, settings: SealingSettings, ring: KeyRing, clock: Clock, srs: Srs | None = None
    ) -> None:
        self._settings = settings
        self._ring = ring
        self._clock = clock
        self._srs = srs
        self._made: OrderedDict[_Key, bytes] = OrderedDict()
        self._making: dict[_Key, asyncio.Task[bytes]] = {}
        self._version = ring.version
        self._dotted = all("." in domain for domain in settings.own)
        self._ours: dict[bytes, bool] = {}  # words of From fields that were looked at

    # -- the envelope -------------------------------------------------------------------------

    def may_rewrite(self, lease: Lease) -> bool:
        """Whether any recipient may travel with another reverse-path than the message came with."""
        sender = lease.reverse_path
        return self._srs is not None and sender is not None and sender.domain not in self._settings.own

    def reverse_path(self, lease: Lease, work: Work) -> Address | None:
        """Return the reverse-path for one recipient: rewritten where an alias of ours sends foreign mail on.

        Its SPF record would forbid us to send with the old one.  Bounces of ours go straight to the sender.
        """
        sender = lease.reverse_path
        if (
            work.recipient.wanted is None
            or self._srs is None
            or sender is None
            or not self.may_rewrite(lease)
        ):
            return sender
        alias = self._forwarded_by(work)
        if alias is None:
            return sender
        return self._srs.rewritten(sender, alias, self._clock.now())

    def _forwarded_by(self, work: Work) -> str | None:
        """Return the domain of the alias that turned this recipient into a foreign address, else None."""
        wanted, own = work.recipient.wanted, self._settings.own
        if wanted is None or work.recipient.address.domain in own or wanted.domain not in own:
            return None
        return wanted.domain

    # -- the fields ---------------------------------------------------------------------------

    async def front(self, lease: Lease, payload: Payload, bodies: Bodies) -> bytes:
        """Return the fields to put in front, CRLF included; b"" where none belong there.  Raises `BodyDamaged`."""
        sealed_by = "" if lease.ours else self._sealing_domain(lease)
        if not lease.ours and not sealed_by:
            return b""
        if self._version != self._ring.version:
            self._version = self._ring.version
            self._made.clear()
        key = (lease.number, lease.sha256, payload.form, sealed_by)
        made = self._made.get(key)
        if made is not None:
            return made
        if payload.whole is not None:
            if not sealed_by and not self._may_be_ours(payload.whole):
                return b""  # seen in a moment, and so not remembered
            return self._keep(key, self._small(lease, payload.whole, sealed_by))
        task = self._making.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._large(key, lease, payload, bodies))
            self._making[key] = task
            task.add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(task)  # one connection that ends does not take the work from the others

    def _sealing_domain(self, lease: Lease) -> str:
        return next((d for d in map(self._forwarded_by, lease.work) if d is not None), "")

    def _keep(self, key: _Key, made: bytes) -> bytes:
        self._made[key] = made
        if len(self._made) > _REMEMBERED:
            self._made.popitem(last=False)
        return made

    def _small(self, lease: Lease, whole: bytes, sealed_by: str) -> bytes:
        end, _ = find_header_end(whole, HEADER_LIMIT)
        begun = self._begin(lease.trace_block, whole[:end], sealed_by)
        if begun is None:
            return b""
        begun.feed(whole[end:])
        return begun.fields(self._clock.now())

    async def _large(self, key: _Key, lease: Lease, payload: Payload, bodies: Bodies) -> bytes:
        """Read the body once more than it is sent: the fields must stand in front of it."""
        head = bytearray()
        begun = None
        pieces: AsyncIterator[bytes] = payload.stream(lease, bodies)
        async for piece in pieces:
            if begun is not None:
                begun.feed(piece)
                continue
            head += piece
            end, seen = find_header_end(bytes(head), HEADER_LIMIT)
            if not seen:
                if len(head) > HEADER_LIMIT:
                    return self._keep(key, b"")
                continue
            begun = self._begin(lease.trace_block, bytes(head[:end]), key[3])
            if begun is None:
                return self._keep(key, b"")
            begun.feed(bytes(head[end:]))
        return self._keep(key, b"" if begun is None else begun.fields(self._clock.now()))

    def _begin(self, trace_block: bytes, head: bytes, sealed_by: str) -> "_Begun | None":
        if not sealed_by and not self._may_be_ours(head):
            return None
        headers = scan(trace_block + head, HeaderLimits(octets=len(trace_block) + len(head)))
        if sealed_by:
            keys = self._ring.keys(sealed_by)
            sealer = keys.sealer if keys is not None else None
            # What we found stands in the fields that we wrote; below them anybody may have written in our name.
            found = own_results(scan(trace_block), self._settings.server)
            return sealer.begin(headers, found) if sealer else None
        signer = self._signer_of_author(headers)
        return signer.begin(headers) if signer is not None else None

    def _may_be_ours(self, message: bytes) -> bool:
        """Whether From could name a domain of ours: a quick look, so that mail of others costs next to nothing.

        It may look a bit beyond the header, never at less of it.
        """
        end = message.find(b"\r\n\r\n")
        for field in _FROM.findall(message, 0, HEADER_LIMIT if end < 0 else end + 2):
            if not self._dotted or not field.isascii():
                return True
            for word in _DOMAIN.findall(field):
                ours = self._ours.get(word)
                if self._is_ours(word) if ours is None else ours:
                    return True
        return False

    def _is_ours(self, word: bytes) -> bool:
        if len(self._ours) >= _REMEMBERED:
            self._ours.clear()
        ours = self._ours[word] = bool(nearest(word.decode().lower().rstrip("."), self._settings.own))
        return ours

    def _signer_of_author(self, headers: Headers) -> Signer | None:
        """Return the signer of the first domain in From that is ours, or the next one above it that is."""
        for domain in author_of(headers).domains:
            found = nearest(domain, self._settings.own)
            keys = self._ring.keys(found) if found else None
            if keys is not None and keys.signer is not None:
                return keys.signer
        return None


class _Begun(Protocol):
    """A signature or a seal in the making."""

    def feed(self, data: bytes) -> None:
        """Take the next octets of the body."""
        ...

    def fields(self, now: float) -> bytes:
        """Return the fields."""
        ...


def nearest(domain: str, own: Collection[str]) -> str:
    """Return `domain` where it is in `own`, else the closest one above it that is, else ""."""
    while domain and domain not in own:
        domain = domain.partition(".")[2]
    return domain
