"""The door under abuse: too large, too slow, too often, too many. What is left is always the way for a kill."""

from __future__ import annotations

import contextlib
import json
import socket

import httpx
import pytest
import structlog
import trio

from engine.control.pace import Pace
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


async def test_a_head_that_dribbles_in_is_cut_off(open_live, monkeypatch):
    """It ends with its connection."""
    monkeypatch.setattr("engine.control.http_server.IDLE_BOUND_S", 0.3)
    async with open_live() as live, await _connect(live) as stream:
        await stream.send_all(b"GET /api/status HTTP/1.1\r\n")
        await _dribble(stream)


async def test_a_body_that_dribbles_in_is_answered_408(open_live, monkeypatch):
    """And nothing is done."""
    monkeypatch.setattr("engine.control.app.BODY_BOUND_S", 0.3)
    async with open_live() as live:
        async with await _connect(live) as stream:
            await stream.send_all(_head(live, "POST", "/api/halt", "content-length: 50") + b'{"reason"')
            answer = await _rest(stream)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"SLOW_BODY" in answer
        assert live.engine.services.trading.view().state == "ACTIVE"


async def test_who_leaves_in_the_middle_of_a_body_is_no_fault_of_ours(open_live):
    """Nothing is done, nothing is logged as unforeseen, and no log line holds the token."""
    async with open_live() as live:
        with structlog.testing.capture_logs() as logs:
            async with await _connect(live) as stream:
                await stream.send_all(_head(live, "POST", "/api/halt", "content-length: 50") + b'{"reason"')
                await live.until(lambda: any(one.admitted for one in _web_connections(live)))
            await live.until(lambda: not _web_connections(live))
        assert [line for line in logs if line["event"].startswith("control.")] == []
        assert live.control.access.token not in repr(logs)
        assert live.engine.services.trading.view().state == "ACTIVE"


async def test_what_breaks_a_connection_is_logged_by_its_name_alone(open_live):
    """A header that the library cannot read ends its connection; its text, which may hold a token, goes nowhere."""
    upgrade = ("connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13")
    key = "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=="
    async with open_live() as live:
        with structlog.testing.capture_logs() as logs:
            async with await _connect(live) as stream:
                head = _head(live, "GET", "/api/reports", *upgrade, key, "sec-websocket-protocol: bearer.@")
                await stream.send_all(head.replace(b"@", b"\xff" + live.control.access.token.encode()))
                assert await _rest(stream) == b""
            await live.until(lambda: not _web_connections(live))
            await live.until(lambda: any(line["event"] == "control.connection_failed" for line in logs))
        (said,) = [line for line in logs if line["event"] == "control.connection_failed"]
        assert (said["errors"], said["log_level"]) == (["UnicodeDecodeError"], "debug")
        assert live.control.access.token not in repr(logs)


async def test_a_reader_that_takes_nothing_is_cut_off_and_resumes_by_offset(open_live, monkeypatch):
    """Its place and its subscription come free; behind its last offset nothing is missing."""
    async with open_live() as live:
        for number in range(20):
            await live.engine.submit(signal(f"{number:08x}-1111-4111-8111-111111111111"))
        bus = live.engine.services.bus
        await live.until(lambda: not bus.waiting)
        stream = await _connect(live)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        await live.until(lambda: bool(_web_connections(live)))
        _web_connections(live)[0].socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        with monkeypatch.context() as impatient:
            impatient.setattr("engine.control.connection.WRITE_BOUND_S", 0.3)
            await stream.send_all(_head(live, "GET", "/api/reports?follow=true&after=0"))
            await live.until(lambda: bool(bus.subscribers) or not _web_connections(live))
            await live.until(lambda: not _web_connections(live))
            await live.until(lambda: bus.subscribers == 0)
        told = bus.published
        await stream.aclose()
        async with live.web() as http:
            lines = (await http.get("/api/reports?after=0")).text.splitlines()
            offsets = [json.loads(line)["offset"] for line in lines]
            rest = (await http.get(f"/api/reports?after={offsets[9]}")).text.splitlines()
        assert len(offsets) >= told >= 20
        assert offsets == sorted(set(offsets))
        assert rest[: told - 10] == lines[10:told]


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


async def test_strangers_take_nothing_from_who_has_the_token(open_live, monkeypatch):
    """Beyond their pace they are sent away, for the shell, the metrics and refusals alike; others are not."""
    monkeypatch.setattr("engine.control.gate.STRANGERS_PER_S", 0.001)
    monkeypatch.setattr("engine.control.gate.STRANGERS_BURST", 4)
    monkeypatch.setattr("engine.control.throttle.DOOR_PER_S", 0.001)
    monkeypatch.setattr("engine.control.throttle.DOOR_BURST", 3)
    async with open_live() as live, live.web(token="") as stranger, live.web() as http:
        paths = ("/", "/metrics/", "/static/nothing", "/api/status") * 2
        codes = [(await stranger.get(path)).status_code for path in paths]
        assert codes == [200, 200, 404, 401, 429, 429, 429, 429]
        assert [(await http.get(path)).status_code for path in ("/api/status", "/", "/metrics/")] == [200] * 3


async def test_metrics_are_made_at_most_twice_a_second(open_live, monkeypatch):
    """Whoever asks for them, and in whatever words: what an Accept header says further is not looked at."""
    monkeypatch.setattr("engine.control.metrics_route.FRESH_S", 3600)
    async with open_live() as live, live.web(token="") as http:
        words = ("", "text/plain; version=x", "text/plain;version=9.9.9")
        plain = [await http.get("/metrics/", headers={"accept": one}) for one in words]
        open_form = [await http.get("/metrics", headers={"accept": f"application/openmetrics-text; version={n}"})
                     for n in ("abc", "1.0.0")]  # fmt: skip
        for answers in (plain, open_form):
            assert {answer.status_code for answer in answers} == {200}
            assert len({(answer.headers["content-type"], answer.content) for answer in answers}) == 1


def test_a_pace_is_kept_after_the_burst(autojump_clock):
    """Three at once, then one each half second, nobody behind a whole second; after a while there is a burst again."""

    async def draw() -> list[float]:
        pace, start_s = Pace(per_s=2, burst=3, wait_s=1), trio.current_time()
        went: list[float] = []

        async def go() -> None:
            went.append(trio.current_time() - start_s if await pace.turn() else -1)

        for _ in range(2):
            async with trio.open_nursery() as nursery:
                for _ in range(6):
                    nursery.start_soon(go)
            await trio.sleep(3600)
            start_s = trio.current_time()
        return sorted(went)

    assert trio.run(draw, clock=autojump_clock) == [-1, -1, 0, 0, 0, 0, 0, 0, 0.5, 0.5, 1.0, 1.0]


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
            await live.until(lambda: len(_web_connections(live)) == MAX_CONNECTIONS)
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
        async with httpx.AsyncClient(transport=transport, base_url="http://engine", timeout=None) as by_socket:
            halted = await by_socket.post("/api/halt", json={"reason": "no token anywhere"})
        assert (halted.status_code, halted.json()["entries"]) == (200, [FIRST])
        async with live.web(token=live.control.link.partition("#token=")[2]) as by_link:
            assert (await by_link.post("/api/cancel", json={"all": True})).status_code == 200
