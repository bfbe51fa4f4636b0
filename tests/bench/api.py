"""What a question at the door takes under live orders, beside the same server answering the same bytes for nothing."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import trio
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response

from engine.control.connection import Connection
from engine.control.http_server import HttpServer
from engine.control.server import open_control
from engine.control.web_listener import WebSettings
from tests.bench.figures import Section, against, spread
from tests.bench.peer import open_peer
from tests.bench.rig import EngineSubject, open_subject, signal_line

ORDERS, SIGNALS = 200, 100
WARM_UP, ROUNDS = 20, 300
PACE_S = 0.006
"""Between two questions: below what one connection may ask."""
READS = {
    "status": "/api/status",
    "orders": "/api/orders",
    "one bracket": "/api/brackets/{signal}",
    "journal, 100 rows": "/api/journal?after=0&limit=100",
}


async def _times(
    http: httpx.AsyncClient, method: str, paths: list[str], bodies: list[str] | None = None
) -> list[float]:
    seconds = []
    for number, path in enumerate(paths):
        await trio.sleep(PACE_S)
        began_s = time.perf_counter()
        answer = await http.request(method, path, content=bodies[number] if bodies else None)
        seconds.append(time.perf_counter() - began_s)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
    return seconds


@asynccontextmanager
async def _floor(body: bytes) -> AsyncIterator[httpx.AsyncClient]:
    """Serve these bytes and nothing else: the web framework and the server as the door has them."""

    async def echo() -> Response[bytes]:
        return Response(body, media_type="application/json")

    routes = [HTTPRouteHandler("/echo", http_method=["GET", "POST"], status_code=200)(echo)]
    server = HttpServer(Litestar(routes, logging_config=None, openapi_config=None))

    async def take(stream: trio.SocketStream) -> None:
        await server.serve(Connection(stream))

    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, take, 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        port = listener.socket.getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            yield http
        nursery.cancel_scope.cancel()


async def _beside_floor(name: str, http: httpx.AsyncClient, path: str) -> Section:
    body = (await http.get(path)).content
    async with _floor(body) as floor:
        for one, where in ((http, path), (floor, "/echo")):
            await _times(one, "GET", [where] * WARM_UP)
        asked: list[float] = []
        echoed: list[float] = []
        for _ in range(ROUNDS // 50):  # by turns, so that a busy machine is busy for both
            asked += await _times(http, "GET", [path] * 50)
            echoed += await _times(floor, "GET", ["/echo"] * 50)
    said = f"{name}, {len(body):,} bytes"
    return Section(
        f"API under {ORDERS} live orders: {name}", against(spread(said, asked), spread("floor: echo", echoed))
    )


async def _signals(subject: EngineSubject, http: httpx.AsyncClient) -> Section:
    lines = [signal_line(number % ORDERS) for number in range(2 * SIGNALS)]
    async with _floor(b"{}") as floor:
        asked: list[float] = []
        echoed: list[float] = []
        given: list[float] = []
        for at in range(0, SIGNALS, 10):
            asked += await _times(http, "POST", ["/api/signals"] * 10, lines[at : at + 10])
            echoed += await _times(floor, "POST", ["/echo"] * 10, lines[at : at + 10])
            for line in lines[SIGNALS + at : SIGNALS + at + 10]:
                await trio.sleep(PACE_S)
                began_s = time.perf_counter()
                await subject.send(line)
                given.append(time.perf_counter() - began_s)
    floors = (spread("floor: echo", echoed), spread("floor: the same, given in process", given))
    return Section("API: a signal, answered once durable", against(spread("POST /api/signals", asked), *floors))


async def measure(directory: Path) -> list[Section]:
    """Open orders on the peer and ask beside them."""
    async with (
        open_peer(ORDERS, ["power"]) as peer,
        open_control(directory, web=WebSettings(port=0)) as control,
        open_subject(peer, "power", directory, "power") as subject,
    ):
        control.attach(subject.engine)
        names = [await subject.open(signal_line(pair)) for pair in range(ORDERS)]
        access = control.access
        if access is None:
            raise RuntimeError("the door stands on no port")
        headers = {"authorization": f"Bearer {access.token}"}
        async with httpx.AsyncClient(base_url=access.url, headers=headers, trust_env=False) as http:
            paths = {name: path.format(signal=names[0]) for name, path in READS.items()}
            sections = [await _beside_floor(name, http, path) for name, path in paths.items()]
            return [*sections, await _signals(subject, http)]
