"""The envelope while it is being said: who sends, which recipients are taken, and what they resolve to.

`rule` decides a recipient without waiting; where only the next hop knows (a domain we relay for), the
ruling names the address to ask about.  So whatever is taken from a stranger is known to have a place
to go, and nothing has to be bounced later.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import structs

from kurir.identity import ALIAS_LOOP, Directory, DomainKind
from kurir.limits import RoadSize
from kurir.message.sealed import Seal
from kurir.model import Address, Clock, Envelope, MailParams, Recipient, Reply
from kurir.senderauth.srs import Srs, SrsError, SrsProblem, looks_rewritten
from kurir.smtp.events import MailFrom
from kurir.suppression import Barred

from . import replies
from .ports import NoRoadTable, RoadTable
from .relay import Client, Grant, may_relay
from .settings import ReceptionSettings, Role

BARE_POSTMASTER = Address("postmaster", "")
"""What ``postmaster@[our address]`` means: nobody who can reach us is kept from telling us so (RFC 5321 section 4.5.1)."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """`reply` to RCPT; with `ask` only if the next hop takes that address.  `targets` is where the mail goes."""

    reply: Reply
    targets: tuple[Recipient, ...] = ()
    ask: Address | None = None


class Transaction:
    """One message's envelope in the making."""

    __slots__ = (
        "_barred",
        "_client",
        "_clock",
        "_directory",
        "_here",
        "_roads",
        "_seen",
        "_settings",
        "_srs",
        "params",
        "recipients",
        "reverse_path",
        "typed",
    )

    def __init__(
        self,
        mail: MailFrom,
        client: Client,
        directory: Directory,
        settings: ReceptionSettings,
        *,
        roads: RoadTable | None = None,
        here: str = "",
        srs: Srs | None = None,
        clock: Clock | None = None,
        barred: Barred | None = None,
    ) -> None:
        """`here` is the address that the client has reached us at, as a literal."""
        self.reverse_path: Address | None = mail.reverse_path
        self.params: MailParams = mail.params
        self.typed: list[Address] = []
        self.recipients: list[Recipient] = []
        self._client = client
        self._directory = directory
        self._settings = settings
        self._here = here
        self._roads: RoadTable = roads or NoRoadTable()
        self._seen: set[tuple[str, str]] = set()
        self._srs = srs
        self._clock = clock
        self._barred = barred

    def rule(self, wanted: Recipient) -> Ruling:
        """Decide one forward-path."""
        address = wanted.address
        if self._here and address.domain == self._here and address.local.lower() == "postmaster":
            address = BARE_POSTMASTER
        kind = self._directory.kind(address.domain)
        grant = may_relay(self._client, kind)
        if not grant.allowed:
            return Ruling(replies.LOGIN_FIRST if grant is Grant.LOGIN_FIRST else replies.RELAY_DENIED)
        if grant is Grant.RELAYED and _routes(address):
            return Ruling(replies.SENDER_ROUTING)
        if self._is_bounce_from_outside(grant) and len(self.typed) >= self._settings.null_recipients:
            return Ruling(replies.ONE_FOR_BOUNCES)
        rewritten = kind is DomainKind.LOCAL and self._client.role is not Role.LMTP
        if rewritten and self._srs is not None and looks_rewritten(address.local):
            return self._returned(self._srs, wanted, grant)
        return self._resolved(wanted, address, grant)

    def _returned(self, srs: Srs, wanted: Recipient, grant: Grant) -> Ruling:
        """Decide about a sender of ours that stands for somebody else's: reports go back to where the mail came from.

        The hash proves that we forwarded mail of that sender lately; so this is no relay for anybody.
        """
        if self.reverse_path is not None and not grant.insider:
            return Ruling(replies.ONLY_BOUNCES)
        try:
            original = srs.original(wanted.address.local, self._clock.now() if self._clock else 0.0)
        except SrsError as e:
            expired = e.problem is SrsProblem.EXPIRED
            return Ruling(replies.BOUNCE_EXPIRED if expired else replies.UNKNOWN_USER)
        return self._resolved(wanted, original, grant)

    def _resolved(self, wanted: Recipient, address: Address, grant: Grant) -> Ruling:
        found = self._directory.resolve(address)
        if not found.targets:
            return Ruling(replies.ALIAS_BROKEN if found.via == ALIAS_LOOP else replies.UNKNOWN_USER)
        if len(self.recipients) + len(found.targets) > max(
            self._settings.max_expanded, self._settings.max_recipients
        ):
            return Ruling(replies.TOO_MANY_TARGETS)
        if self._barred and grant.insider and len(found.targets) == 1:  # of several, the others get theirs
            entry = self._barred.find(found.targets[0])
            if entry is not None:
                return Ruling(replies.suppressed(entry))
        refusal = self.too_large(self.params.size or 0, found.targets)
        if refusal is not None:
            return Ruling(refusal)
        targets = tuple(_turned(wanted, target) for target in found.targets)
        return Ruling(replies.RECIPIENT_OK, targets, self._to_ask(found.targets, grant))

    def too_large(self, octets: int, targets: Iterable[Address]) -> Reply | None:
        """Return the refusal where no road to any of `targets` carries so much, else None (RFC 1870 section 6.1)."""
        if octets <= self._roads.least:
            return None
        sender = domain_of(self.reverse_path)
        biggest: RoadSize | None = None
        for target in targets:
            road = self._roads.towards(sender, target.domain)
            if road is None or road.octets >= octets:
                return None
            if biggest is None or road.octets > biggest.octets:
                biggest = road
        return replies.too_large_for_road(octets, biggest) if biggest is not None else None

    def _is_bounce_from_outside(self, grant: Grant) -> bool:
        return self.reverse_path is None and self._client.role is Role.MX and not grant.insider

    def _to_ask(self, targets: tuple[Address, ...], grant: Grant) -> Address | None:
        # Our own people get a report when it fails; a list with several members has a life of its own.
        if grant.insider or len(targets) > 1:
            return None
        only = targets[0]
        return only if self._directory.kind(only.domain) is DomainKind.RELAYED else None

    def add(self, wanted: Recipient, targets: tuple[Recipient, ...]) -> None:
        """Take what was ruled; an address that is there already is not taken twice."""
        self.typed.append(wanted.address)
        for target in targets:
            key = (target.address.local, target.address.domain)
            if key not in self._seen:
                self._seen.add(key)
                self.recipients.append(target)

    def seal(self, seal: Seal) -> None:
        """Take over what the header demands; what a parameter demanded stays."""
        params = self.params
        self.params = structs.replace(
            params,
            require_tls=params.require_tls or seal is Seal.STRICT,
            sealed=params.sealed or seal is Seal.YES,
        )

    def envelope(self) -> Envelope:
        """Return the envelope as it is to be kept."""
        return Envelope(self.reverse_path, tuple(self.recipients), self.params)


async def outgrown(roads: RoadTable, reverse_path: Address | None, octets: int) -> Reply | None:
    """Return the refusal where no road that mail of this sender may take carries so much, having found out which those are.

    From then on `Transaction.too_large` knows as well.  Only for our own people: it asks DNS, where a message is larger than some road.
    """
    if octets <= roads.least:
        return None
    sender = domain_of(reverse_path)
    await roads.prove(sender)
    road = roads.anywhere(sender)
    if road is None or road.octets >= octets:
        return None
    return replies.too_large_for_every_road(octets, road)


def domain_of(reverse_path: Address | None) -> str:
    """Return the domain of a reverse-path, "" of the null one."""
    return reverse_path.domain if reverse_path is not None else ""


def _routes(address: Address) -> bool:
    """Whether the local part may name a further hop: ``user%far``, ``far!user``, ``"user@far"`` (RFC 2505 section 2.1).

    To us it is a name like any other, but the server behind us may read it, and it trusts us.
    """
    return any(c in address.local for c in "%!@")


def _turned(wanted: Recipient, target: Address) -> Recipient:
    if target == wanted.address:
        return wanted
    # ORCPT stays what the sender said, or becomes what it typed (RFC 3461 section 5.2.7.1).
    orcpt = wanted.orcpt
    if orcpt is None and wanted.address.domain:
        orcpt = f"{'rfc822' if wanted.address.is_ascii else 'utf-8'};{wanted.address}"
    return Recipient(target, wanted.notify, orcpt, wanted.address)


MAX_WORDS = 400


def from_next_hop(said: Reply) -> Reply:
    """Turn the next hop's word on a recipient into ours: 2xx is ours, refusals keep code class and text."""
    if said.klass == 2:
        return replies.RECIPIENT_OK
    enhanced = said.enhanced if said.enhanced and said.enhanced[0] == str(said.klass) else None
    text = said.text[:MAX_WORDS]
    if said.klass == 5:
        return Reply(550, enhanced or "5.1.1", (text or "Refused by the server behind",))
    return Reply(450, enhanced if said.klass == 4 else "4.4.1", (text or replies.VERIFY_FAILED.text,))
