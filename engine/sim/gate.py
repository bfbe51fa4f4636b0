"""A half-open server: a connection that stays, over which for a while nothing is read, sent or answered."""

from __future__ import annotations

import math

import trio


class Gate:
    """Shut, it holds the server's side of one connection still; what was written meanwhile goes on afterwards."""

    def __init__(self) -> None:
        self._until = -math.inf
        self._changed = trio.Event()

    @property
    def is_shut(self) -> bool:
        """Tell whether nothing passes now."""
        return trio.current_time() < self._until

    def shut(self, seconds: float) -> None:
        """Let nothing pass for so long (``math.inf``: until opened). Zero opens."""
        self._until = trio.current_time() + seconds
        self._changed.set()
        self._changed = trio.Event()

    async def wait_open(self) -> None:
        """Wait until something may pass."""
        while self.is_shut:
            with trio.move_on_at(self._until):
                await self._changed.wait()


class GatedStream(trio.abc.Stream):
    """The server's end of a connection behind a gate; its first bytes may have been read already."""

    def __init__(self, stream: trio.abc.Stream, gate: Gate, head: bytes = b"") -> None:
        self._stream, self._gate, self._head = stream, gate, head

    def __repr__(self) -> str:
        return f"<gated {self._stream!r}>"

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send once the gate is open."""
        await self._gate.wait_open()
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the stream might take data."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive, and keep what came while the gate was shut until it opens; an end is told at once."""
        if self._head:
            await trio.lowlevel.checkpoint()
            head, self._head = self._head, b""
            return head
        data = await self._stream.receive_some(max_bytes)
        if data:
            await self._gate.wait_open()
        return data

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()
