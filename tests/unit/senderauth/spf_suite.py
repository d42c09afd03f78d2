"""Reads the openspf test suite into cases (see the README beside it)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .zones import TIMEOUT, Zones


@dataclass(frozen=True)
class Case:
    name: str
    helo: str
    client: str
    sender: str
    results: tuple[str, ...]
    explanation: str | None
    zone: dict[str, list[tuple[str, object]]]

    @property
    def dns(self) -> Zones:
        return Zones(self.zone)


def cases(path: Path) -> Iterator[Case]:
    import yaml

    for document in yaml.safe_load_all(path.read_text("utf-8")):
        zone = {str(owner): _records(entries) for owner, entries in document["zonedata"].items()}
        for name, test in document["tests"].items():
            wanted = test["result"]
            yield Case(
                f"{document['description']}: {name}",
                str(test["helo"]),
                str(test["host"]),
                str(test["mailfrom"]),
                tuple(wanted) if isinstance(wanted, list) else (wanted,),
                test.get("explanation"),
                zone,
            )


def _records(entries: list[object]) -> list[tuple[str, object]]:
    records: list[tuple[str, object]] = []
    has_txt = any(isinstance(e, dict) and "TXT" in e for e in entries)
    for entry in entries:
        if entry == TIMEOUT:
            records.append((TIMEOUT, None))
            continue
        assert isinstance(entry, dict)
        for kind, value in entry.items():
            if kind == "SPF" and not has_txt:
                records.append(("TXT", _text(value)))
            elif kind == "TXT":
                if value != "NONE":
                    records.append(("TXT", _text(value)))
            elif kind == "MX":
                records.append(("MX", (int(value[0]), str(value[1]).rstrip("."))))
            elif kind != "SPF":
                records.append((kind, value))
    return records


def _text(value: object) -> bytes:
    parts = value if isinstance(value, list) else [value]
    return b"".join(str(part).encode("utf-8") for part in parts)
