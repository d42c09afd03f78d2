"""Check of the ways out: is one closed, so that mail takes its fallbacks?"""

from collections.abc import Mapping, Sequence

from kurir.model import Finding, Severity


def open_roads(closed: Sequence[Mapping[str, str]]) -> list[Finding]:
    """Name the roads that are closed: each with ``road``, ``time``, ``cause`` and the ``words`` of the other side."""
    if not closed:
        return [Finding(check="roads", severity=Severity.GREEN, key="roads_open")]
    return [
        Finding(
            check="roads",
            severity=Severity.RED,
            key="road_closed",
            values={k: road[k] for k in ("road", "time", "cause")},
            evidence=road["words"],
        )
        for road in closed
    ]
