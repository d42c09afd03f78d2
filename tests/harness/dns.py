"""A name server for tests: a small zone on loopback, answered as a recursive resolver would, or not at all.

Written over dnspython's messages; Kurir's own DNS code is not used.  UDP and TCP on one port, one thread.
"""

import contextlib
import selectors
import socket
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

Broken = Literal["NXDOMAIN", "SERVFAIL", "REFUSED", "TIMEOUT"]
Records = Mapping[str, Sequence[str]]
"""Type -> records as in a zone file: ``{"MX": ["10 mx1.example."], "A": ["127.0.0.2"]}``."""

TTL = 1
_SOA = "ns.test. hostmaster.test. 1 3600 600 86400 1"
_MAX_CHAIN = 8


def _both() -> tuple[socket.socket, socket.socket]:
    """Return a UDP and a TCP socket on one port, which somebody else may have for one of them."""
    for attempt in range(50):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        try:
            return udp, socket.create_server(("127.0.0.1", udp.getsockname()[1]))
        except OSError:
            udp.close()
            if attempt == 49:
                raise
    raise AssertionError


class Names:
    """A running name server; `zone` may be changed at any time.

    A name that is not in the zone does not exist; a type that a name lacks is an empty answer.
    """

    def __init__(self, zone: Mapping[str, Records | Broken], *, ttl: int = TTL) -> None:
        self.zone: dict[str, Records | Broken] = dict(zone)
        self.asked: Counter[tuple[str, str]] = Counter()
        self._ttl = ttl
        self._udp, self._tcp = _both()
        self.port = int(self._udp.getsockname()[1])
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> str:
        """What ``net.resolvers`` wants."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._wake.send(b"x")
        self._thread.join()
        for s in (self._udp, self._tcp, self._wake, self._woken):
            s.close()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as waiting:
            for s in (self._udp, self._tcp, self._woken):
                waiting.register(s, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in waiting.select()]
                if self._woken in ready:
                    return
                with contextlib.suppress(OSError):
                    if self._udp in ready:
                        question, client = self._udp.recvfrom(4096)
                        answer = self.answer(question)
                        if answer is not None:
                            self._udp.sendto(answer, client)
                    if self._tcp in ready:
                        self._one_over_tcp()

    def _one_over_tcp(self) -> None:
        s, _ = self._tcp.accept()
        with s:
            s.settimeout(2)
            size = int.from_bytes(s.recv(2), "big")
            answer = self.answer(s.recv(size))
            if answer is not None:
                s.sendall(len(answer).to_bytes(2, "big") + answer)

    def answer(self, wire: bytes) -> bytes | None:
        """Return the answer to a question, None for silence."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        rdtype = dns.rdatatype.to_text(question.rdtype)
        reply = dns.message.make_response(query, recursion_available=True)
        name = question.name
        for _ in range(_MAX_CHAIN):
            text = name.to_text(omit_final_dot=True).lower()
            self.asked[text, rdtype] += 1
            known = self.zone.get(text, "NXDOMAIN")
            if known == "TIMEOUT":
                return None
            if isinstance(known, str):
                reply.set_rcode(dns.rcode.from_text(known))
                break
            if "CNAME" in known and rdtype != "CNAME":
                alias = dns.rrset.from_text(name, self._ttl, "IN", "CNAME", known["CNAME"][0])
                reply.answer.append(alias)
                name = alias[0].target
                continue
            if known.get(rdtype):
                reply.answer.append(dns.rrset.from_text(name, self._ttl, "IN", rdtype, *known[rdtype]))
            break
        if not any(rrset.rdtype == question.rdtype for rrset in reply.answer):
            reply.authority.append(dns.rrset.from_text(".", self._ttl, "IN", "SOA", _SOA))
        return reply.to_wire()
