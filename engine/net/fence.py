"""A gate right before the kernel: bytes that a process composed before it stood still do not leave when it wakes."""

from __future__ import annotations

import os
from typing import Protocol

import trio


class Gate(Protocol):
    """Who is asked before bytes leave. The answer costs about a microsecond."""

    standstills: int
    """How often the process was found to have stood still, by whoever asked first."""

    def lets_out(self) -> bool:
        """Tell whether what is about to be written may leave now."""
        ...


class FencedStream(trio.abc.HalfCloseableStream):
    """A TCP stream that asks before every single write, also after it had to wait for the kernel's buffer.

    What may not leave breaks the stream, as a lost connection does: nobody would know how much of it is out. Between
    the answer and the kernel lies no other task and no wait. A process that is stopped in just that moment is beyond
    any code of its own: against that stands the wire deadline of orders, and that nobody acts for an engine before its
    process is dead.
    """

    def __init__(self, stream: trio.SocketStream, gate: Gate) -> None:
        self._stream, self._gate = stream, gate

    def is_readable(self) -> bool:
        """Tell whether a read would return at once."""
        return self._stream.socket.is_readable()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write everything. Raises BrokenResourceError, also where the gate says no; ClosedResourceError."""
        await trio.lowlevel.checkpoint_if_cancelled()
        with memoryview(data) as view:
            sent, standstills = 0, self._gate.standstills
            while sent < len(view):
                sent += await self._send_some(view[sent:], standstills)
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def _send_some(self, rest: memoryview, standstills: int) -> int:
        socket = self._stream.socket
        while True:
            if socket.fileno() < 0:
                raise trio.ClosedResourceError("this stream was closed")
            # another task may have been the first to find out: these bytes are as old as before
            if not self._gate.lets_out() or self._gate.standstills != standstills:
                raise trio.BrokenResourceError("the process stood still, or is not the one that may send any more")
            try:
                return os.write(socket.fileno(), rest)
            except BlockingIOError:
                await self._stream.wait_send_all_might_not_block()
            except OSError as error:
                raise trio.BrokenResourceError(f"cannot write: {error.strerror}") from error

    async def wait_send_all_might_not_block(self) -> None:
        """See trio.abc.SendStream."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See trio.abc.ReceiveStream."""
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_eof(self) -> None:
        """See trio.abc.HalfCloseableStream."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close it."""
        await self._stream.aclose()
