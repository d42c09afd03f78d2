"""Would mail still look genuine if it went by another road?  Asked before a road serves as an alternative.

Rules
1. A domain that we sign for passes DMARC by its signature, whichever road the mail takes (RFC 7489 section 3.1.1).
2. Else its SPF record has to allow the road: by naming the service (``include:`` or ``redirect=``), or the addresses that the mail
   leaves from.  A domain without an SPF record loses nothing.
3. Where DNS gives no answer now, nothing is held against the road.
"""

from collections.abc import Iterable, Sequence

from kurir.delivery.settings import DeliverySettings, Route
from kurir.queue.asks import Obstacle, ObstacleKind
from kurir.senderauth import SenderDns
from kurir.senderauth.spf import SpfQuery, SpfResult, check_mail_from, spf_texts

MAX_RECORDS = 10  # RFC 7208 section 4.6.4
_FINE = frozenset({SpfResult.PASS, SpfResult.NONE, SpfResult.TEMPERROR})


async def authenticity(
    dns: SenderDns, settings: DeliverySettings, route: Route, sender: str, included: Sequence[str]
) -> Obstacle | None:
    """Return what keeps mail of the domain `sender` off `route`, or None.

    `included` are the names by which SPF records allow the service behind the route.
    """
    if not sender or sender in settings.signed:
        return None
    names = frozenset(name.lower().rstrip(".") for name in included)
    if names and await _names_one(dns, sender, names):
        return None
    results = [
        (await check_mail_from(SpfQuery(a, settings.hello_name, f"postmaster@{sender}"), dns)).result
        for a in await _addresses(dns, settings, route)
    ]
    if not results:  # nobody knows where it leaves from
        return _forged(sender, names, "unknown") if await _spf(dns, sender) else None
    # Each address of ours has to be allowed; a service may well send from others than the one that it takes mail at.
    enough = any if route.next_hop is not None and not route.source else all
    if enough(result in _FINE for result in results):
        return None
    return _forged(sender, names, next(r.value for r in results if r not in _FINE))


def _forged(sender: str, names: Iterable[str], result: str) -> Obstacle:
    return Obstacle(
        ObstacleKind.AUTHENTICITY,
        {"sender": sender, "spf": result, "include": " ".join(f"include:{n}" for n in sorted(names))},
    )


async def _spf(dns: SenderDns, domain: str) -> str:
    answer = await dns.txt(domain)
    texts = spf_texts(answer.records)
    return texts[0].decode("ascii", "replace").lower() if len(texts) == 1 else ""


async def _names_one(dns: SenderDns, domain: str, names: frozenset[str]) -> bool:
    """Whether the SPF record of `domain`, or one that it leads to, names one of `names`."""
    waiting, seen = [domain], {domain}
    while waiting and len(seen) <= MAX_RECORDS:
        for term in (await _spf(dns, waiting.pop(0))).split():
            name = term.lstrip("+").removeprefix("include:").removeprefix("redirect=").rstrip(".")
            if name in names:
                return True
            if term.lstrip("+") != name and "%" not in name and name not in seen:
                seen.add(name)
                waiting.append(name)
    return False


async def _addresses(dns: SenderDns, settings: DeliverySettings, route: Route) -> list[str]:
    """Return the addresses that mail by `route` leaves from, as far as they can be known."""
    if route.source:
        return list(route.source)
    if settings.source and route.next_hop is None:
        return list(settings.source)
    host = route.next_hop.host if route.next_hop is not None else settings.hello_name
    if not host:
        return []
    answers = await dns.addresses(host)
    return [str(a) for answer in answers for a in answer.records]
