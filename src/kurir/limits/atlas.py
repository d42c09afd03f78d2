"""The atlas: what is known of the limits of providers (as our smarthosts) and of receivers (by their MX).

Rules
1. A smarthost is known by the host that we hand mail to, and where one host serves several kinds of customers also by
   the domain of the login.  A receiver is known by its mail hosts, and only where *all* of them fit.
2. Entries are asked in a fixed order: one that names another in `after` comes after it.  Two entries that could both
   fit have to be in such an order, and an entry that comes after others must have something left to fit: everything else
   is a contradiction (`contradictions`).
3. A plan that nobody named is the one that the entry assumes; where it assumes none, only what holds for all plans counts.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from kurir.model.told import told

from .limit import Confidence, Limit, Margins, Per, Quota, Scope, Unit
from .size import RoadSize, encoded

AT = "at-"
"""How the keys of receivers begin."""


@dataclass(frozen=True, slots=True)
class Access:
    """One door of a provider: `tls` is ``implicit`` or ``starttls``, `auth` what it takes (``password``, ``oauth2``...)."""

    port: int
    tls: str
    auth: tuple[str, ...] = ()
    host: str = ""


@dataclass(frozen=True, slots=True)
class Includes:
    """The names by which SPF records include a service (RFC 7208 section 5.2), and who says so, as of a `Limit`."""

    names: tuple[str, ...]
    source: str
    seen: str
    confidence: Confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What smarthosts and receivers have in common.  Patterns are ``example.org`` or ``*.example.org``."""

    name: str
    label: str
    hosts: tuple[str, ...]
    after: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    note: str = ""
    note_id: str = ""

    @property
    def key(self) -> str:
        """Return what its budgets are kept by."""
        raise NotImplementedError

    def fits_host(self, host: str) -> bool:
        """Whether one of its patterns fits `host`."""
        return any(fits(pattern, host) for pattern in self.hosts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Smarthost(Entry):
    """A service that sends mail for us.  `logins` are the domains of logins it is for; empty: all."""

    logins: tuple[str, ...] = ()
    spf: Includes | None = None
    access: tuple[Access, ...] = ()
    plans: tuple[str, ...] = ()
    assumed: str = ""

    @property
    def key(self) -> str:
        """Return what its budgets are kept by."""
        return f"to-{self.name}"

    def fits(self, host: str, login: str) -> bool:
        """Whether mail handed to `host` by `login` (its domain) goes by this service."""
        return self.fits_host(host) and (not self.logins or any(fits(p, login) for p in self.logins))

    def of_plan(self, plan: str) -> tuple[Limit, ...]:
        """Return the limits that hold for a customer with `plan` ("" not known)."""
        plan = plan or self.assumed
        return tuple(x for x in self.limits if x.plan in ("", plan))


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver(Entry):
    """Somebody who takes mail for many domains.  `tls` is ``require`` where it takes no mail without."""

    tls: str = ""

    @property
    def key(self) -> str:
        """Return what its budgets are kept by."""
        return f"{AT}{self.name}"


@dataclass(frozen=True, slots=True)
class Known:
    """What the atlas says of one road: the entry, its limits, and those of them that are counted."""

    entry: Smarthost | Receiver
    limits: tuple[Limit, ...]
    quotas: tuple[Quota, ...]

    @property
    def counted(self) -> Iterator[tuple[Limit, Quota]]:
        """Yield the limits that are counted, each with what it is counted as."""
        return zip((x for x in self.limits if is_counted(x)), self.quotas, strict=True)

    def most(self, unit: Unit, per: Per) -> int | None:
        """Return the least value of limits of that kind, or None where there is none."""
        return min((x.value for x in self.limits if x.unit is unit and x.per is per), default=None)


@dataclass(frozen=True, slots=True)
class Atlas:
    """All entries, in the order in which they are asked."""

    smarthosts: tuple[Smarthost, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    margins: Margins = field(default_factory=Margins)

    def smarthost(self, host: str, login: str = "", name: str = "") -> Smarthost | None:
        """Return the service behind `host`; `name` is one that a person named."""
        if name:
            return next((s for s in self.smarthosts if s.name == name), None)
        domain = login.rpartition("@")[2].lower()
        return next((s for s in self.smarthosts if s.fits(host.lower(), domain)), None)

    def receiver(self, hosts: Sequence[str]) -> Receiver | None:
        """Return who takes the mail of a domain with these mail hosts."""
        if not hosts:
            return None
        return next((r for r in self.receivers if all(r.fits_host(h) for h in hosts)), None)

    def by_smarthost(self, service: Smarthost, account: str, plan: str = "") -> Known:
        """Return what holds for mail that `account` hands to `service`."""
        return self._known(service, service.of_plan(plan), account)

    def by_receiver(self, receiver: Receiver) -> Known:
        """Return what holds for mail to `receiver`."""
        return self._known(receiver, receiver.limits, "")

    def _known(self, entry: Smarthost | Receiver, limits: tuple[Limit, ...], account: str) -> Known:
        quotas = tuple(self.margins.quota(x, quota_key(entry, x, account)) for x in limits if is_counted(x))
        return Known(entry, limits, quotas)


def quota_key(entry: Entry, limit: Limit, account: str) -> str:
    """Return by what the budget of `limit` is kept: one for each account, or one for all.

    A limit for each sender domain is counted for the account as a whole: that is less than is allowed, never more.
    """
    whose = account if limit.scope in (Scope.ACCOUNT, Scope.DOMAIN) else ""
    return f"{entry.key}/{limit.id}/{limit.per.value}" + (f"/{whose}" if whose else "")


def is_counted(limit: Limit) -> bool:
    """Whether the brain counts this limit: messages and recipients (all, or new ones) in time, connections at once."""
    if limit.per.window:
        return limit.unit is Unit.MESSAGES or limit.unit.by_recipient
    return limit.unit is Unit.CONNECTIONS and limit.per is Per.ONCE


def road_size(known: Known, road: str) -> RoadSize | None:
    """Return the largest message of a road; None where it is not proven: no mail is refused on hearsay."""
    sizes = [
        RoadSize(x.value if x.encoded else encoded(x.value), road, known.entry.label, x.source)
        for x in known.limits
        if x.unit is Unit.OCTETS and x.per is Per.MESSAGE and x.confidence.proves
    ]
    return min(sizes, key=lambda s: s.octets, default=None)


def fits(pattern: str, host: str) -> bool:
    """Whether ``example.org`` is, or ``*.example.org`` stands above, `host`."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return pattern == host


def covers(pattern: str, other: str) -> bool:
    """Whether all hosts that fit `other` fit `pattern`."""
    if not other.startswith("*."):
        return fits(pattern, other)
    return pattern.startswith("*.") and (pattern == other or other[1:].endswith(pattern[1:]))


def in_order(entries: Iterable[Entry]) -> list[str]:
    """Return the names so that each comes after those it names; circles are left at the end as they are."""
    left = {e.name: set(e.after) for e in entries}
    ordered: list[str] = []
    while left:
        free = [n for n, after in left.items() if not any(a in left for a in after)]
        if not free:
            return ordered + list(left)
        ordered += free
        for name in free:
            del left[name]
    return ordered


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What is wrong with an entry, in words (`told`), and what may be meant."""

    entry: str
    what: str
    hint: str = ""


def contradictions(entries: Sequence[Smarthost | Receiver]) -> list[Contradiction]:
    """Return everything that is wrong with the order of `entries` (smarthosts, or receivers)."""
    found: list[Contradiction] = []
    by_name = {e.name: e for e in entries}
    for entry in entries:
        for other in entry.after:
            if other not in by_name:
                close = get_close_matches(other, by_name, 1)
                hint = told("did you mean {key!r}?", key=close[0]) if close else ""
                found.append(
                    Contradiction(
                        entry.name, told("comes after {other!r}, which there is not", other=other), hint
                    )
                )
    before = {name: _ancestors(name, by_name) for name in by_name}
    found += [
        Contradiction(name, told("comes after itself, by way of others"))
        for name in sorted(n for n, above in before.items() if n in above)
    ]
    for i, one in enumerate(entries):
        for two in entries[i + 1 :]:
            ordered = two.name in before[one.name] or one.name in before[two.name]
            if not ordered and (pattern := _common(one, two)):
                found.append(
                    Contradiction(
                        two.name,  # own entries come behind those that are shipped
                        told(
                            "fits {pattern} and so does {other!r}: nobody knows which one counts",
                            pattern=pattern,
                            other=one.name,
                        ),
                        told('say in one of them: after = ["the other"]'),
                    )
                )
    for entry in entries:
        earlier = [by_name[n] for n in before[entry.name] if n in by_name and n != entry.name]
        if (
            earlier
            and entry.hosts
            and all(any(_swallows(e, entry, pattern) for e in earlier) for pattern in entry.hosts)
        ):
            names = ", ".join(sorted(e.name for e in earlier))
            found.append(
                Contradiction(
                    entry.name, told("can never be found: {names} fit everything before it", names=names)
                )
            )
    return found


def _ancestors(name: str, by_name: dict[str, "Smarthost | Receiver"]) -> set[str]:
    seen: set[str] = set()
    todo = list(by_name[name].after)
    while todo:
        other = todo.pop()
        if other not in seen and other in by_name:
            seen.add(other)
            todo += by_name[other].after
    return seen


def _logins(entry: Entry) -> tuple[str, ...]:
    return entry.logins if isinstance(entry, Smarthost) else ()


def _common(one: Entry, two: Entry) -> str:
    """Return a pattern that both fit ("" where there is none)."""
    mine, theirs = _logins(one), _logins(two)
    if mine and theirs and not any(covers(a, b) or covers(b, a) for a in mine for b in theirs):
        return ""
    for a in one.hosts:
        for b in two.hosts:
            if covers(a, b):
                return b
            if covers(b, a):
                return a
    return ""


def _swallows(earlier: Entry, entry: Entry, pattern: str) -> bool:
    theirs, mine = _logins(earlier), _logins(entry)
    if theirs and not (mine and all(any(covers(t, m) for t in theirs) for m in mine)):
        return False
    return any(covers(host, pattern) for host in earlier.hosts)
