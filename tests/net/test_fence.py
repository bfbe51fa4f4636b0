"""The gate at the socket: asked before every write, also after the kernel's buffer was full."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from engine.net.fence import FencedStream
from engine.net.http import is_readable
from engine.net.wire import TcpWire

pytestmark = pytest.mark.tcp


class Gate:
    """Lets so many writes out."""

    def __init__(self, writes: float = float("inf")) -> None:
        self.left, self.standstills = writes, 0

    def lets_out(self) -> bool:
        self.left -= 1
        return self.left >= 0


@asynccontextmanager
async def open_pair(gate: Gate) -> AsyncIterator[tuple[trio.abc.HalfCloseableStream, trio.SocketStream]]:
    """A fenced connection over the wire, and its far end."""
    send, receive = trio.open_memory_channel[trio.SocketStream](1)

    async def keep(stream: trio.SocketStream) -> None:
        await send.send(stream)
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, keep, 0)
        port = listeners[0].socket.getsockname()[1]
        near = await TcpWire(lambda stream: FencedStream(stream, gate)).connect("127.0.0.1", port, tls=None)
        assert isinstance(near, FencedStream)
        far = await receive.receive()
        try:
            yield near, far
        finally:
            for stream in (near, far):
                await trio.aclose_forcefully(stream)
            nursery.cancel_scope.cancel()


async def test_everything_arrives_through_an_open_gate() -> None:
    """Far more than the kernel takes at once, in order, both ways."""
    text = bytes(range(256)) * 40_000
    async with open_pair(Gate()) as (near, far), trio.open_nursery() as nursery:
        nursery.start_soon(near.send_all, text)
        got = b""
        while len(got) < len(text):
            got += await far.receive_some()
        assert got == text
        await far.send_all(b"back")
        assert await near.receive_some() == b"back"


async def test_shut_gate_breaks_the_stream_and_nothing_leaves() -> None:
    """As a lost connection does: whoever sends must not think that it was sent."""
    async with open_pair(Gate(1)) as (near, far):
        await near.send_all(b"before")
        with pytest.raises(trio.BrokenResourceError, match="stood still"):
            await near.send_all(b"order")
        await near.aclose()
        assert [await far.receive_some(), await far.receive_some()] == [b"before", b""]


async def test_gate_is_asked_again_when_the_buffer_has_room_again() -> None:
    """Stopped in the middle of a long write: the rest does not leave."""
    gate, text = Gate(), bytes(20_000_000)
    async with open_pair(gate) as (near, far), trio.open_nursery() as nursery:
        refused = trio.Event()

        async def send() -> None:
            with pytest.raises(trio.BrokenResourceError, match="stood still"):
                await near.send_all(text)
            refused.set()

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked(0.05)  # the kernel's buffer is full
        gate.left = 0
        got = 0
        while not refused.is_set():
            got += len(await far.receive_some(1_000_000))
        assert got < len(text)


async def test_rest_of_a_write_does_not_leave_when_another_task_saw_the_standstill() -> None:
    """The beat asked first and goes on; what waited for the kernel's buffer is from before all the same."""
    gate = Gate()
    async with open_pair(gate) as (near, far), trio.open_nursery() as nursery:
        refused = trio.Event()

        async def send() -> None:
            with pytest.raises(trio.BrokenResourceError, match="stood still"):
                await near.send_all(bytes(20_000_000))
            refused.set()

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked(0.05)  # the kernel's buffer is full
        gate.standstills += 1
        while not refused.is_set():
            await far.receive_some(1_000_000)


async def test_closed_stream_and_lost_peer_are_told_apart() -> None:
    """The errors that every client of a stream knows."""

    async def send_much(stream: trio.abc.SendStream) -> None:
        for _ in range(100):
            await stream.send_all(bytes(100_000))

    async with open_pair(Gate()) as (near, far):
        assert not is_readable(near)
        await trio.aclose_forcefully(far)
        with pytest.raises(trio.BrokenResourceError):
            await send_much(near)
        await near.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await near.send_all(b"x")


async def test_tls_stands_above_the_gate() -> None:
    """A handshake that the gate refuses never begins: nothing of it leaves."""
    async with trio.open_nursery() as nursery:
        heard: list[bytes] = []

        async def hear(stream: trio.SocketStream) -> None:
            async with stream:
                heard.append(bytes(await stream.receive_some()))

        listeners = await nursery.start(trio.serve_tcp, hear, 0)
        port = listeners[0].socket.getsockname()[1]
        wire = TcpWire(lambda stream: FencedStream(stream, Gate(0)))
        with pytest.raises(OSError, match="TLS with"):
            await wire.connect("127.0.0.1", port, tls=ssl.create_default_context())
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert heard == [b""]
        nursery.cancel_scope.cancel()
