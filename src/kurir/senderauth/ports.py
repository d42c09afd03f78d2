"""The door to the DNS that sender authentication is written against: lookups that answer and never raise."""

from typing import Protocol

from kurir.net.ports import DnsAnswer


class SenderDns(Protocol):
    """The lookups SPF, DMARC and the reverse name need; `kurir.net.ports.Resolver` is one.

    A failure is a status, never an exception.  Only NXDOMAIN and NODATA prove that something is not there.
    """

    async def txt(self, name: str) -> DnsAnswer:
        """Records: ``bytes``, the character-strings of each record joined."""
        ...

    async def addresses(self, name: str) -> tuple[DnsAnswer, DnsAnswer]:
        """A and AAAA answers; records are IP addresses as ``str``."""
        ...

    async def mx(self, name: str) -> DnsAnswer:
        """Records: ``tuple[int, str]`` (preference, host), unsorted."""
        ...

    async def ptr(self, ip: str) -> DnsAnswer:
        """Records: host names as ``str``."""
        ...
