"""The client that blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator
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


class Client(Verbs[Answer]):
    """Asks one engine. Make it with ``on`` (the engine of a data directory) or with an address and its token.

    Leave the block, or ``disconnect()``, to end its connections. One thread at a time may use it.
    """

    def __init__(self, url: str, token: str = "", *, socket: str | None = None) -> None:
        self._place = Place(url, token, socket)
        self._places: Places = lambda: self._place
        self._http = _open(self._place)

    @classmethod
    def on(cls, data_dir: str | os.PathLike[str]) -> Client:
        """Return a client of the engine on this data directory; after a restart it is found again.

        Raises Unreachable when none runs there.
        """
        place = find_place(data_dir)
        client = cls(place.url, place.token, socket=place.socket)
        client._places = lambda: find_place(data_dir)
        return client

    def _ask(self, ask: Ask) -> Answer:
        self._find_again()
        try:
            response = self._http.send(ask.build(self._http))
        except httpx.TransportError as error:
            raise unreachable(error) from error
        return read_answer(response)

    def _find_again(self) -> None:
        """Look where the engine stands: after a restart it may be elsewhere, and has another token."""
        place = self._places()
        if place != self._place:
            old, self._http, self._place = self._http, _open(place), place
            old.close()

    def reports(self, after: int = 0, *, for_ever: bool = False) -> Iterator[Answer]:
        """Yield execution reports behind the offset ``after``, each once and in order, until the engine ends.

        A lost connection is made anew behind the last report. With ``for_ever`` an engine that is away, or has ended,
        is waited for. Raises Refused when it will not, Unreachable when it stays away.
        """
        return self._records("/api/reports?follow=true", Reading(after), for_ever=for_ever)

    def money(self, *, for_ever: bool = False) -> Iterator[Answer]:
        """Yield positions and balances whole, then each change. After a lost connection they come whole again."""
        return self._records("/api/money", Reading(None), for_ever=for_ever)

    def board_stream(self, symbol: str | None = None, *, for_ever: bool = False) -> Iterator[Answer]:
        """Yield what the dashboard shows, whole and then as it changes; with ``symbol`` its book and trades too."""
        chosen = "" if symbol is None else f"?symbol={in_path(symbol)}"
        return self._records(f"/api/board/stream{chosen}", Reading(None), for_ever=for_ever)

    def _records(self, path: str, reading: Reading, *, for_ever: bool) -> Iterator[Answer]:
        failures = 0
        while True:
            try:
                for record in self._connected(path, reading):
                    failures = 0
                    yield record
                if reading.ended and not for_ever:
                    return
            except (httpx.TransportError, Unreachable, Refused) as error:
                failures += 1
                if not _passes(error) or (failures > TRIES and not for_ever):
                    raise (unreachable(error) if isinstance(error, httpx.TransportError) else error) from error
            pause_s = min(PAUSE_FIRST_S * 2 ** min(failures, 10), PAUSE_MOST_S)
            httpcore.SyncBackend().sleep(pause_s)  # httpx's own: there is no clock on this floor

    def _connected(self, path: str, reading: Reading) -> Iterator[Answer]:
        """Yield what one connection brings, which is this stream's alone."""
        with (
            _open(self._places()) as http,
            http.stream("GET", path, headers=reading.headers, timeout=_STREAM) as response,
        ):
            if response.status_code != 200:
                content = response.read()
                raise refused(response.status_code, content, response.headers.get("retry-after"))
            reading.begin()
            for line in response.iter_lines():
                yield from reading.take(line)

    def disconnect(self) -> None:
        """End its connections."""
        self._http.close()

    def __enter__(self) -> Client:
        """Enter; nothing is asked yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End its connections."""
        self.disconnect()


_STREAM = httpx.Timeout(SILENCE_BOUND_S, connect=CONNECT_BOUND_S)


def _passes(error: Exception) -> bool:
    return isinstance(error, httpx.TransportError) or getattr(error, "retryable", False)


def _open(place: Place) -> httpx.Client:
    headers = {"authorization": f"Bearer {place.token}"} if place.token else {}
    transport = httpx.HTTPTransport(uds=place.socket)
    return httpx.Client(base_url=place.url, headers=headers, transport=transport, trust_env=False)
