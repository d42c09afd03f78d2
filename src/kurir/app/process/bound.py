"""The sockets that are listened at: held by the supervisor, so that none is closed while its users change."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice


@dataclass(slots=True)
class Bound:
    """Sockets by the place they listen at; kept over reloads, at least one for each worker.

    `taken` are the places that were asked for.  A place that is still listened at keeps all its sockets when there
    are fewer workers: closing one would reset the connections that wait in it.
    """

    sockets: dict[str, list[socket.socket]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def copy(self) -> "Bound":
        """Return what a reload may add to: until `adopt` nothing that is in use changes."""
        return Bound({spec: list(sockets) for spec, sockets in self.sockets.items()})

    def take(self, spec: str, count: int, mode: int = 0o660) -> list[socket.socket]:
        """Return the sockets of a place, `count` or more, binding those that are missing.  Raises `BindError`."""
        from kurir.net import bind  # here, because the supervisor holds sockets and never makes one

        have = self.sockets.get(spec, [])
        missing = count - len(have)
        if missing > 0:
            have = self.sockets[spec] = [*have, *bind(spec, missing, mode=mode, beside=have)]
        self.taken.add(spec)
        return have

    def newer(self, before: "Bound") -> list[tuple[str, int]]:
        """Return the places that were asked for, with the number of sockets that `before` does not have."""
        return [
            (spec, len(self.sockets[spec]) - len(before.sockets.get(spec, ()))) for spec in sorted(self.taken)
        ]

    def newest(self, places: Iterable[tuple[str, int]]) -> list[socket.socket]:
        """Return the sockets of what `newer` returned, to be handed to another process."""
        return [s for spec, count in places for s in self.sockets[spec][len(self.sockets[spec]) - count :]]

    def add(self, places: Iterable[tuple[str, int]], sockets: Iterable[socket.socket]) -> None:
        """Take what another process has bound: places, and their sockets in that order."""
        new = iter(sockets)
        for spec, count in places:
            self.sockets[spec] = [*self.sockets.get(spec, ()), *islice(new, count)]
            self.taken.add(spec)

    def adopt(self, fresh: "Bound") -> None:
        """Take over what a copy has taken; close what it did not ask for."""
        kept = {spec: sockets for spec, sockets in fresh.sockets.items() if spec in fresh.taken}
        stay = {id(s) for some in kept.values() for s in some}
        for some in fresh.sockets.values():
            for s in some:
                if id(s) not in stay:
                    s.close()
        self.sockets = kept
