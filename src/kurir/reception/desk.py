"""What all sessions of a process share: settings, the doors to the other rooms, and counts for metrics."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from kurir.identity import Account, Directory, Passwords, RandomBytes, is_within
from kurir.model import Clock
from kurir.net.tls import ServerTls
from kurir.senderauth.screening import Screener
from kurir.senderauth.srs import Srs
from kurir.smtp.server import ServerSettings

from .ports import BodyFiles, BrainDoor, NoRoadTable, RecipientVerifier, RoadTable
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
    an account whose password hash was renewed with today's cost; it stores it.  `screener` puts mail of strangers to
    the checks of senders; None checks nothing.  `srs` turns rewritten addresses back.
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
    roads: RoadTable = field(default_factory=NoRoadTable)
    rehashed: Callable[[Account], None] | None = None
    screener: Screener | None = None
    srs: Srs | None = None
    counts: Counts = field(default_factory=Counts)
    _offers: dict[tuple[ListenerSettings, bool, bool], ServerSettings] = field(default_factory=dict)

    def offer(self, listener: ListenerSettings, client: str) -> ServerSettings:
        """Return what this door offers to this client, made once per variant."""
        xclient = bool(listener.xclient) and is_within(client, listener.xclient)
        scram = listener.auth and self.directory.scram_for_all()
        key = (listener, xclient, scram)
        made = self._offers.get(key)
        if made is None:
            made = self._offers[key] = self._make_offer(listener, xclient=xclient, scram=scram)
        return made

    def _make_offer(self, listener: ListenerSettings, *, xclient: bool, scram: bool) -> ServerSettings:
        s = self.settings
        usable = tuple(m for m in listener.mechanisms if scram or not m.startswith("SCRAM-"))
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
            binarymime=s.binarymime,
            max_errors=s.max_errors,
            max_auth_failures=s.max_auth_failures,
            max_idle_commands=s.max_idle_commands,
        )
