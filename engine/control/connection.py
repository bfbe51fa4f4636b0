"""One connection to the door: a socket stream whose writes end, whoever reads."""

from __future__ import annotations

import trio

WRITE_BOUND_S = 10.0
"""A reader that takes nothing for this long is cut off; it resumes by offset."""


class Connection(trio.abc.Stream):
    """Stands before hypercorn in a socket's place, because hypercorn shields its writes and gives them no bound."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.admitted = False  # whether a request on it was let in: others give way when the door is full
        self.socket = stream.socket  # hypercorn asks it for the addresses

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive as the socket does."""
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything, or raise BrokenResourceError when the reader does not take it in time."""
        with trio.move_on_after(WRITE_BOUND_S) as bound:
            await self._stream.send_all(data)
        if bound.cancelled_caught:
            self.close()
            raise trio.BrokenResourceError(f"the reader took nothing for {WRITE_BOUND_S:g} s")

    async def wait_send_all_might_not_block(self) -> None:
        """Wait as the socket does."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Say that nothing more comes; a peer that has gone already is fine."""
        try:
            await self._stream.send_eof()
        except OSError:
            raise trio.BrokenResourceError("the reader has gone") from None

    async def aclose(self) -> None:
        """Close."""
        await self._stream.aclose()

    def close(self) -> None:
        """Close at once; whoever waits in it is woken with an error."""
        self._stream.socket.close()
