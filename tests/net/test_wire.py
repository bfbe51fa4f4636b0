"""The virtual wire: bytes arrive when they are due, whatever happens to the connection meanwhile."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from engine.net.wire import Connection, open_virtual_wire


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[trio.abc.Stream, trio.abc.Stream, Connection]]:
    """Client, server and the connection between them, with a latency of one second, more or less."""
    async with open_virtual_wire(random.Random(1), 1.0) as wire:
        accepted: list[trio.abc.Stream] = []

        async def serve(stream: trio.abc.Stream) -> None:
            accepted.append(stream)
            await trio.sleep_forever()

        wire.listen("host", 1, serve)
        client = await wire.connect("host", 1, tls=None)
        while not accepted:
            await trio.lowlevel.checkpoint()
        yield client, accepted[0], wire.connections[0]


async def test_a_reader_that_waits_wakes_when_the_bytes_are_due(autojump_clock):
    """Not when they are sent, and not later; what follows waits for its own time."""
    async with pair() as (client, server, connection), trio.open_nursery() as nursery:
        heard: list[tuple[bytes, float, float]] = []

        async def read() -> None:
            for _ in range(2):
                due = connection.to_server.queue[0][0] if connection.to_server.queue else -1.0
                heard.append((await server.receive_some(), trio.current_time(), due))

        nursery.start_soon(read)
        await trio.sleep(5)
        sent_s = trio.current_time()
        await client.send_all(b"one")
        first_due = connection.to_server.queue[0][0]
        await client.send_all(b"two")
        second_due = connection.to_server.queue[1][0]
        await trio.sleep(10)
        assert [(data, at_s) for data, at_s, _ in heard] == [(b"one", first_due), (b"two", second_due)]
        assert sent_s < first_due <= second_due


async def test_a_stall_put_on_while_bytes_travel_holds_them_up(autojump_clock):
    """The reader wakes when the stall is over."""
    async with pair() as (client, server, connection):
        await client.send_all(b"late")
        connection.stall(30, to_server=True, to_client=False)
        until_s = connection.to_server.stalled_until
        assert await server.receive_some() == b"late"
        assert trio.current_time() == until_s


async def test_a_reset_wakes_who_waits(autojump_clock):
    """At once, with an error; what was on its way is gone."""
    async with pair() as (client, server, connection), trio.open_nursery() as nursery:

        async def read() -> None:
            with pytest.raises(trio.BrokenResourceError):
                await server.receive_some()
            assert trio.current_time() == broken_s

        nursery.start_soon(read)
        await client.send_all(b"gone")
        await trio.sleep(0.1)
        broken_s = trio.current_time()
        connection.reset()


async def test_bytes_before_an_end_still_arrive(autojump_clock):
    """Then the end itself, as often as it is asked for."""
    async with pair() as (client, server, _):
        await client.send_all(b"last")
        await client.aclose()
        assert await server.receive_some() == b"last"
        assert await server.receive_some() == b""
        assert await server.receive_some() == b""
