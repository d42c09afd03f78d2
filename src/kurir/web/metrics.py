"""Figures of all roles as Prometheus text.

Each role counts plain integers; they are gathered and summed when somebody asks, so that counting costs
the hot path an addition and nothing is shared between processes.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Figures(msgspec.Struct, frozen=True):
    """What one role counted.  Keys are metric names, or ``name{label=value}`` with one label.

    `counters` only grow within a life of the role; `gauges` are states.
    """

    role: str
    pid: int
    counters: dict[str, float] = {}
    gauges: dict[str, float] = {}


# Metric -> help text.  A figure without an entry here is shown too, with its name as help.
HELP = {
    "kurir_accepted_messages": "Messages answered with 250 after being made durable",
    "kurir_accepted_recipients": "Recipients of accepted messages",
    "kurir_attempts": "Delivery attempts, by outcome",
    "kurir_brain_loop_lag_max_seconds": "Longest time the queue's event loop was blocked since the last reading",
    "kurir_certificate_expires_seconds": "When our certificate expires, in seconds since 1970",
    "kurir_commits": "Transactions made durable",
    "kurir_dane_in_use": "1 where the resolver validates, so that TLSA records count",
    "kurir_deliveries_in_work": "Leases that delivery processes hold now",
    "kurir_delivery_loop_lag_max_seconds": "Longest time a delivery's event loop was blocked since the last reading",
    "kurir_disk_full": "1 while no mail is taken because the disk is nearly full",
    "kurir_fates": "Recipients that reached their end, by fate",
    "kurir_oldest_waiting_seconds": "Age of the oldest waiting message",
    "kurir_open_leases": "Deliveries in progress, as the queue counts them",
    "kurir_open_notices": "Notices that are owed and not yet accepted",
    "kurir_open_sessions": "Sessions open now",
    "kurir_paces": "Sites and providers to which mail goes more slowly at present (kurir limits says why)",
    "kurir_possibly_delivered": "Attempts that lost the reply after the final dot",
    "kurir_received_messages": "Messages received, by listener",
    "kurir_received_octets": "Octets of received messages",
    "kurir_reception_loop_lag_max_seconds": "Longest time a reception's event loop was blocked since the last reading",
    "kurir_refused_full": "Messages refused because the disk was nearly full",
    "kurir_replies": "SMTP replies given, by class",
    "kurir_road_closings": "Times that a road closed, so that mail took another one",
    "kurir_road_returns": "Times that a closed road came back",
    "kurir_roads_closed": "Roads that take no mail but probes at the moment",
    "kurir_screened_messages": "Messages of strangers whose sender was checked, by what was done",
    "kurir_sessions": "Sessions since the start, by listener",
    "kurir_slowed": "How often trouble at a receiver made us slower",
    "kurir_suppression": "Bounces tied to mail of ours, and recipients given up because of the suppression list, by event",
    "kurir_suppressed_addresses": "Addresses on the suppression list",
    "kurir_tls_alarms": "Servers that protected mail better before, by kind",
    "kurir_waiting_messages": "Messages with a recipient that waits or is held",
    "kurir_waiting_recipients": "Recipients that wait for their next attempt or are held",
}

# Gauges that several processes report and that are no amounts: how their values become one.
_JOINED: dict[str, Callable[[Iterable[float]], float]] = {
    "kurir_certificate_expires_seconds": min,
    "kurir_dane_in_use": min,
    "kurir_delivery_loop_lag_max_seconds": max,
    "kurir_reception_loop_lag_max_seconds": max,
}


def render(figures: Iterable[Figures]) -> bytes:
    """Return the figures of all roles, summed, in the Prometheus text format."""
    registry = CollectorRegistry()
    registry.register(_Gathered(list(figures)))
    return generate_latest(registry)


class _Gathered(Collector):
    def __init__(self, figures: list[Figures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        yield from _families(CounterMetricFamily, [f.counters for f in self._figures])
        yield from _families(GaugeMetricFamily, [f.gauges for f in self._figures])
        up = GaugeMetricFamily("kurir_up", "1 for each role that answers", labels=["role"])
        for f in self._figures:
            up.add_metric([f.role], 1)
        yield up


def _families(
    kind: type[CounterMetricFamily] | type[GaugeMetricFamily], parts: list[dict[str, float]]
) -> Iterator[Metric]:
    gathered: dict[str, dict[tuple[str, str] | None, list[float]]] = {}
    for part in parts:
        for key, value in part.items():
            name, label = _split(key)
            gathered.setdefault(name, {}).setdefault(label, []).append(value)
    for name, series in sorted(gathered.items()):
        label_name = next((label[0] for label in series if label), None)
        join = _JOINED.get(name, sum)
        family = kind(name, HELP.get(name, name), labels=[label_name] if label_name else [])
        for label, values in sorted(series.items(), key=str):
            family.add_metric([label[1]] if label else [], join(values))
        yield family


def _split(key: str) -> tuple[str, tuple[str, str] | None]:
    name, brace, rest = key.partition("{")
    if not brace:
        return name, None
    label, _, value = rest.rstrip("}").partition("=")
    return name, (label, value)
