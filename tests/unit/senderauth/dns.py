"""A DNS that knows a few TXT records, counts what it is asked, and can fail."""

from kurir.net.ports import DnsAnswer, DnsStatus


class TxtZone:
    def __init__(self, records: dict[str, bytes | list[bytes] | DnsStatus]) -> None:
        self.records = {name.lower().rstrip("."): value for name, value in records.items()}
        self.asked: list[str] = []

    async def txt(self, name: str) -> DnsAnswer:
        self.asked.append(name)
        found = self.records.get(name.lower())
        if found is None:
            return DnsAnswer(DnsStatus.NXDOMAIN)
        if isinstance(found, DnsStatus):
            return DnsAnswer(found)
        return DnsAnswer(DnsStatus.OK, tuple(found) if isinstance(found, list) else (found,))
