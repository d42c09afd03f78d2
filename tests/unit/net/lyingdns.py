"""A small name server on loopback that says what it is told to, true or not."""

import asyncio
import struct
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

SOA = "example. 300 IN SOA ns.example. admin.example. 1 2 3 4 60"


class LyingDns:
    """Answers by `script(question name, type, over TCP)`.

    A script returns a dict: ``rcode``, ``answer``, ``authority`` (lists of rrset texts), ``flags``; or
    None for silence, or bytes to be sent as they are.
    """

    def __init__(self, script):
        self.script = script
        self.asked = []
        self.port = 0

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def reply(self, wire, tcp):
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, rdtype = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, rdtype, tcp))
        said = self.script(name, rdtype, tcp)
        if said is None or isinstance(said, bytes):
            return said
        response = dns.message.make_response(query, recursion_available=said.get("ra", True))
        response.set_rcode(dns.rcode.from_text(said.get("rcode", "NOERROR")))
        for text in said.get("answer", ()):
            response.answer.append(rrset(text))
        for text in said.get("authority", ()):
            response.authority.append(rrset(text))
        for flag in said.get("flags", ()):
            response.flags |= dns.flags.from_text(flag)
        if said.get("wrong_id"):
            response.id ^= 1
        return response.to_wire(max_size=65535 if tcp else 0)


def rrset(text):
    name, ttl, _, rdtype, *rest = text.split(" ")
    return dns.rrset.from_text(name, int(ttl), "IN", rdtype, " ".join(rest))


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server):
        self.server = server

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        reply = self.server.reply(data, False)
        if reply is not None:
            self.transport.sendto(reply, address)


@asynccontextmanager
async def lying(script):
    loop = asyncio.get_running_loop()
    server = LyingDns(script)

    async def on_tcp(reader, writer):
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        reply = server.reply(await reader.readexactly(length), True)
        if reply is not None:
            writer.write(struct.pack("!H", len(reply)) + reply)
            await writer.drain()
        writer.close()

    for _ in range(20):  # one number free for both UDP and TCP
        transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(server), ("127.0.0.1", 0))
        server.port = transport.get_extra_info("sockname")[1]
        try:
            tcp = await asyncio.start_server(on_tcp, "127.0.0.1", server.port)
            break
        except OSError:
            transport.close()
    try:
        yield server
    finally:
        transport.close()
        tcp.close()
        await tcp.wait_closed()
