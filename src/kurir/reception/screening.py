"""Mail from strangers, between its last octet and the brain: checked, labelled, and refused where that is the policy.

`kurir.senderauth.screening` finds out and decides; here that becomes a reply, header fields, facts for the trace, and
the proof that lets a report go back to the sender.

RFC 8601 section 5 wants fields removed that pose as our results.  They are cut out before the body is stored
(`without_posing`), and after the signatures were read, which may cover them; a body that was stored never changes.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from kurir.message.headers import Headers
from kurir.model import Address, Cause, Check, Origin, Reply
from kurir.reports import DmarcSeen, seen
from kurir.senderauth import posing_spans, results_field
from kurir.senderauth.screening import (
    Action,
    Findings,
    Screener,
    Treatment,
    TreatmentReason,
    TreatmentSettings,
    treat,
)
from kurir.senderauth.spf import SpfQuery

MARK = b"X-Spam-Flag: YES\r\n"
"""What mail programs and Sieve scripts sort by; SpamAssassin made it common."""

MAX_WORDS = 300  # characters of a reply: it is one line of 512 octets at most (RFC 5321 section 4.5.3.1.5)


@dataclass(frozen=True, slots=True)
class Screened:
    """What becomes of a message of a stranger.

    `fields` go in front of it, above all others.  With `refusal` it is not taken; `hold` is the reason to hold it,
    `cause` that of either.  `proven` says that a report may go to the reverse-path.  `client_name` is the proven name of
    the client, ``""`` for none; `detail` the results in one line.  `seen` is what it counts as in reports to the owner of
    the author's domain, None where nobody asks for them.
    """

    action: Action
    fields: bytes
    checks: tuple[Check, ...]
    proven: bool
    client_name: str
    detail: str
    refusal: Reply | None = None
    hold: str | None = None
    cause: Cause | None = None
    seen: DmarcSeen | None = None


class StrangersMail:
    """One message under way.  `listener` wants the octets of the body behind those that `begin` saw."""

    __slots__ = ("_at", "_origin", "_reverse_path", "_screener", "_screening")

    def __init__(
        self, screener: Screener, headers: Headers, origin: Origin, reverse_path: Address | None, at: float
    ) -> None:
        """Begin with the header as it came; what stands behind it in ``headers.data`` is the body's beginning."""
        self._screener = screener
        self._origin = origin
        self._reverse_path = reverse_path
        self._at = at
        query = SpfQuery(
            client=origin.client,
            helo=origin.helo,
            sender=str(reverse_path) if reverse_path is not None else "",
            receiver=screener.settings.authserv_id,
            at=at,
        )
        self._screening = screener.begin(headers, query)
        if self._screening.feed_wanted:
            self._screening.feed(headers.data[headers.header_end :])

    @property
    def listener(self) -> Callable[[bytes], None] | None:
        """Who is to be given the rest of the body; None where nobody needs it."""
        return self._screening.feed if self._screening.feed_wanted else None

    async def judge(self, settings: TreatmentSettings, *, smtputf8: bool) -> Screened:
        """Ask the DNS and decide.  Takes as long as the screener's deadline at most."""
        findings = await self._screening.findings()
        treatment = treat(findings, settings)
        action = treatment.action
        done = findings if treatment.dmarc is findings.dmarc else replace(findings, dmarc=treatment.dmarc)
        fields = results_field(self._screener.settings.authserv_id, done.results(), utf8=smtputf8)
        if action is Action.MARK:
            fields += MARK
        return Screened(
            action,
            fields,
            (*findings.checks(), *treatment.checks()),
            findings.proves(self._reverse_path),
            findings.reverse.name,
            findings.words(),
            refusal=refusal(treatment, findings) if action is Action.REFUSE else None,
            hold=f"the sender is not proven: {findings.words()}" if action is Action.HOLD else None,
            cause=treatment.cause if action in (Action.REFUSE, Action.HOLD) else None,
            seen=seen(
                findings,
                treatment.dmarc,
                client=self._origin.client,
                reverse_path=self._reverse_path,
                at=self._at,
            ),
        )


def without_posing(head: bytes, ids: Collection[str], header_end: int) -> bytes:
    """Return `head` without the Authentication-Results fields that bear one of our `ids`."""
    spans = posing_spans(head, ids, header_end)
    if not spans:
        return head
    pieces, at = [], 0
    for start, stop in spans:
        pieces.append(head[at:start])
        at = stop
    pieces.append(head[at:])
    return b"".join(pieces)


_WORDS = {
    TreatmentReason.OWNER_REJECT: "{domain} asks to refuse mail that does not prove to come from it (DMARC), and {proof}",
    TreatmentReason.OWNER_QUARANTINE: "{domain} asks to distrust mail that does not prove to come from it (DMARC), and {proof}",
    TreatmentReason.RULE: "This server takes mail of {domain} only where it is proven (DMARC), and {proof}",
    TreatmentReason.NO_AUTHOR: "The From field must name one author with an address",
    TreatmentReason.NOT_LISTED: "{domain} says that {client} may not send for it (SPF){explanation}",
}
_CODES = {TreatmentReason.NOT_LISTED: "5.7.23"}  # RFC 7372 section 3.2


def refusal(treatment: Treatment, findings: Findings) -> Reply:
    """Return the reply that refuses a message, its reason in words for whoever reads the bounce."""
    proven = findings.dmarc.detail
    explanation = findings.spf.explanation
    text = _WORDS[treatment.reason].format(
        domain=treatment.domain,
        client=findings.spf.client,
        proof=f"this mail proves only {proven}" if proven else "neither SPF nor a valid DKIM signature does",
        explanation=f": {explanation}" if explanation else "",
    )
    words = text.encode("ascii", "replace").decode()[:MAX_WORDS]
    return Reply.of(550, _CODES.get(treatment.reason, "5.7.1"), " ".join(words.split()))
