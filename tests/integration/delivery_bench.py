"""What one relayed message costs this room: a kept connection to a minimal sink on the same loop's machine.

Run: ``python -m tests.integration.delivery_bench [messages]``.  The sink runs in a process of its own, so that the CPU
time of this process is what delivery costs (sockets included).
"""

import asyncio
import multiprocessing
import sys
import time
from random import Random

import uvloop

from tests.unit.delivery.doubles import FakeResolver, Harness, lease_for, smarthost_settings


class Sink(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.rest = b""
        self.data = False
        transport.write(b"220 sink\r\n")

    def data_received(self, data):
        buffer = self.rest + data
        out = b""
        while True:
            if self.data:
                end = buffer.find(b"\r\n.\r\n")
                if end < 0:
                    break
                buffer = buffer[end + 5 :]
                self.data = False
                out += b"250 ok\r\n"
                continue
            end = buffer.find(b"\r\n")
            if end < 0:
                break
            line, buffer = buffer[:end], buffer[end + 2 :]
            if line.startswith(b"EHLO"):
                out += b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 0\r\n"
            elif line == b"DATA":
                self.data = True
                out += b"354 go\r\n"
            else:
                out += b"250 ok\r\n"
        self.rest = buffer
        if out:
            self.transport.write(out)


def sink(pipe):
    async def main():
        server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


async def measure(port, count, connections):
    settings = smarthost_settings(port, concurrency=connections)
    harness = Harness(settings, FakeResolver(), random=Random(1))
    body = b"Subject: x\r\n\r\n" + b"0123456789abcdef" * 4 * 62 + b"\r\n"
    body = b"\r\n".join(body[i : i + 76] for i in range(0, len(body), 76)) + b"\r\n"
    leases = [lease_for(settings, i, ["a@example.org"], body=body) for i in range(count + 200)]
    await harness.deliver(leases[:200])
    wall, cpu = time.perf_counter(), time.process_time()
    await harness.deliver(leases[200:])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    await harness.drain()
    print(
        f"{connections} connections: {count / wall:,.0f} messages/s, {cpu / count * 1e6:.0f} us CPU each, of {len(body)} octets"
    )


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=sink, args=(theirs,), daemon=True)
    process.start()
    port = ours.recv()
    for connections in (1, 5, 20):
        uvloop.run(measure(port, count, connections))
    process.terminate()


if __name__ == "__main__":
    main()
