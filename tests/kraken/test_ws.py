"""One WebSocket connection."""

import contextlib
import random

import pytest
import trio
from trio_websocket import ConnectionClosed, wrap_server_stream

from engine.kraken import ws
from engine.net.link_monitor import LinkMonitor
from engine.net.link_policy import LinkPolicy
from engine.net.wire import open_virtual_wire


async def test_protocol_pings_are_answered_and_bytes_counted(autojump_clock):
    """The peer's ping gets its pong without our doing; sizes are bytes, not characters."""
    ponged = trio.Event()

    async def serve(stream):
        async with trio.open_nursery() as nursery:
            request = await wrap_server_stream(nursery, stream)
            peer = await request.accept()
            await peer.ping(b"alive?")
            ponged.set()
            await peer.send_message("grün")
            try:
                await peer.get_message()
                await trio.sleep_forever()
            except ConnectionClosed:
                nursery.cancel_scope.cancel()

    monitor = LinkMonitor("test", LinkPolicy())
    async with open_virtual_wire(random.Random(1)) as wire:
        wire.listen("host", 80, serve)
        async with ws.open_socket(
            wire, "ws://host/v2", None, user_agent="x", connect_timeout_s=3, silence_bound_s=5, monitor=monitor
        ) as socket:
            assert await socket.receive() == "grün"
            await socket.send("über")
            with trio.fail_after(1):
                await ponged.wait()
            assert socket.open
            socket.abandon("first reason")
            socket.abandon("second reason")
            assert not socket.open
            with pytest.raises(ws.Silent, match="first reason"):
                await socket.receive()
    view = monitor.view(trio.current_time())
    assert (view.messages_in, view.bytes_in, view.messages_out, view.bytes_out) == (1, 5, 1, 5)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_stream_is_closed_when_the_peer_breaks_it(autojump_clock, cancelled):
    """A connection that ended without a farewell leaves no socket behind, even under cancellation."""
    streams, opened = [], trio.Event()

    class Kept:
        async def connect(self, host, port, *, tls):
            streams.append(await wire.connect(host, port, tls=tls))
            return streams[0]

    async def serve(stream):
        async with trio.open_nursery() as nursery:
            await (await wrap_server_stream(nursery, stream)).accept()
            await opened.wait()
            wire.connections[0].reset()
            nursery.cancel_scope.cancel()

    async with open_virtual_wire(random.Random(1)) as wire:
        wire.listen("host", 80, serve)
        monitor = LinkMonitor("test", LinkPolicy())
        ended = contextlib.nullcontext() if cancelled else pytest.RaisesGroup(ConnectionClosed)
        with trio.CancelScope() as scope, ended:
            async with ws.open_socket(
                Kept(), "ws://host/v2", None, user_agent="x", connect_timeout_s=3, silence_bound_s=5, monitor=monitor
            ) as socket:
                opened.set()
                if cancelled:
                    scope.cancel()
                await socket.receive()
        with pytest.raises(trio.ClosedResourceError):
            await streams[0].send_all(b"x")


class Full:
    """A wire whose streams take no bytes until ``room`` is set: a full socket, or others' bytes under way."""

    def __init__(self, wire):
        self._wire, self.room = wire, trio.Event()

    async def connect(self, host, port, *, tls):
        stream = await self._wire.connect(host, port, tls=tls)
        send_all = stream.send_all

        async def wait_for_room(data):
            if b"HTTP/1.1" not in bytes(data):
                await self.room.wait()
            await send_all(data)

        stream.send_all = wait_for_room
        return stream


async def test_message_that_waited_for_others_bytes_is_asked_once_more_whether_it_stands(autojump_clock):
    """Another message fills the socket: what was decided meanwhile holds the next one back, and nothing is cut off."""
    heard = []

    async def serve(stream):
        async with trio.open_nursery() as nursery:
            peer = await (await wrap_server_stream(nursery, stream)).accept()
            with contextlib.suppress(ConnectionClosed):
                while True:
                    heard.append(await peer.get_message())
            nursery.cancel_scope.cancel()

    async with open_virtual_wire(random.Random(1)) as wire:
        wire.listen("host", 80, serve)
        full, halted, fates = Full(wire), [], {}

        async def send(text, stands):
            try:
                await socket.send(text, stands)
                fates[text] = "sent"
            except ws.Withheld:
                fates[text] = "withheld"

        async with ws.open_socket(
            full,
            "ws://host/v2",
            None,
            user_agent="x",
            connect_timeout_s=3,
            silence_bound_s=5,
            monitor=LinkMonitor("test", LinkPolicy()),
        ) as socket:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send, "first", lambda: True)
                await trio.sleep(0.1)
                nursery.start_soon(send, "entry", lambda: not halted)
                nursery.start_soon(send, "exit", lambda: True)
                await trio.sleep(0.1)
                halted.append("enough")
                full.room.set()
            assert socket.open
            await trio.sleep(1)
    assert fates == {"first": "sent", "entry": "withheld", "exit": "sent"}
    assert heard == ["first", "exit"]
