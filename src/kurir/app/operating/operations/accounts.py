"""Accounts: their passwords, app passwords, certificates and wishes."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from kurir.app.operating.reading import shown_app_password, shown_certificate
from kurir.config import Config
from kurir.identity import (
    Account,
    AccountStore,
    Passwords,
    PasswordSettings,
    add_app_password,
    add_certificate,
    make_account,
    remove_certificate,
    revoke_app_password,
)
from kurir.model import Clock
from kurir.model.told import told

from .verbs import Verbs, Wrong


class AccountVerbs:
    """``user...``."""

    def __init__(self, config: Config, accounts: AccountStore, clock: Clock) -> None:
        self._config = config
        self._accounts = accounts
        self._clock = clock
        threads = ThreadPoolExecutor(1, thread_name_prefix="kurir-operate")
        self._passwords = Passwords(PasswordSettings(), executor=threads, clock=clock, random=os.urandom)
        self.verbs: Verbs = {
            "user.add": self._add,
            "user.password": self._password,
            "user.remove": self._remove,
            "user.urgent": self._urgent,
            "user.summary": self._summary,
            "user.app.add": self._app_add,
            "user.app.revoke": self._app_revoke,
            "user.cert.add": self._cert_add,
            "user.cert.remove": self._cert_remove,
        }

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

    async def _add(
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

    async def _urgent(self, *, name: str, urgent: bool | None, by: str = "") -> dict[str, Any]:
        account = replace(self._known(name), urgent=urgent)
        await asyncio.to_thread(self._accounts.put, account)
        return {"name": account.name, "urgent": urgent}

    async def _summary(self, *, name: str, language: str, by: str = "") -> dict[str, Any]:
        """Mail the account a summary of each day in that language; "" for none."""
        account = replace(self._known(name), summary=language)
        if "@" not in account.name:
            raise Wrong(told("{name} is no address, so nothing can be mailed to it", name=account.name))
        await asyncio.to_thread(self._accounts.put, account)
        return {"name": account.name, "summary": language}

    async def _password(
        self, *, name: str, password: str | None = None, scram: bool = False, by: str = ""
    ) -> dict[str, Any]:
        old = self._known(name)
        made = await asyncio.to_thread(
            make_account, old.name, old.addresses, passwords=self._passwords, random=os.urandom,
            now=old.created_at, password=password, scram=True if scram else None, instead_of=old,
        )  # fmt: skip
        await asyncio.to_thread(self._accounts.put, made.account)
        return self._shown(made.account, made.password if made.generated else None)

    async def _remove(self, *, name: str, by: str = "") -> dict[str, Any]:
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
