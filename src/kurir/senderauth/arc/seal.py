"""Adds a set to the chain when a message is forwarded (RFC 8617 section 5.1).

`Sealer.begin` reads the header, `Sealing.feed` hashes the body as it goes by, `Sealing.fields` makes the three fields,
which go in front of the header.  What was found about the message comes from the Authentication-Results that this
server wrote when the message came in (`results.own_results`): a foreign one cannot pose as ours, since those were removed.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence

from kurir.message import Headers
from kurir.senderauth.dkim.body import BodyDigests
from kurir.senderauth.dkim.canon import Canon, canonical_fields, choose_fields, relaxed
from kurir.senderauth.dkim.settings import SigningSettings
from kurir.senderauth.dkim.signing import SigningKey, tag_lines

from .chain import ChainProblem, last_status, read_chain
from .results import OwnResults
from .settings import ArcSettings
from .verdict import ArcResult

_LINE = 76

_SIGNING = SigningSettings()
_CHECKING = ArcSettings()


def covered_names(headers: Headers, settings: SigningSettings = _SIGNING) -> tuple[str, ...]:
    """Return the names a message signature covers: what DKIM would, and the DKIM signatures (section 4.1.2)."""
    names = (*settings.sealed, *settings.guarded, *settings.signed, "dkim-signature")
    return tuple(name for name in names for _ in headers.named(name))


class Sealing:
    """One message being sealed."""

    __slots__ = ("_bodies", "_headers", "_instance", "_key", "_names", "_results", "_settings", "_status")

    def __init__(
        self,
        headers: Headers,
        key: SigningKey,
        results: OwnResults,
        instance: int,
        status: ArcResult,
        names: Sequence[str],
        settings: ArcSettings,
    ) -> None:
        self._headers = headers
        self._key = key
        self._results = results
        self._instance = instance
        self._status = status
        self._names = tuple(names)
        self._settings = settings
        self._bodies = BodyDigests()
        self._bodies.want(Canon.RELAXED)

    def feed(self, data: bytes) -> None:
        """Take the next octets of the body, as they will be sent."""
        self._bodies.feed(data)

    def fields(self, now: float) -> bytes:
        """Return ARC-Seal, ARC-Message-Signature and ARC-Authentication-Results, CRLF included; the body has ended.

        `now` is in seconds since the epoch.  Costs two private-key operations.
        """
        results = _fold(f" i={self._instance}; {self._results.server}; {self._results.text}")
        message = self._message_signature(int(now))
        fields = ((b"ARC-Authentication-Results", results), (b"ARC-Message-Signature", message))
        sealed = hashlib.sha256(self._earlier())
        for name, value in fields:
            sealed.update(relaxed(name, value))
        seal = self._signed(b"ARC-Seal", {"cv": self._status.value}, sealed, int(now))
        return b"".join(
            b"%s:%s\r\n" % (name, value) for name, value in ((b"ARC-Seal", seal), *reversed(fields))
        )

    def _message_signature(self, now: int) -> bytes:
        chosen = choose_fields(self._headers, self._names)
        body = base64.b64encode(self._bodies.digest(Canon.RELAXED).sha256).decode()
        tags = {"bh": body, "c": "relaxed/relaxed", "h": ":".join(self._names)}
        covered = hashlib.sha256(canonical_fields(self._headers, chosen, Canon.RELAXED))
        return self._signed(b"ARC-Message-Signature", tags, covered, now)

    def _earlier(self) -> bytes:
        """Return the sets that the seal covers besides its own: none of a chain that is broken (section 5.1.2)."""
        if self._status is ArcResult.FAIL:
            return b""
        sets = read_chain(self._headers, self._settings)
        return b"".join([canonical_fields(self._headers, s.fields, Canon.RELAXED) for s in sets])

    def _signed(self, name: bytes, tags: dict[str, str], covered: "hashlib._Hash", now: int) -> bytes:
        # In alphabetical order, and b= in one piece: the next seals cover this text, so that nothing in it should
        # invite a server on the way to fold it differently.
        tags = tags | {
            "a": self._key.algorithm.value,
            "b": "",
            "d": self._key.domain,
            "i": str(self._instance),
            "s": self._key.selector,
            "t": str(now),
        }
        tags = dict(sorted(tags.items()))
        lead = len(name) + 1
        covered.update(relaxed(name, tag_lines(tags, lead).encode())[:-2])
        tags["b"] = self._key.sign(covered.digest())
        return tag_lines(tags, lead).encode()


class Sealer:
    """Seals what this server forwards.  Use an RSA key: chains with Ed25519 are understood by few."""

    __slots__ = ("_key", "_settings", "_signing")

    def __init__(
        self,
        key: SigningKey,
        settings: ArcSettings = _CHECKING,
        signing: SigningSettings = _SIGNING,
    ) -> None:
        self._key = key
        self._settings = settings
        self._signing = signing

    def begin(
        self, headers: Headers, results: OwnResults | None, names: Sequence[str] | None = None
    ) -> Sealing | None:
        """Start with the header of a message; None where no set can or should be added.

        That is: nothing is known about how it came in, the chain was declared broken before (section 5.1: it then
        stays as it is), the chain was not checked, or it is full.  A chain that was found broken here is sealed
        with ``cv=fail``.  `names` replaces the choice of covered fields.
        """
        last, said = last_status(headers, self._settings)
        if results is None or said == "fail" or last >= self._settings.sets:
            return None
        has_chain = bool(headers.named(b"arc-seal") or headers.named(b"arc-message-signature"))
        status = results.chain or ArcResult.NONE
        if has_chain and status is ArcResult.NONE:
            return None
        if status is ArcResult.PASS:
            try:
                sets = read_chain(headers, self._settings)
            except ChainProblem:
                status = ArcResult.FAIL
            else:
                status = ArcResult.PASS if sets else ArcResult.NONE
        covered = covered_names(headers, self._signing) if names is None else names
        return Sealing(headers, self._key, results, last + 1, status, covered, self._settings)

    def seal(self, headers: Headers, body: Iterable[bytes], results: OwnResults | None, now: float) -> bytes:
        """Return the fields for a message whose body is at hand, or nothing; see `begin`."""
        sealing = self.begin(headers, results)
        if sealing is None:
            return b""
        for chunk in body:
            sealing.feed(chunk)
        return sealing.fields(now)


def _fold(value: str) -> bytes:
    """Return a value folded at its blanks, where lines would become too long."""
    lines: list[str] = []
    line = ""
    for word in value.split(" ")[1:]:
        if line and len(line) + len(word) >= _LINE:
            lines.append(line)
            line = ""
        line += f" {word}"
    lines.append(line)
    return "\r\n".join(lines).encode()
