"""What an address means here: mailbox, alias, plus-address, postmaster, catch-all, or nobody.

The order for a local domain, first match wins: alias, mailbox, the same without the plus-detail,
``postmaster`` and ``abuse`` (RFC 5321 section 4.5.1, RFC 2142), catch-all.  Local parts of our own
domains are compared without regard to case.  A quoted or percent-hacked local part is nothing but a
name: it is never taken apart into another address (RFC 2505, RFC 5321 section 2.3.11).
"""

from collections.abc import Callable, Iterable

from kurir.model import Address, AddressError, Clock, parse_address

from .ports import Account, AccountStore, DomainKind, Resolution
from .settings import DirectorySettings

ALIAS_LOOP = "alias-loop"
"""`Resolution.via` where aliases only lead back to themselves, or to more than is allowed: our mistake, not theirs."""

_ALWAYS = frozenset({"postmaster", "abuse"})


class Directory:
    """Resolves addresses.  Reads the store on each question, so a change counts at once.

    Addresses of an account beside its name are found through an index that is remade on a miss at most
    every `DirectorySettings.refresh` seconds; what it finds is checked against the store.
    """

    def __init__(self, settings: DirectorySettings, store: AccountStore, clock: Clock) -> None:
        self.settings = settings
        self._store = store
        self._clock = clock
        self._owners: dict[str, str] = {}
        self._homes: dict[str, tuple[Account, Address | None]] = {}  # as long as the account is the same
        self._scram_for_all = False
        self._indexed_at: float | None = None

    def kind(self, domain: str) -> DomainKind:
        """What this server is for `domain` (A-labels in lower case, a literal, or "" for the bare postmaster)."""
        s = self.settings
        if domain in s.local or domain in s.literals or not domain:
            return DomainKind.LOCAL
        return DomainKind.RELAYED if domain in s.relayed else DomainKind.FOREIGN

    def account(self, name: str) -> Account | None:
        """Return the account that logs in with `name`: its own name, or one of its addresses.

        Known or not, a name takes the same steps: SCRAM has no slow hash that would hide the difference.
        """
        self._refresh()
        try:
            key = parse_address(name).key
        except AddressError:
            key = name.lower()
        found = self._store.account(name)
        named = self._store.account(key)
        owner = self._store.account(self._owners.get(key, key))
        if found is not None or named is not None:
            return found or named
        return owner if owner is not None and key in owner.addresses else None

    def accounts(self) -> Iterable[Account]:
        """Return all accounts."""
        return self._store.accounts()

    def scram_for_all(self) -> bool:
        """Whether each account that may log in has a SCRAM verifier.

        SCRAM is offered only then: a client takes the strongest mechanism that it sees, and would fail
        with the right password where no verifier is kept.
        """
        self._refresh()
        return self._scram_for_all

    def resolve(self, address: Address) -> Resolution:
        """Return what `address` means.  No targets: nobody (or `ALIAS_LOOP`).  Foreign and relayed ones mean themselves."""
        kind = self.kind(address.domain)
        if kind is not DomainKind.LOCAL:
            return Resolution(kind, (address,), kind.value)
        s = self.settings
        if not address.domain or address.domain in s.literals:
            if not s.default_domain:
                named = s.postmaster if address.local.lower() == "postmaster" else None
                return Resolution(kind, (named,) if named else (), "postmaster" if named else "")
            address = Address(address.local, s.default_domain)
        return self._local(address)

    def _local(self, address: Address) -> Resolution:
        for rule in (self._alias_or_mailbox, self._without_detail, self._always, self._catch_all):
            found = rule(address)
            if found is not None:
                return found
        return Resolution(DomainKind.LOCAL, (), "")

    def _alias_or_mailbox(self, address: Address) -> Resolution | None:
        if address.key in self.settings.aliases:
            targets = self._expand(address)
            return Resolution(DomainKind.LOCAL, targets, "alias" if targets else ALIAS_LOOP)
        mailbox = self._mailbox(address)
        return Resolution(DomainKind.LOCAL, (mailbox,), "mailbox") if mailbox else None

    def _without_detail(self, address: Address) -> Resolution | None:
        base, _ = self._split(address)
        return self._alias_or_mailbox(base) or self._always(base) if base is not None else None

    def _always(self, address: Address) -> Resolution | None:
        if address.local.lower() not in _ALWAYS:
            return None
        s = self.settings
        candidates: tuple[Callable[[], tuple[Address, ...]], ...] = (
            lambda: self._expand_target(s.postmaster) if s.postmaster is not None else (),
            lambda: self._expand_target(Address("postmaster", address.domain)),
            lambda: self._expand_target(Address("postmaster", s.default_domain)) if s.default_domain else (),
        )
        for candidate in candidates:
            targets = candidate()
            if targets:
                return Resolution(DomainKind.LOCAL, targets, "postmaster")
        # Nobody was named: a mailbox of that name, so that no report about us is ever refused.
        return Resolution(DomainKind.LOCAL, (Address("postmaster", address.domain),), "postmaster")

    def _catch_all(self, address: Address) -> Resolution | None:
        target = self.settings.catch_all.get(address.domain)
        if target is None:
            return None
        targets = self._expand_target(target)
        return Resolution(DomainKind.LOCAL, targets, "catch-all" if targets else ALIAS_LOOP)

    def _split(self, address: Address) -> tuple[Address | None, str]:
        separator = self.settings.separator
        local, found, detail = address.local.partition(separator) if separator else (address.local, "", "")
        return (Address(local, address.domain), detail) if found and local else (None, "")

    def _expand_target(self, target: Address) -> tuple[Address, ...]:
        """What a configured target comes to: foreign ones themselves, ours by alias or mailbox only."""
        if self.kind(target.domain) is not DomainKind.LOCAL:
            return (target,)
        found = self._alias_or_mailbox(target) or self._plus(target)
        return found.targets if found else ()

    def _plus(self, target: Address) -> Resolution | None:
        base, _ = self._split(target)
        return self._alias_or_mailbox(base) if base is not None else None

    def _expand(self, start: Address) -> tuple[Address, ...]:
        """Expand nested aliases breadth first; each address once, so loops end; () above the limits."""
        s = self.settings
        found: dict[str, Address] = {}
        seen = {start.key}
        layer = [start]
        for _ in range(s.max_depth):
            following: list[Address] = []
            for alias in layer:
                for target in s.aliases[alias.key]:
                    self._one_target(alias, target, seen, found, following)
                    if len(found) > s.max_targets:
                        return ()
            if not following:
                return tuple(found.values())
            layer = following
        return ()

    def _one_target(
        self,
        alias: Address,
        target: Address,
        seen: set[str],
        found: dict[str, Address],
        following: list[Address],
    ) -> None:
        if self.kind(target.domain) is not DomainKind.LOCAL:
            found.setdefault(str(target), target)
            return
        entry = self._entry(target)
        # An alias that names itself means its own mailbox: "keep a copy here".
        if entry is not None and entry.key != alias.key:
            if entry.key not in seen:
                seen.add(entry.key)
                following.append(entry)
            return
        mailbox = self._mailbox(target) or self._mailbox(self._split(target)[0])
        if mailbox is not None:
            found.setdefault(mailbox.key, mailbox)

    def _entry(self, target: Address) -> Address | None:
        """The alias entry that `target` leads to, directly or without its plus-detail."""
        if target.key in self.settings.aliases:
            return target
        base, _ = self._split(target)
        if base is not None and base.key in self.settings.aliases and self._mailbox(target) is None:
            return base
        return None

    def _mailbox(self, address: Address | None) -> Address | None:
        """The mailbox behind an own address: the first own local address of the account that has it."""
        if address is None:
            return None
        key = address.key
        owner = self._owner(key)
        if owner is None:
            return None
        known = self._homes.get(owner.name)
        if known is None or known[0] is not owner:
            known = self._homes[owner.name] = (owner, self._home(owner))
        return known[1]

    def _home(self, owner: Account) -> Address | None:
        for text in (owner.name, *owner.addresses):
            local, at, domain = text.rpartition("@")
            if at and local != "*" and domain in self.settings.local:
                return parse_address(text)
        return None

    def _owner(self, key: str) -> Account | None:
        found = self._store.account(key)
        if found is not None:
            return found
        name = self._owners.get(key)
        if name is None and self._refresh():
            name = self._owners.get(key)
        found = self._store.account(name) if name is not None else None
        return found if found is not None and key in found.addresses else None

    def _refresh(self) -> bool:
        now = self._clock.monotonic()
        if self._indexed_at is not None and now - self._indexed_at < self.settings.refresh:
            return False
        self._indexed_at = now
        owners: dict[str, str] = {}
        able = other = 0
        for account in self._store.accounts():
            for address in account.addresses:
                owners.setdefault(address, account.name)
            if account.disabled is None:
                able += account.scram is not None
                other += account.scram is None
        self._owners = owners
        self._homes.clear()
        self._scram_for_all = able > 0 and other == 0
        return True
