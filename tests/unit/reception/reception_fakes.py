"""A brain, a store and body files that live in memory, and a client that speaks raw SMTP over loopback."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path

import trustme
from tests.harness import PATIENCE

from kurir.identity import Account, Directory, DirectorySettings, Passwords, PasswordSettings, make_account
from kurir.model import Address, Observation, Reply, encode_id, parse_address
from kurir.net import CertificateFiles, ServerTls, ServerTlsSettings
from kurir.queue.asks import Accepted, Incoming, Refused
from kurir.reception import (
    Admission,
    Desk,
    ListenerSettings,
    Reception,
    ReceptionSettings,
    Role,
)
from kurir.senderauth.screening import Screener

CHEAP = PasswordSettings(time_cost=1, memory_kib=64, parallelism=1)
LOOPBACK = (ip_network("127.0.0.0/8"),)

MX = ListenerSettings("mx", Role.MX, starttls=True)
SUBMISSION = ListenerSettings("submission", Role.SUBMISSION, starttls=True, auth=True)
SUBMISSIONS = ListenerSettings("submissions", Role.SUBMISSION, implicit_tls=True, auth=True)
LMTP = ListenerSettings("lmtp", Role.LMTP)
LOCAL = ListenerSettings("local", Role.LOCAL)


class RealClock:
    """Both clocks of this machine."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class FakeClock:
    """Time moves only when the test says so."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += seconds


class Store:
    """Accounts in a dict."""

    def __init__(self, *accounts: Account) -> None:
        self.by_name = {a.name.lower(): a for a in accounts}

    def account(self, name: str) -> Account | None:
        return self.by_name.get(name.lower())

    def accounts(self) -> list[Account]:
        return [self.by_name[name] for name in sorted(self.by_name)]

    def put(self, account: Account) -> None:
        self.by_name[account.name.lower()] = account

    def remove(self, name: str) -> bool:
        return self.by_name.pop(name.lower(), None) is not None


@dataclass
class Brain:
    """Says yes, and remembers what it was told."""

    incoming: list[Incoming] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    logins: list[tuple[str, str, bool]] = field(default_factory=list)
    refusal: Reply | None = None
    not_ready: Reply | None = None
    unstorable: Reply | None = None
    in_doubt: bool = False
    wait: float = 0.0
    present: int = 0
    gate: asyncio.Event | None = None

    async def admit(self, client: str, listener: str) -> Admission:
        self.present += self.refusal is None
        return Admission(self.refusal)

    def departed(self, client: str, listener: str) -> None:
        self.present -= 1

    async def login_allowed(self, client: str, account: str) -> float:
        return self.wait

    def login_result(self, client: str, account: str, *, success: bool) -> None:
        self.logins.append((client, account, success))

    async def ready(self, size: int | None, stranger: str = "") -> Reply | None:
        return self.not_ready

    async def accept(self, incoming: Incoming) -> Accepted | Refused:
        if self.gate is not None:
            await self.gate.wait()
        if self.unstorable is not None:
            return Refused(self.unstorable, self.in_doubt)
        self.incoming.append(incoming)
        return Accepted(len(self.incoming), encode_id(len(self.incoming)))

    def observe(self, observations: Sequence[Observation]) -> None:
        self.observations.extend(observations)

    def seen(self, kind: object) -> list[Observation]:
        return [o for o in self.observations if o.kind is kind]


@dataclass
class Verifier:
    """The next hop knows these."""

    known: dict[str, Reply] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def verify(self, sender: Address | None, recipient: Address) -> Reply:
        self.asked.append(str(recipient))
        return self.known.get(str(recipient), Reply.of(550, "5.1.1", "behind.example says: no such user"))


class Files:
    """Body files in memory."""

    def __init__(self) -> None:
        self.finished: dict[str, bytes] = {}
        self.discarded = 0
        self.largest_write = 0
        self.error: OSError | None = None

    def create(self) -> "File":
        return File(self)


class File:
    def __init__(self, files: Files) -> None:
        self.files = files
        self.pieces: list[bytes] = []

    async def write(self, data: bytes) -> None:
        if self.files.error is not None:
            raise self.files.error
        self.files.largest_write = max(self.files.largest_write, len(data))
        self.pieces.append(data)

    async def finish(self) -> str:
        name = f"body-{len(self.files.finished)}"
        self.files.finished[name] = b"".join(self.pieces)
        return name

    def discard(self) -> None:
        self.files.discarded += 1
        self.pieces.clear()


def random_bytes(count: int) -> bytes:
    """Not random at all, and different in each octet."""
    return bytes((7 * i + 11) % 256 for i in range(count))


def directory_settings() -> DirectorySettings:
    return DirectorySettings(
        local=frozenset({"local.example", "xn--bcher-kva.example"}),
        relayed=frozenset({"relayed.example"}),
        aliases={
            "team@local.example": (
                parse_address("alice@local.example"),
                parse_address("bob@elsewhere.example"),
            ),
            "loop@local.example": (parse_address("pool@local.example"),),
            "pool@local.example": (parse_address("loop@local.example"),),
            "onward@local.example": (parse_address("known@relayed.example"),),
        },
        literals=frozenset({"[192.0.2.1]"}),
        default_domain="local.example",
    )


class House:
    """A reception with everything around it made up."""

    def __init__(
        self,
        *,
        settings: ReceptionSettings | None = None,
        tls: ServerTls | None = None,
        screener: Screener | None = None,
    ) -> None:
        self.brain = Brain()
        self.files = Files()
        self.verifier = Verifier({"known@relayed.example": Reply.of(250, "2.1.5", "ok")})
        self.store = Store()
        self.pool = ThreadPoolExecutor(2)
        clock = RealClock()
        self.passwords = Passwords(CHEAP, executor=self.pool, clock=clock, random=random_bytes)
        self.directory = Directory(directory_settings(), self.store, clock)
        self.desk = Desk(
            settings=settings or ReceptionSettings(hostname="mx.local.example"),
            door=self.brain,
            directory=self.directory,
            passwords=self.passwords,
            verifier=self.verifier,
            body_files=self.files,
            clock=clock,
            random=random_bytes,
            secret=b"s" * 32,
            tls=tls,
            screener=screener,
        )
        self.reception = Reception(self.desk)

    def account(self, name: str, password: str, *addresses: str, scram: bool = False) -> Account:
        made = make_account(
            name,
            addresses,
            passwords=self.passwords,
            random=random_bytes,
            now=0.0,
            password=password,
            scram=scram,
        )
        self.store.put(made.account)
        return made.account

    def people(self, *, scram: bool = False) -> None:
        self.account("alice@local.example", "alice's secret", scram=scram)
        self.account("bob@local.example", "bob's secret", "*@bob.example", scram=scram)

    @asynccontextmanager
    async def open(self, listener: ListenerSettings) -> AsyncIterator[int]:
        sock = socket.create_server(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        self.reception.serve([(listener, sock)])
        try:
            yield port
        finally:
            await self.reception.drain(0.2)
            self.pool.shutdown()


def certificate(folder: Path) -> tuple[trustme.CA, ServerTls]:
    """A CA, and our certificate by it."""
    ca = trustme.CA()
    leaf = ca.issue_cert("localhost", "127.0.0.1", "mx.local.example")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    chain = folder / "chain.pem"
    for i, pem in enumerate(leaf.cert_chain_pems):
        pem.write_to_path(chain, append=i > 0)
    return ca, ServerTls(ServerTlsSettings((CertificateFiles(chain, folder / "key.pem"),)))


class Raw:
    """A client that sends octets and reads replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def dial(cls, port: int) -> "Raw":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def reply(self) -> str:
        """The next reply, its lines joined by newlines; "" at the end."""
        lines = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), PATIENCE)).decode()
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    def send(self, data: bytes | str) -> None:
        self.writer.write(data.encode() if isinstance(data, str) else data)

    async def say(self, line: str | bytes) -> str:
        self.send(line if isinstance(line, bytes) else line + "\r\n")
        return await self.reply()

    async def hello(self) -> str:
        assert (await self.reply()).startswith("220")
        return await self.say("EHLO client.example")

    async def ended(self) -> bool:
        """Whether nothing more comes, and the connection is closed."""
        try:
            return await asyncio.wait_for(self.reader.read(), PATIENCE) == b""
        except ConnectionResetError:
            return True

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


MESSAGE = b"From: <alice@local.example>\r\nTo: <x@local.example>\r\nSubject: Hello\r\nMessage-ID: <1@a>\r\n\r\nhello\r\n"


def settings(**changes: object) -> ReceptionSettings:
    return replace(ReceptionSettings(hostname="mx.local.example"), **changes)  # type: ignore[arg-type]
