"""The client that awaits, on asyncio or trio."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing, asynccontextmanager, suppress
from types import TracebackType

import httpcore
import httpx

from engine.client.errors import Refused, Unreachable, refused
from engine.client.place import Place, Places, find_place
from engine.client.request import (
    CONNECT_BOUND_S,
    PAUSE_FIRST_S,
    PAUSE_MOST_S,
    SILENCE_BOUND_S,
    TRIES,
    Answer,
    Ask,
    Reading,
    in_path,
    read_answer,
    unreachable,
)
from engine.client.verbs import Verbs


class AsyncClient(Verbs[Awaitable[Answer]]):
    """Asks one engine. Make it with ``on`` (the engine of a data directory) or with an address and its token.

    Leave the block, or ``disconnect()``, to end its connections. Tasks may ask at the same time.
    """

    def __init__(self, url: str, token: str = "", *, socket: str | None = None) -> None:
        self._place = Place(url, token, socket)
        self._places: Places = lambda: self._place
        self._http = _open(self._place)

    @classmethod
    def on(cls, data_dir: str | os.PathLike[str]) -> AsyncClient:
        """Return a client of the engine on this data directory; after a restart it is found again.

        Raises Unreachable when none runs there.
        """
        place = find_place(data_dir)
        client = cls(place.url, place.token, socket=place.socket)
        client._places = lambda: find_place(data_dir)
        return client

    async def _ask(self, ask: Ask) -> Answer:
        await self._find_again()
        try:
            response = await self._http.send(ask.build(self._http))
        except httpx.TransportError as error:
            raise unreachable(error) from error
        return read_answer(response)

    async def _find_again(self) -> None:
        """Look where the engine stands: after a restart it may be elsewhere, and has another token."""
        place = self._places()
        if place != self._place:
            old, self._http, self._place = self._http, _open(place), place
            await old.aclose()

    def reports(self, after: int = 0, *, for_ever: bool = False) -> AsyncGenerator[Answer, None]:
        """Yield execution reports behind the offset ``after``, each once and in order, until the engine ends.

        A lost connection is made anew behind the last report. With ``for_ever`` an engine that is away, or has ended,
        is waited for. Raises Refused when it will not, Unreachable when it stays away.

        To leave it early wrap it: ``async with aclosing(client.reports()) as reports``.
        """
        return self._records("/api/reports?follow=true", Reading(after), for_ever=for_ever)

    def money(self, *, for_ever: bool = False) -> AsyncGenerator[Answer, None]:
        """Yield positions and balances whole, then each change. After a lost connection they come whole again."""
        return self._records("/api/money", Reading(None), for_ever=for_ever)

    def board_stream(self, symbol: str | None = None, *, for_ever: bool = False) -> AsyncGenerator[Answer, None]:
        """Yield what the dashboard shows, whole and then as it changes; with ``symbol`` its book and trades too."""
        chosen = "" if symbol is None else f"?symbol={in_path(symbol)}"
        return self._records(f"/api/board/stream{chosen}", Reading(None), for_ever=for_ever)

    async def _records(self, path: str, reading: Reading, *, for_ever: bool) -> AsyncGenerator[Answer, None]:
        failures = 0
        while True:
            try:
                async with aclosing(self._connected(path, reading)) as records:
                    async for record in records:
                        failures = 0
                        yield record
                if reading.ended and not for_ever:
                    return
            except (httpx.TransportError, Unreachable, Refused) as error:
                failures += 1
                if not _passes(error) or (failures > TRIES and not for_ever):
                    raise (unreachable(error) if isinstance(error, httpx.TransportError) else error) from error
            pause_s = min(PAUSE_FIRST_S * 2 ** min(failures, 10), PAUSE_MOST_S)
            await httpcore.AnyIOBackend().sleep(pause_s)  # httpx's own: it knows asyncio from trio

    async def _connected(self, path: str, reading: Reading) -> AsyncGenerator[Answer, None]:
        """Yield what one connection brings, which is this stream's alone."""
        async with (
            _open(self._places()) as http,
            http.stream("GET", path, headers=reading.headers, timeout=_STREAM) as response,
        ):
            if response.status_code != 200:
                content = await response.aread()
                raise refused(response.status_code, content, response.headers.get("retry-after"))
            reading.begin()
            async with _lines(response) as lines:
                async for line in lines:
                    for record in reading.take(line):
                        yield record

    async def disconnect(self) -> None:
        """End its connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        """Enter; nothing is asked yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End its connections."""
        await self.disconnect()


@asynccontextmanager
async def _lines(response: httpx.Response) -> AsyncIterator[AsyncIterator[str]]:
    """Read lines. httpx reads through a tower of generators: closed from below, each of them comes to its end."""
    lines = response.aiter_lines()
    try:
        yield lines
    finally:
        await response.aclose()
        with suppress(httpx.TransportError, httpx.StreamError):
            async for _ in lines:
                pass


_STREAM = httpx.Timeout(SILENCE_BOUND_S, connect=CONNECT_BOUND_S)


def _passes(error: Exception) -> bool:
    return isinstance(error, httpx.TransportError) or getattr(error, "retryable", False)


def _open(place: Place) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {place.token}"} if place.token else {}
    transport = httpx.AsyncHTTPTransport(uds=place.socket)
    return httpx.AsyncClient(base_url=place.url, headers=headers, transport=transport, trust_env=False)
