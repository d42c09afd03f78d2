"""Puts one message to all checks: hashes while the body passes by, questions to the DNS behind it.

SPF (RFC 7208: MAIL FROM, and HELO as section 2.3 recommends), DKIM (RFC 6376), ARC (RFC 8617), the reverse name (RFC 8601 section 3) and DMARC (RFC 9989).

Only what a message has is asked for: without a signature no key, without a seal no chain.  A message costs tens of
microseconds where nothing is signed and the DNS is in the cache.
"""

import asyncio

from kurir.message import Headers
from kurir.senderauth.arc import ArcCheck, ArcReason, ArcVerdict
from kurir.senderauth.dkim import BodyDigests, DkimCheck, DkimReason, DkimVerdict
from kurir.senderauth.dmarc import Proven, author_of, check
from kurir.senderauth.iprev import check_reverse
from kurir.senderauth.ports import SenderDns
from kurir.senderauth.publicsuffix import SuffixList
from kurir.senderauth.spf import SpfQuery, SpfReason, SpfVerdict, check_helo, check_mail_from

from .findings import Findings
from .settings import ScreeningSettings

_UNSIGNED = (DkimVerdict(DkimReason.NO_SIGNATURE),)
_UNSEALED = ArcVerdict(ArcReason.NO_CHAIN)


class Screener:
    """What all screenings share: the resolver, the bounds, the list of public suffixes."""

    __slots__ = ("dns", "settings", "suffixes")

    def __init__(
        self, settings: ScreeningSettings, dns: SenderDns, suffixes: SuffixList | None = None
    ) -> None:
        self.settings = settings
        self.dns = dns
        self.suffixes = suffixes

    def begin(self, headers: Headers, query: SpfQuery) -> "Screening":
        """Start with the header as it came (nothing cut) and the facts of the connection."""
        return Screening(self, headers, query)


class Screening:
    """One message.  `feed` the body proper while it passes by, then ask for the `findings`, once."""

    __slots__ = ("_arc", "_author", "_bodies", "_dkim", "_query", "_shared")

    def __init__(self, shared: Screener, headers: Headers, query: SpfQuery) -> None:
        self._shared = shared
        self._query = query
        self._author = author_of(headers)
        self._bodies: BodyDigests | None = None
        self._dkim: DkimCheck | None = None
        self._arc: ArcCheck | None = None
        settings = shared.settings
        signed, sealed = headers.named("dkim-signature"), headers.named("arc-seal")
        if signed or sealed:
            self._bodies = BodyDigests()
        if signed and self._bodies is not None:
            author = self._author.domains[0] if self._author.domains else ""
            self._dkim = DkimCheck(headers, self._bodies, settings.dkim, prefer=author)
        if sealed and self._bodies is not None:
            self._arc = ArcCheck(headers, self._bodies, settings.arc)

    @property
    def feed_wanted(self) -> bool:
        """Whether anybody asks for a hash of the body."""
        return self._bodies is not None

    def feed(self, data: bytes) -> None:
        """Take the next octets of the body (behind the empty line).  Never waits."""
        if self._bodies is not None:
            self._bodies.feed(data)

    async def findings(self) -> Findings:
        """Judge the message; the whole body has been fed.  Never raises for what a peer wrote or the DNS did."""
        shared, query = self._shared, self._query
        dns, settings = shared.dns, shared.settings
        async with asyncio.TaskGroup() as group:  # all at the same time, but no task without a question
            named = group.create_task(check_reverse(query.client, dns, settings.reverse))
            signed = group.create_task(self._dkim.verdicts(dns, query.at)) if self._dkim is not None else None
            sealed = group.create_task(self._arc.verdict(dns, query.at)) if self._arc is not None else None
            helo = group.create_task(check_helo(query, dns, settings.spf)) if _helo_tells(query) else None
            spf = await check_mail_from(query, dns, settings.spf)
        dkim = signed.result() if signed is not None else _UNSIGNED
        arc = sealed.result() if sealed is not None else _UNSEALED
        proven = Proven.by(spf, (verdict.domain for verdict in dkim if verdict.passed))
        dmarc = await check(self._author, proven, dns, settings.dmarc, shared.suffixes)
        return Findings(spf, dkim, arc, dmarc, named.result(), _said(helo.result()) if helo else None)


def _helo_tells(query: SpfQuery) -> bool:
    """Whether HELO names a host of its own: the null sender is checked by it anyway, and one name needs one answer."""
    helo = query.helo.lower().rstrip(".")
    sender = query.sender.rpartition("@")[2]
    return bool(sender) and "." in helo and not helo.startswith("[") and helo != sender


def _said(verdict: SpfVerdict) -> SpfVerdict | None:
    """Hosts without a record are most, and there is nothing to tell of them."""
    return (
        None if verdict.reason in (SpfReason.NO_RECORD, SpfReason.NO_DOMAIN, SpfReason.NO_CLIENT) else verdict
    )
