"""Finds keys in the DNS, each name once for a message, however many signatures ask for it."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from kurir.net.ports import DnsAnswer, DnsStatus

from .keyrecord import KeyRecord, parse_key_record
from .settings import DkimSettings
from .signature import Stamp
from .verdict import DkimProblem, DkimReason


class TxtLookup(Protocol):
    """The one lookup that signatures need; `kurir.net.ports.Resolver` is one.  Never raises."""

    async def txt(self, name: str) -> DnsAnswer:
        """Records: ``bytes``, character-strings of each record joined."""
        ...


@dataclass(frozen=True, slots=True)
class Keys:
    """The usable keys under one name, or why there is none.  Several are rare, and undefined by the RFC: any may fit."""

    records: tuple[KeyRecord, ...]
    problem: DkimProblem | None = None


class KeyLookup:
    """The keys for the signatures of one message."""

    __slots__ = ("_asked", "_dns", "_settings")

    def __init__(self, dns: TxtLookup, settings: DkimSettings) -> None:
        self._dns = dns
        self._settings = settings
        self._asked: dict[str, asyncio.Task[Keys]] = {}

    async def find(self, stamp: Stamp) -> tuple[KeyRecord, ...]:
        """Return the keys that fit the stamp's algorithm, at least one.  Raises `DkimProblem`."""
        task = self._asked.get(stamp.record_name)
        if task is None:
            task = self._asked[stamp.record_name] = asyncio.ensure_future(self._ask(stamp.record_name))
        keys = await task
        if keys.problem is not None:
            raise DkimProblem(keys.problem.reason, keys.problem.detail)
        fitting = tuple(record for record in keys.records if record.fits(stamp.algorithm))
        if not fitting:
            raise DkimProblem(DkimReason.KEY_UNFIT, f"not a key for {stamp.algorithm.value}")
        return fitting

    async def _ask(self, name: str) -> Keys:
        try:
            async with asyncio.timeout(self._settings.deadline):
                answer = await self._dns.txt(name)
        except TimeoutError:
            return Keys((), DkimProblem(DkimReason.DNS_FAILED, f"{name}: no answer in time"))
        if answer.status in (DnsStatus.NXDOMAIN, DnsStatus.NODATA):
            return Keys((), DkimProblem(DkimReason.KEY_MISSING, name))
        if answer.status is not DnsStatus.OK:
            return Keys((), DkimProblem(DkimReason.DNS_FAILED, f"{name}: {answer.status.value}"))
        return _usable(name, answer, self._settings)


def _usable(name: str, answer: DnsAnswer, settings: DkimSettings) -> Keys:
    problem = DkimProblem(DkimReason.KEY_MISSING, name)
    found: list[KeyRecord] = []
    texts = [record for record in answer.records if isinstance(record, bytes)]
    for text in texts[: settings.records]:
        try:
            found.append(parse_key_record(text, settings))
        except DkimProblem as e:
            problem = e
    return Keys(tuple(found), None if found else problem)
