"""Figures of all roles as Prometheus text.

Each role counts plain integers; they are gathered and summed when somebody asks, so that counting costs
the hot path an addition and nothing is shared between processes.
"""

from collections.abc import Iterable, Iterator

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
    "kurir_fates": "Recipients that reached their end, by fate",
    "kurir_attempts": "Delivery attempts, by outcome",
    "kurir_possibly_delivered": "Attempts that lost the reply after the final dot",
    "kurir_waiting_recipients": "Recipients that wait for their next attempt",
    "kurir_held_recipients": "Recipients held for a person to decide",
    "kurir_oldest_waiting_seconds": "Age of the oldest waiting message",
    "kurir_open_leases": "Deliveries in progress",
    "kurir_commits": "Transactions made durable",
    "kurir_sessions": "Sessions since the start, by listener",
    "kurir_open_sessions": "Sessions open now, by listener",
    "kurir_replies": "SMTP replies given, by class",
    "kurir_loop_lag_max_seconds": "Longest time the event loop was blocked since the last reading",
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
        yield from _families(CounterMetricFamily, [f.counters for f in self._figures], sum)
        yield from _families(GaugeMetricFamily, [f.gauges for f in self._figures], sum)
        up = GaugeMetricFamily("kurir_up", "1 for each role that answers", labels=["role"])
        for f in self._figures:
            up.add_metric([f.role], 1)
        yield up


def _families(
    kind: type[CounterMetricFamily] | type[GaugeMetricFamily], parts: list[dict[str, float]], join: object
) -> Iterator[Metric]:
    assert callable(join)
    gathered: dict[str, dict[tuple[str, str] | None, list[float]]] = {}
    for part in parts:
        for key, value in part.items():
            name, label = _split(key)
            gathered.setdefault(name, {}).setdefault(label, []).append(value)
    for name, series in sorted(gathered.items()):
        label_name = next((label[0] for label in series if label), None)
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
