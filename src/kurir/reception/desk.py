"""What all sessions of a process share: settings, the doors to the other rooms, and counts for metrics."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from kurir.identity import Account, Directory, Passwords, RandomBytes, TokenChecker, is_within
from kurir.model import Clock
from kurir.net.tls import ServerTls
from kurir.reports import Tally
from kurir.senderauth.screening import Screener
from kurir.senderauth.srs import Srs
from kurir.smtp.server import ServerSettings
from kurir.suppression import Barred

from .ports import BodyFiles, BrainDoor, Foresight, NoRoadTable, RecipientVerifier, RoadTable
from .settings import ListenerSettings, ReceptionSettings, Role


@dataclass(slots=True)
class Counts:
    """Numbers for metrics; they only grow, except `open`."""

    open: int = 0
    sessions: Counter[str] = field(default_factory=Counter)  # by listener
    replies: Counter[int] = field(default_factory=Counter)  # by class of the code, of decided commands
    accepted: Counter[str] = field(default_factory=Counter)  # messages, by listener
    octets: int = 0  # of accepted bodies
    screened: Counter[str] = field(default_factory=Counter)  # messages of strangers, by what was done


@dataclass(slots=True)
class Desk:
    """Shared by all sessions.

    `secret` (32 octets, the same on all workers) makes SCRAM salts of unknown users stable.  `rehashed` is told
    an account whose password hash was renewed with today's cost; it stores it.  `tls` is for doors that ask for no
    client certificate, `tls_asking` for those that do; without `tokens` no bearer tokens are taken.  `screener` puts
    mail of strangers to the checks of senders; None checks nothing.  `srs` turns rewritten addresses back.  `barred`
    are the addresses that mail is not sent to.
    `foresight` answers demands of protection before mail is taken; None takes it and lets delivery answer.
    `seen` counts what mail of strangers proved, for reports to the owners of their domains; None counts nothing.
    """

    settings: ReceptionSettings
    door: BrainDoor
    directory: Directory
    passwords: Passwords
    verifier: RecipientVerifier
    body_files: BodyFiles
    clock: Clock
    random: RandomBytes
    secret: bytes
    tls: ServerTls | None = None
    tls_asking: ServerTls | None = None
    tokens: TokenChecker | None = None
    roads: RoadTable = field(default_factory=NoRoadTable)
    rehashed: Callable[[Account], None] | None = None
    screener: Screener | None = None
    srs: Srs | None = None
    foresight: Foresight | None = None
    seen: Tally | None = None
    barred: Barred | None = None
    counts: Counts = field(default_factory=Counts)
    _offers: dict[tuple[ListenerSettings, bool, bool, bool, bool], ServerSettings] = field(
        default_factory=dict
    )

    def tls_of(self, listener: ListenerSettings) -> ServerTls | None:
        """Return the certificates that this door shows."""
        return self.tls_asking if listener.client_certificates and self.tls_asking is not None else self.tls

    def offer(
        self, listener: ListenerSettings, client: str, *, external: bool = False, urgent: bool = False
    ) -> ServerSettings:
        """Return what this door offers to this client, made once per variant.

        `external`: it showed a certificate; `urgent`: it logged in as an account that may say how urgent its mail is.
        """
        xclient = bool(listener.xclient) and is_within(client, listener.xclient)
        scram = listener.auth and self.directory.scram_for_all()
        trusted = listener.role is Role.MX and is_within(client, self.settings.trusted)
        priority = urgent or trusted or listener.role is Role.LOCAL
        key = (listener, xclient, scram, external, priority)
        made = self._offers.get(key)
        if made is None:
            made = self._offers[key] = self._make_offer(
                listener, xclient=xclient, scram=scram, external=external, priority=priority
            )
        return made

    def _make_offer(
        self, listener: ListenerSettings, *, xclient: bool, scram: bool, external: bool, priority: bool
    ) -> ServerSettings:
        s = self.settings
        possible = {"EXTERNAL": external, "OAUTHBEARER": self.tokens is not None}
        possible |= {"SCRAM-SHA-256": scram, "SCRAM-SHA-256-PLUS": scram, "XOAUTH2": self.tokens is not None}
        usable = tuple(m for m in listener.mechanisms if possible.get(m, True))
        return ServerSettings(
            hostname=s.hostname,
            lmtp=listener.role is Role.LMTP,
            max_size=s.message_size,
            max_recipients=s.max_recipients,
            max_transactions=s.max_transactions,
            offer_starttls=listener.starttls and self.tls is not None,
            auth_mechanisms=usable if listener.auth else (),
            auth_required=listener.role is Role.SUBMISSION,
            auth_without_tls=listener.auth_without_tls,
            offer_xclient=xclient,
            offer_requiretls=s.offer_requiretls,
            offer_mt_priority=priority,
            binarymime=s.binarymime,
            max_errors=s.max_errors,
            max_auth_failures=s.max_auth_failures,
            max_idle_commands=s.max_idle_commands,
        )
