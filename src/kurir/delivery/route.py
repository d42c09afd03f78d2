"""Which route a message takes: the first line of the table that fits sender and recipient domain."""

from collections.abc import Iterable

from .settings import Route


def choose_route(routes: Iterable[Route], sender: str, domain: str) -> Route | None:
    """Return the first route for mail from `sender` (a domain, "" for the null sender) to `domain`, or None."""
    for route in routes:
        if _fits(route.recipients, domain) and _fits(route.senders, sender or "<>"):
            return route
    return None


def _fits(patterns: tuple[str, ...], domain: str) -> bool:
    for pattern in patterns:
        if pattern in ("*", domain):
            return True
        if pattern.startswith("*.") and domain.endswith(pattern[1:]):
            return True
    return False
