"""What an operator can ask of the running server (or do to a stopped one): one table of verbs.

Each verb returns plain data for ``--json``; `Wrong` says in words why it could not be done.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from kurir import __version__
from kurir.config import Config
from kurir.delivery.tlspolicy import Acceptance
from kurir.identity import (
    Account,
    AccountError,
    AccountStore,
    Passwords,
    PasswordSettings,
    add_app_password,
    add_certificate,
    make_account,
    remove_certificate,
    revoke_app_password,
)
from kurir.model import AddressError, Cause, Clock, decode_id, encode_id, normalise_domain, parse_address
from kurir.model.told import of_error, pack, told
from kurir.queue import Brain, Forecast, Operated, Road, StoreError
from kurir.senderauth.dkim import Selector, Sighting
from kurir.storage import EraseReport, Layout, SqliteSuppressions, SqliteTls, TraceReader
from kurir.suppression import Entry, key_of

from . import lessons, settings
from .allowances import Allowances
from .keys import KeyDesk, KeyDeskError, shown
from .reading import shown_app_password, shown_certificate, suppression_json
from .wire import Result

T = TypeVar("T")


class Wrong(Exception):
    """The verb cannot be done; the text says why, for the person who asked."""


class Operations:
    """The table: ``run("queue.hold", {...})``."""

    def __init__(
        self,
        config: Config,
        brain: Brain,
        accounts: AccountStore,
        layout: Layout,
        clock: Clock,
        forget: Callable[[str, str], EraseReport],
        keys: KeyDesk,
    ) -> None:
        self._forget = forget
        self._keys = keys
        self._config = config
        self._brain = brain
        self._accounts = accounts
        self._layout = layout
        self._clock = clock
        self._started = clock.now()
        self._allowances = Allowances(config, brain, lessons.allowed(config, layout, clock))
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="kurir-operate")
        self._passwords = Passwords(
            PasswordSettings(), executor=self._threads, clock=clock, random=os.urandom
        )
        self._verbs: dict[str, Callable[..., Awaitable[Any]]] = {
            "status": self._status,
            "limits": self._limits,
            "limits.waits": self._waits,
            "limits.foresee": self._foresee,
            "limits.forget": self._limits_forget,
            "route": self._route,
            "roads": self._roads,
            "queue.hold": lambda **a: self._queue(brain.operator.hold, **a),
            "queue.release": lambda **a: self._queue(brain.operator.release, **a),
            "queue.retry": lambda **a: self._queue(brain.operator.retry_now, **a),
            "queue.drop": lambda **a: self._queue(brain.operator.drop, **a),
            "user.add": self._user_add,
            "user.password": self._user_password,
            "user.remove": self._user_remove,
            "user.urgent": self._user_urgent,
            "user.summary": self._user_summary,
            "user.app.add": self._app_add,
            "user.app.revoke": self._app_revoke,
            "user.cert.add": self._cert_add,
            "user.cert.remove": self._cert_remove,
            "trace.erase": self._erase,
            "tls.accept": self._tls_accept,
            "suppress.add": self._suppress_add,
            "suppress.remove": self._suppress_remove,
            "dkim.new": self._dkim_new,
            "dkim.retire": self._dkim_retire,
            "dkim.seen": self._dkim_seen,
        }

    async def run(self, op: str, args: dict[str, Any]) -> Result:
        """Do one verb."""
        verb = self._verbs.get(op)
        if verb is None:
            return Result(
                error=pack(told("the server does not know {op!r}; it may be older than this command", op=op))
            )
        try:
            return Result(value=await verb(**args))
        except (Wrong, AccountError, AddressError, KeyDeskError) as e:
            return Result(error=pack(of_error(e)))
        except TypeError as e:
            return Result(error=pack(f"{op}: {e}"))

    # -- server -----------------------------------------------------------------

    async def _status(self) -> dict[str, Any]:
        figures = self._brain.figures()
        refusal = self._brain.ready(None)
        return {
            "version": __version__,
            "hostname": self._config.server.hostname,
            "since": self._started,
            "pid": os.getpid(),
            "ready": refusal is None,
            "why": str(refusal) if refusal else "",
            "figures": msgspec.to_builtins(figures),
            "sites": [msgspec.to_builtins(s) for s in self._brain.overview.sites()],
            "roads": await self._roads(),
        }

    async def _limits(self, recipients: int = 0, by: str = "") -> dict[str, Any]:
        return self._allowances.show(recipients)

    async def _limits_forget(self, *, name: str | None = None, by: str = "") -> dict[str, Any]:
        try:
            forgotten = self._allowances.forget(name)
        except StoreError as e:
            raise Wrong(of_error(e)) from None
        if name is not None and not forgotten:
            raise Wrong(told("nothing was learnt of {name!r}; see: kurir limits", name=name))
        return {"forgotten": forgotten}

    async def _waits(self, id: str, by: str = "") -> list[dict[str, Any]]:
        number = decode_id(id)
        return self._allowances.waits(number) if number is not None else []

    async def _foresee(self, id: str, by: str = "") -> list[dict[str, Any]]:
        number = decode_id(id)
        found = self.foresee(number) if number is not None else []
        return [
            {"label": f.label, "recipients": f.recipients, "at": f.at, "waits": bool(f.limit)} for f in found
        ]

    def foresee(self, number: int) -> list[Forecast]:
        """Return when the recipients of a message go that have to wait for limits."""
        return self._allowances.foresee(number)

    # -- roads --------------------------------------------------------------------

    async def _roads(self, by: str = "") -> list[dict[str, Any]]:
        return [dict(msgspec.to_builtins(s)) for s in self._brain.roads.states()]

    async def _route(self, roads: list[Any], size: int = 0, by: str = "") -> list[dict[str, Any]]:
        """Say of each of `roads`, as a plan has them, whether a mail of `size` octets would take it now."""
        known = msgspec.convert(roads, list[Road])
        choices = [dict(msgspec.to_builtins(c)) for c in self._brain.roads.explain(known, size)]
        for choice in choices:
            spent = next((values["limit"] for kind, values in choice["obstacles"] if kind == "budget"), "")
            choice["limit"] = self._allowances.named(spent) if spent else None
        return choices

    # -- queue --------------------------------------------------------------------

    async def _queue(
        self,
        verb: Callable[..., Operated],
        *,
        id: str,
        recipient: str | None = None,
        reason: str = "",
        by: str = "",
    ) -> dict[str, Any]:
        number = decode_id(id)
        if number is None:
            raise Wrong(
                told(
                    "{id!r} is no queue id (one looks like {encode_id}); see: kurir queue list",
                    id=id,
                    encode_id=encode_id(1),
                )
            )
        indexes = self._indexes(number, recipient)
        changed: list[int] = []
        unchanged: list[str] = []
        for index in indexes:
            committed = asyncio.get_running_loop().create_future()
            operated = verb(number, index, by=by, reason=reason, done=lambda f=committed: f.set_result(None))
            changed += operated.changed
            unchanged += [why for _, why in operated.unchanged]
            if operated.changed:
                await committed
        if not changed:
            raise Wrong(f"{id}: {'; '.join(sorted(set(unchanged))) or 'nothing waits'}")
        return {"id": id, "recipients": changed, "unchanged": unchanged}

    def _indexes(self, number: int, recipient: str | None) -> list[int | None]:
        if recipient is None:
            return [None]
        wanted = parse_address(recipient).key
        stored = TraceReader(self._layout).trace(number)
        found: list[int | None] = [
            i for i, (r, _) in enumerate(stored.recipients if stored else ())
            if wanted in {r.address.key, r.wanted.key if r.wanted else ""}
        ]  # fmt: skip
        if not found:
            raise Wrong(
                told(
                    "{encode_id} has no recipient {recipient}",
                    encode_id=encode_id(number),
                    recipient=recipient,
                )
            )
        return found

    # -- accounts -------------------------------------------------------------------

    def _check_domain(self, address: str) -> None:
        domain = address.rpartition("@")[2].lower()
        local = [d for d, s in self._config.domains.items() if not s.relay_to]
        if "@" in address and domain not in local:
            raise Wrong(
                told(
                    "{address}: {domain!r} is no local domain of this server ({value})",
                    address=address,
                    domain=domain,
                    value=", ".join(local) or "it has none",
                )
            )

    async def _user_add(
        self,
        *,
        address: str,
        password: str | None = None,
        also: list[str] | None = None,
        scram: bool = False,
        urgent: bool | None = None,
        by: str = "",
    ) -> dict[str, Any]:
        self._check_domain(address)
        made = await asyncio.to_thread(
            make_account, address, also or (), passwords=self._passwords, random=os.urandom,
            now=self._clock.now(), password=password, scram=True if scram else None,
        )  # fmt: skip
        if self._accounts.account(made.account.name) is not None:
            raise Wrong(
                told(
                    "there is an account {name} already; give it a new password with: kurir user password",
                    name=made.account.name,
                )
            )
        await asyncio.to_thread(self._accounts.put, replace(made.account, urgent=urgent))
        return self._shown(made.account, made.password if made.generated else None)

    async def _user_urgent(self, *, name: str, urgent: bool | None, by: str = "") -> dict[str, Any]:
        account = replace(self._known(name), urgent=urgent)
        await asyncio.to_thread(self._accounts.put, account)
        return {"name": account.name, "urgent": urgent}

    async def _user_summary(self, *, name: str, language: str, by: str = "") -> dict[str, Any]:
        """Mail the account a summary of each day in that language; "" for none."""
        account = replace(self._known(name), summary=language)
        if "@" not in account.name:
            raise Wrong(told("{name} is no address, so nothing can be mailed to it", name=account.name))
        await asyncio.to_thread(self._accounts.put, account)
        return {"name": account.name, "summary": language}

    async def _user_password(
        self, *, name: str, password: str | None = None, scram: bool = False, by: str = ""
    ) -> dict[str, Any]:
        old = self._known(name)
        made = await asyncio.to_thread(
            make_account, old.name, old.addresses, passwords=self._passwords, random=os.urandom,
            now=old.created_at, password=password, scram=True if scram else None, instead_of=old,
        )  # fmt: skip
        await asyncio.to_thread(self._accounts.put, made.account)
        return self._shown(made.account, made.password if made.generated else None)

    async def _user_remove(self, *, name: str, by: str = "") -> dict[str, Any]:
        account = self._known(name)
        await asyncio.to_thread(self._accounts.remove, account.name)
        return self._shown(account, None)

    async def _app_add(
        self,
        *,
        name: str,
        label: str,
        senders: list[str] | None = None,
        networks: list[str] | None = None,
        expires_at: float | None = None,
        by: str = "",
    ) -> dict[str, Any]:
        made = await asyncio.to_thread(
            add_app_password, self._known(name), label, random=os.urandom, now=self._clock.now(),
            senders=senders or (), networks=networks or (), expires_at=expires_at,
        )  # fmt: skip
        await asyncio.to_thread(self._accounts.put, made.account)
        return {"name": made.account.name, **shown_app_password(made.made), "password": made.password}

    async def _app_revoke(self, *, name: str, label: str, by: str = "") -> dict[str, Any]:
        account = revoke_app_password(self._known(name), label)
        await asyncio.to_thread(self._accounts.put, account)
        return {"name": account.name, "label": label}

    async def _cert_add(self, *, name: str, pem: str, label: str = "", by: str = "") -> dict[str, Any]:
        account, made = add_certificate(
            self._known(name), pem, others=self._accounts.accounts(), now=self._clock.now(), label=label
        )
        await asyncio.to_thread(self._accounts.put, account)
        asked = self._config.submission.client_certificates
        return {"name": account.name, **shown_certificate(made), "asked": asked}

    async def _cert_remove(self, *, name: str, certificate: str, by: str = "") -> dict[str, Any]:
        account, gone = remove_certificate(self._known(name), certificate)
        await asyncio.to_thread(self._accounts.put, account)
        return {"name": account.name, **shown_certificate(gone)}

    def _known(self, name: str) -> Account:
        account = self._accounts.account(name)
        if account is None:
            raise Wrong(told("there is no account {name!r}; see: kurir user list", name=name))
        return account

    @staticmethod
    def _shown(account: Account, password: str | None) -> dict[str, Any]:
        shown: dict[str, Any] = {"name": account.name, "addresses": list(account.addresses)}
        return {**shown, "password": password} if password is not None else shown

    # -- TLS towards others -------------------------------------------------------------

    async def _tls_accept(self, *, name: str, until: float, by: str = "") -> dict[str, Any]:
        """Accept that a domain or a mail host protects mail worse than before."""
        try:
            domain = normalise_domain(name)
        except AddressError as e:
            raise Wrong(told("{name}: {why}", name=name, why=e)) from None
        now = self._clock.now()
        if not now < until:
            raise Wrong(told("the time until when it is accepted lies in the past"))

        def write() -> None:
            store = SqliteTls(self._layout, self._clock)
            try:
                store.accept(Acceptance(domain, until, by, now))
            finally:
                store.close()

        await asyncio.to_thread(write)
        return {"name": domain, "until": until, "by": by}

    # -- addresses that mail is not sent to ---------------------------------------------

    async def _suppress_add(
        self, *, address: str, reason: str, until: float | None, by: str = ""
    ) -> dict[str, Any]:
        wanted = parse_address(address)
        if wanted.domain in self._config.domains:
            raise Wrong(told("{address} is an address of this server; see: kurir user", address=wanted))
        now = self._clock.now()
        if until is not None and until <= now:
            raise Wrong(told("the time until when it is on the list lies in the past"))
        entry = Entry(
            address=key_of(wanted),
            cause=Cause.SUPPRESSED,
            words=reason,
            source=None,
            by=by,
            since=now,
            until=until,
        )
        await asyncio.to_thread(self._suppressions, lambda store: store.put(entry))
        return suppression_json(entry)

    async def _suppress_remove(self, *, address: str, by: str = "") -> dict[str, Any]:
        key = key_of(address)
        if not await asyncio.to_thread(self._suppressions, lambda store: store.remove(key)):
            raise Wrong(
                told("{address} is not on the suppression list; see: kurir suppress list", address=key)
            )
        return {"address": key, "by": by}

    def _suppressions(self, do: Callable[[SqliteSuppressions], T]) -> T:
        store = SqliteSuppressions(self._layout, self._clock)
        try:
            return do(store)
        finally:
            store.close()

    # -- keys -------------------------------------------------------------------------

    async def _dkim_new(self, *, domain: str, kinds: list[str], by: str = "") -> dict[str, Any]:
        made = await asyncio.to_thread(self._keys.new, domain, kinds)
        return {"keys": [self._shown_key(domain, s) for s in made]}

    async def _dkim_retire(self, *, domain: str, selector: str, by: str = "") -> dict[str, Any]:
        return self._shown_key(domain, await asyncio.to_thread(self._keys.retire, domain, selector))

    async def _dkim_seen(self, *, sightings: dict[str, dict[str, str]], by: str = "") -> dict[str, Any]:
        seen = {d: {name: Sighting(s) for name, s in some.items()} for d, some in sightings.items()}
        happened = await asyncio.to_thread(self._keys.seen, seen)
        return {"steps": [[t.domain, t.decision.selector, t.decision.step.value] for t in happened]}

    def _shown_key(self, domain: str, selector: Selector) -> dict[str, Any]:
        return shown(normalise_domain(domain), selector, settings.keys(self._config).selectors)

    # -- trace ------------------------------------------------------------------------

    async def _erase(self, *, address: str, by: str = "") -> dict[str, Any]:
        try:
            parse_address(address)
        except AddressError as e:  # a misspelt one must not be told "all erased"
            raise Wrong(told("{address}: {why}", address=address, why=e)) from None
        report = await asyncio.to_thread(self._forget, address, by)
        await asyncio.to_thread(self._suppressions, lambda store: store.erase(key_of(address)))
        waiting = [encode_id(n) for n in report.waiting]
        return {"messages": report.messages, "observations": report.observations, "waiting": waiting}
