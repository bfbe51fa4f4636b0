"""The door under abuse: too large, too slow, too often, too many. What is left is always the way for a kill."""

from __future__ import annotations

import contextlib
import socket

import httpx
import pytest
import trio

from engine.control.server import MAX_CONNECTIONS
from engine.control.throttle import Bucket
from tests.control.conftest import FIRST, Live, signal

pytestmark = pytest.mark.tcp


async def _connect(live: Live) -> trio.SocketStream:
    host, _, port = live.control.access.url.removeprefix("http://").partition(":")
    return await trio.open_tcp_stream(host, int(port))


def _head(live: Live, method: str, path: str, *more: str) -> bytes:
    access = live.control.access
    lines = (f"{method} {path} HTTP/1.1", f"host: {access.url.removeprefix('http://')}", *more)
    return "".join(f"{line}\r\n" for line in (*lines, f"authorization: Bearer {access.token}")).encode() + b"\r\n"


async def _rest(stream: trio.SocketStream) -> bytes:
    """Read until the door closes."""
    try:
        return b"".join([part async for part in stream])
    except trio.BrokenResourceError:
        return b""


async def test_bodies_and_heads_beyond_their_bounds_are_refused(open_live):
    """By what they announce and by what they turn out to be; the connection ends, the door stands."""
    async with open_live() as live, live.web() as http:
        announced = await http.post("/api/halt", content=b"x" * 70_000)
        assert (announced.status_code, announced.json()["code"]) == (413, "TOO_LARGE")

        async def pieces():
            for _ in range(70):
                yield b"x" * 1000

        grown = await http.post("/api/signals", content=pieces())
        assert (grown.status_code, grown.json()["code"]) == (413, "TOO_LARGE")
        async with await _connect(live) as stream:
            await stream.send_all(_head(live, "GET", "/api/status", "connection: close", f"x-a: {'y' * 20_000}"))
            answer = await _rest(stream)
            assert answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400")), answer
        async with await _connect(live) as stream:
            await stream.send_all(_head(live, "GET", f"/api/status?{'z' * 20_000}", "connection: close"))
            answer = await _rest(stream)
            assert answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400")), answer
        assert (await http.get("/api/status")).status_code == 200


async def _dribble(stream: trio.SocketStream) -> None:
    """Send one header line after another until the door closes."""
    with contextlib.suppress(trio.BrokenResourceError):
        while True:
            await stream.send_all(b"x-a: b\r\n")
            with trio.move_on_after(0.05):
                if not await stream.receive_some():
                    return


async def test_who_sends_slowly_is_cut_off(open_live, monkeypatch):
    """A head that dribbles in ends with its connection; a body that does is answered 408."""
    monkeypatch.setattr("engine.control.http_server.IDLE_BOUND_S", 0.3)
    monkeypatch.setattr("engine.control.app.BODY_BOUND_S", 0.3)
    async with open_live() as live:
        async with await _connect(live) as stream:
            await stream.send_all(b"GET /api/status HTTP/1.1\r\n")
            with trio.fail_after(5):
                await _dribble(stream)
        async with await _connect(live) as stream:
            await stream.send_all(_head(live, "POST", "/api/halt", "content-length: 50") + b'{"reason"')
            with trio.fail_after(5):
                answer = await _rest(stream)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"SLOW_BODY" in answer
        assert live.engine.services.trading.view().state == "ACTIVE"


async def test_a_reader_that_takes_nothing_is_cut_off_and_resumes_by_offset(open_live, monkeypatch):
    """Its place and its subscription come free; behind its last offset nothing is missing."""
    monkeypatch.setattr("engine.control.connection.WRITE_BOUND_S", 0.3)
    async with open_live() as live:
        for number in range(20):
            await live.engine.submit(signal(f"{number:08x}-1111-4111-8111-111111111111"))
        stream = await _connect(live)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        await live.until(lambda: bool(_web_connections(live)))
        _web_connections(live)[0].socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        await stream.send_all(_head(live, "GET", "/api/reports?follow=true&after=0"))
        await live.until(lambda: bool(live.engine.services.bus.subscribers) or not _web_connections(live))
        await live.until(lambda: not _web_connections(live))
        await live.until(lambda: live.engine.services.bus.subscribers == 0)
        await stream.aclose()
        async with live.web() as http:
            lines = (await http.get("/api/reports?after=0")).text.splitlines()
        assert len(lines) >= 40


def _web_connections(live: Live) -> list:
    return [connection for door in live.control.doors[1:] for connection in door.connections]


async def test_a_flood_of_reads_is_slowed_and_a_kill_gets_through(open_live, monkeypatch):
    """429 with Retry-After for the flood; the halt on the same connection passes; another connection reads on."""
    monkeypatch.setattr("engine.control.throttle.CONNECTION_PER_S", 0.01)
    monkeypatch.setattr("engine.control.throttle.CONNECTION_BURST", 20)
    async with open_live() as live:
        async with live.web() as flood, live.web() as other:
            codes = [await flood.get("/api/links") for _ in range(30)]  # one after another: one connection
            assert [answer.status_code for answer in codes] == [200] * 20 + [429] * 10
            refused = [answer for answer in codes if answer.status_code == 429]
            assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
            assert refused[0].json()["retryable"] is True
            assert (await flood.post("/api/halt", json={"reason": "a flood"})).status_code == 200
            assert (await other.get("/api/status")).status_code == 200
        assert live.engine.services.trading.view().state == "HALTED"


async def test_even_kills_are_bounded(open_live, monkeypatch):
    """Their reserve is a number too: what is beyond it shares the common bound."""
    for name, number in (("CONNECTION", 20), ("RESERVE", 10)):
        monkeypatch.setattr(f"engine.control.throttle.{name}_PER_S", 0.01)
        monkeypatch.setattr(f"engine.control.throttle.{name}_BURST", number)
    async with open_live() as live, live.web() as http:
        codes = [(await http.post("/api/cancel", json={"all": True})).status_code for _ in range(35)]
        assert codes == [200] * 30 + [429] * 5


def test_a_bucket_fills_up_again(autojump_clock):
    """So many at once, then as many as flow in; never more than it holds."""

    async def draw() -> list[float]:
        bucket = Bucket(per_s=2, burst=3)
        waits = [bucket.take() for _ in range(4)]
        await trio.sleep(0.5)
        waits += [bucket.take(), bucket.take()]
        await trio.sleep(3600)
        return [*waits, *(bucket.take() for _ in range(4))]

    assert trio.run(draw, clock=autojump_clock) == [0, 0, 0, 0.5, 0, 0.5, 0, 0, 0, 0.5]


async def test_connections_without_a_token_give_way(open_live):
    """However many stand there idle, who has the token gets in, and the Unix socket has places of its own."""
    async with open_live() as live:
        idle = [await _connect(live) for _ in range(MAX_CONNECTIONS + 20)]
        async with live.web() as http:
            assert (await http.get("/api/status")).status_code == 200
            more = [await _connect(live) for _ in range(MAX_CONNECTIONS + 20)]
            await trio.sleep(0.1)
            assert len(_web_connections(live)) <= MAX_CONNECTIONS
            assert (await http.post("/api/halt", json={"reason": "still here"})).status_code == 200, "it was kept"
        for stream in (*idle, *more):
            await stream.aclose()


async def test_a_kill_needs_no_token_store(open_live, data_dir):
    """The access file cannot be written: the socket halts, and so does TCP with the link that was printed."""
    (data_dir / "control.access").mkdir()
    async with open_live() as live:
        await live.engine.submit(signal())
        await live.until(lambda: bool(live.exchange.truth.orders))
        transport = httpx.AsyncHTTPTransport(uds=str(live.control.path))
        async with httpx.AsyncClient(transport=transport, base_url="http://engine") as by_socket:
            halted = await by_socket.post("/api/halt", json={"reason": "no token anywhere"})
        assert (halted.status_code, halted.json()["entries"]) == (200, [FIRST])
        async with live.web(token=live.control.link.partition("#token=")[2]) as by_link:
            assert (await by_link.post("/api/cancel", json={"all": True})).status_code == 200
