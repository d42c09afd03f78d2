"""The TLS floor: no switch of roads makes a mail less protected than the operator demanded of its own road.

What is demanded for a recipient's domain (``tls_out.domains``) or by the sender (REQUIRETLS) holds on every road and is
asked of each connection; here is only what was written down for the main road.
"""

from kurir.delivery.settings import Route
from kurir.delivery.tlspolicy import Rule
from kurir.queue.asks import Obstacle, ObstacleKind

_RANK = {rule: rank for rank, rule in enumerate(Rule)}  # from the weakest to the strongest


def tls_floor(main: Route, other: Route) -> Obstacle | None:
    """Return what keeps mail of the road `main` off `other`, where that one proves less than was demanded."""
    hop = main.next_hop
    written = main.rule is not None or (hop is not None and hop.tls_chosen)
    if not written or _RANK[other.tls_rule] >= _RANK[main.tls_rule]:
        return None
    return Obstacle(ObstacleKind.TLS_FLOOR, {"floor": main.tls_rule.value, "rule": other.tls_rule.value})
