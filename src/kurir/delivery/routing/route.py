"""Which roads a message may take: the first line of the table that fits sender and recipient domain, then what it falls back to."""

from collections.abc import Iterable, Iterator, Sequence

from kurir.delivery.settings import Route


def choose_route(routes: Iterable[Route], sender: str, domain: str) -> Route | None:
    """Return the first route for mail from `sender` (a domain, "" for the null sender) to `domain`, or None."""
    for route in routes:
        if route.only_fallback:
            continue
        if _fits(route.recipients, domain) and _fits(route.senders, sender or "<>"):
            return route
    return None


def choose_roads(routes: Sequence[Route], sender: str, domain: str) -> tuple[Route, ...]:
    """Return the main route and those that stand in for it, in the operator's order; nothing where no route fits."""
    main = choose_route(routes, sender, domain)
    return with_fallbacks(routes, main) if main is not None else ()


def with_fallbacks(routes: Iterable[Route], main: Route) -> tuple[Route, ...]:
    """Return `main` and the roads that stand in for it, in the operator's order."""
    if not main.fallback:
        return (main,)
    by_name = {route.name: route for route in routes}
    return (main, *(by_name[name] for name in main.fallback if name in by_name))


def leading(routes: Iterable[Route], sender: str) -> Iterator[Route]:
    """Yield each main road that mail of the domain `sender` ("" for the null sender) takes to somebody."""
    for route in routes:
        if not route.only_fallback and _fits(route.senders, sender or "<>"):
            yield route
            if "*" in route.recipients:
                return


def _fits(patterns: tuple[str, ...], domain: str) -> bool:
    for pattern in patterns:
        if pattern in ("*", domain):
            return True
        if pattern.startswith("*.") and domain.endswith(pattern[1:]):
            return True
    return False
