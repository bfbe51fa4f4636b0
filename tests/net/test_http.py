"""httpx over a wire."""

import random
import ssl

import httpx
import pytest
import trio
from trio.testing import open_stream_to_socket_listener

from engine.net.http import WireTransport, is_readable, verified_tls
from engine.net.wire import open_virtual_wire

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def answer_all(stream):
    """Answer every request at once."""
    while await stream.receive_some():
        await stream.send_all(ANSWER)


async def test_keepalive_reuses_a_connection_however_long_it_idled(autojump_clock):
    """Idle time is virtual and unbounded: one connection serves calls a day apart."""
    async with open_virtual_wire(random.Random(1)) as wire:
        wire.listen("h", 80, answer_all)
        async with httpx.AsyncClient(transport=WireTransport(wire, None, 2), trust_env=False) as client:
            for _ in range(3):
                assert (await client.get("http://h/")).text == "ok"
                await trio.sleep(86_400)
        assert len(wire.connections) == 1


async def test_timeouts_run_on_trios_clock(autojump_clock):
    """Read and connect time-outs fire at their virtual times as httpx's own errors."""
    async with open_virtual_wire(random.Random(1)) as wire:

        async def silent(stream):
            await trio.sleep_forever()

        wire.listen("h", 80, silent)
        timeout = httpx.Timeout(5)
        async with httpx.AsyncClient(
            transport=WireTransport(wire, None, 2), timeout=timeout, trust_env=False
        ) as client:
            began = trio.current_time()
            with pytest.raises(httpx.ReadTimeout):
                await client.get("http://h/")
            assert trio.current_time() - began == pytest.approx(5, abs=0.1)
            with pytest.raises(httpx.ConnectError):
                await client.get("http://nobody/")


async def test_ended_connection_is_readable_on_every_kind_of_stream(autojump_clock):
    """The truth about a dead idle connection, virtual and TCP."""
    async with open_virtual_wire(random.Random(1)) as wire:
        wire.listen("h", 80, answer_all)
        stream = await wire.connect("h", 80, tls=None)
        assert not is_readable(stream)
        wire.connections[0].reset()
        assert is_readable(stream)
        await stream.aclose()
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        client = await open_stream_to_socket_listener(listener)
        server = await listener.accept()
        async with client:
            assert not is_readable(client)
            await server.aclose()
            assert is_readable(client)


def test_tls_is_verified_and_modern():
    """Certificates and host names are checked, nothing below TLS 1.2."""
    context = verified_tls()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
