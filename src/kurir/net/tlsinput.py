"""What came out of TLS, read into room of its size.

To a protocol with `data_received` uvloop's TLS layer gives octets that it read into a new object of 256 KiB, whatever
came: mapping and unmapping that costs a short dialogue as much as the handshake does.  One with `get_buffer`
is asked for the room, and told how many octets wait.
"""

import asyncio

from .flow import Flow

_MOST = 256 * 1024
_LEAST = 512
_NONE = memoryview(b"")


class TlsInput(asyncio.BufferedProtocol):
    """Stands between the TLS layer and a flow."""

    __slots__ = ("_flow", "_room")

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._room = _NONE

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return room for what waits: `sizehint` octets of ciphertext hold fewer of plain text."""
        self._room = memoryview(bytearray(min(max(sizehint, _LEAST), _MOST)))
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Pass the octets on."""
        room, self._room = self._room, _NONE
        self._flow.data_received(bytes(room[:nbytes]))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass it on, as all that follows."""
        self._flow.connection_made(transport)

    def eof_received(self) -> bool:
        """Pass it on."""
        return self._flow.eof_received()

    def pause_writing(self) -> None:
        """Pass it on."""
        self._flow.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._flow.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._flow.connection_lost(exc)
