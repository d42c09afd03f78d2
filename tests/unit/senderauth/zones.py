"""A DNS of tables: what the tests of this room ask."""

from collections.abc import Iterable, Mapping

from kurir.net.ports import DnsAnswer, DnsStatus

TIMEOUT = "TIMEOUT"


class Zones:
    """Answers from ``{name: [("TXT", b"..."), ("A", "192.0.2.1"), ("MX", (10, "mx")), ...]}``.

    A name that is missing is NXDOMAIN, one without the type NODATA; the type `TIMEOUT` fails every lookup that
    finds nothing before it.  CNAMEs are followed.  `asked` remembers every question.
    """

    def __init__(self, zone: Mapping[str, Iterable[tuple[str, object]]]) -> None:
        self._zone = {name.lower().rstrip("."): list(records) for name, records in zone.items()}
        self.asked: list[tuple[str, str]] = []

    def _find(self, name: str, rdtype: str, depth: int = 0) -> DnsAnswer:
        name = name.lower().rstrip(".")
        self.asked.append((name, rdtype))
        records = self._zone.get(name)
        if records is None:
            below = any(other.endswith("." + name) for other in self._zone)
            return DnsAnswer(DnsStatus.NODATA if below else DnsStatus.NXDOMAIN)
        alias = next((value for kind, value in records if kind == "CNAME"), None)
        if alias is not None and depth < 8:
            return self._find(str(alias), rdtype, depth + 1)
        found = tuple(value for kind, value in records if kind == rdtype)
        if found:
            return DnsAnswer(DnsStatus.OK, found, 300.0)
        if any(kind == TIMEOUT for kind, _ in records):
            return DnsAnswer(DnsStatus.TIMEOUT)
        return DnsAnswer(DnsStatus.NODATA)

    async def txt(self, name: str) -> DnsAnswer:
        return self._find(name, "TXT")

    async def mx(self, name: str) -> DnsAnswer:
        return self._find(name, "MX")

    async def addresses(self, name: str) -> tuple[DnsAnswer, DnsAnswer]:
        return self._find(name, "A"), self._find(name, "AAAA")

    async def ptr(self, ip: str) -> DnsAnswer:
        import ipaddress

        return self._find(ipaddress.ip_address(ip).reverse_pointer, "PTR")
