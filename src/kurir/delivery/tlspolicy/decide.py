"""What to demand of a connection: one pure function from what is known to a decision.

In order of strength: DANE (RFC 7672), MTA-STS in mode enforce (RFC 8461), REQUIRETLS (RFC 8689), "sealed" (the rule
`verified`, by the sender's wish for one message), the operator's rule, the memory of better days, opportunistic TLS.  ``TLS-Required: No`` takes the wishes of the recipient's side
away, not those of the operator.  The operator's explicit ``none`` switches TLS off altogether.
"""

from collections.abc import Callable

from .facts import (
    DaneState,
    Demand,
    Need,
    PolicyFacts,
    Reason,
    Rule,
    StsMode,
)
from .sts import names_host

# How a demand of DANE or MTA-STS compares with the certificates that others can show.
_Step = Callable[[PolicyFacts], Demand | None]


def decide(facts: PolicyFacts) -> Demand:
    """Return what to demand of a connection to `facts.host` for mail to `facts.domain`.  Total and pure."""
    for step in _ORDER:
        found = step(facts)
        if found is not None:
            return found
    return Demand(Need.OPPORTUNISTIC, Reason.OPPORTUNISTIC, clear=True)


def _switched_off(f: PolicyFacts) -> Demand | None:
    if f.rule is not Rule.NONE:
        return None
    if f.demanded:
        return Demand(
            Need.NAME,
            Reason.RULE,
            refuse="the sender demands proven TLS, but the operator has switched TLS off for this road (5.7.30)",
        )
    return Demand(Need.NONE, Reason.RULE, clear=True)


def _their_wishes_count(f: PolicyFacts) -> bool:
    return f.demanded or not f.tls_optional


def _dane(f: PolicyFacts) -> Demand | None:
    usable = f.dane.state is DaneState.USABLE
    if f.rule is Rule.DANE_ONLY and not usable:
        return Demand(
            Need.DANE,
            Reason.DANE_MISSING,
            refuse=f"{f.host} has no TLSA records in signed DNS, which the operator demands (4.7.0)",
        )
    if usable and (f.rule is Rule.DANE_ONLY or _their_wishes_count(f)):
        names = [f.dane.base or f.host, *([f.domain] if f.mx_proven else [])]
        return Demand(Need.DANE, Reason.DANE, records=f.dane.records, names=tuple(dict.fromkeys(names)))
    if f.dane.state is DaneState.BOGUS and _their_wishes_count(f):
        return Demand(
            Need.DANE,
            Reason.DANE_BOGUS,
            refuse=f"the TLSA records of {f.host} could not be looked up securely: no mail before that is mended (4.7.0)",
        )
    return None


def _sts(f: PolicyFacts) -> Demand | None:
    if f.sts.mode is not StsMode.ENFORCE or not _their_wishes_count(f):
        return None
    if not names_host(f.sts.mx, f.host):
        return Demand(
            Need.NAME,
            Reason.STS_MX,
            refuse=f"the policy of {f.domain} (MTA-STS) does not name {f.host} as one of its mail hosts (4.7.0)",
        )
    return Demand(Need.NAME, Reason.STS)


def _host_unproven(f: PolicyFacts) -> Demand | None:
    """RFC 8689 section 4.2.1 step 2: the host must have been found securely, or its name proves nothing, nor does DANE."""
    if not f.require_tls or f.mx_proven:
        return None
    if f.sts.mode is StsMode.ENFORCE:
        return None if names_host(f.sts.mx, f.host) else _sts(f)
    return Demand(
        Need.NAME,
        Reason.MX_UNPROVEN,
        refuse=f"the sender demands proven TLS, but nothing proves that {f.host} is the mail host of {f.domain}: "
        "its MX record is not signed (DNSSEC) and no MTA-STS policy names it (5.7.30)",
    )


def _require_tls(f: PolicyFacts) -> Demand | None:
    return Demand(Need.NAME, Reason.REQUIRETLS) if f.require_tls else None


def _sealed(f: PolicyFacts) -> Demand | None:
    return Demand(Need.NAME, Reason.SEALED) if f.sealed else None


def _dane_unusable(f: PolicyFacts) -> Demand | None:
    if f.dane.state is DaneState.UNUSABLE and _their_wishes_count(f):
        return Demand(Need.ENCRYPTED, Reason.DANE_UNUSABLE)
    return None


def _rule(f: PolicyFacts) -> Demand | None:
    need = {Rule.VERIFIED: Need.NAME, Rule.REQUIRED: Need.ENCRYPTED}.get(f.rule)
    return Demand(need, Reason.RULE) if need is not None else None


def _optional(f: PolicyFacts) -> Demand | None:
    if f.tls_optional and not f.demanded:
        return Demand(Need.OPPORTUNISTIC, Reason.TLS_OPTIONAL, clear=True)
    return None


def _memory(f: PolicyFacts) -> Demand | None:
    m = f.memory
    if m is None or f.accepted or not m.best:
        return None
    lost = m.lost_since is not None and m.lost == "encryption"
    if lost and f.clear_from is not None and f.now >= f.clear_from:
        return Demand(Need.OPPORTUNISTIC, Reason.LOST, clear=True)
    return Demand(Need.OPPORTUNISTIC, Reason.MEMORY)


_ORDER: tuple[_Step, ...] = (
    _switched_off,
    _host_unproven,
    _dane,
    _sts,
    _require_tls,
    _sealed,
    # An operator who asks for a proven name gets it, also where unusable records ask for less.
    lambda f: _rule(f) if f.rule is Rule.VERIFIED else None,
    _dane_unusable,
    _rule,
    _optional,
    _memory,
)
