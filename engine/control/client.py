"""Knocking at the door: the command table called over a Unix socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import trio

from engine.control.command import Arguments, Command
from engine.control.place import find_socket
from engine.control.refusal import Complaint, Refusal, no_engine

CONNECT_BOUND_S = 3.0
BEHIND_S = 10.0
"""How much longer than the door we wait: it is the one to say that there is no answer."""
LINES_AHEAD = 256
"""Lines of a stream held for a reader that is slower than the socket."""


class ControlClient:
    """Calls verbs of one running engine. Every method raises Refusal with what the engine, or its absence, says."""

    def __init__(self, http: httpx.AsyncClient, where: str) -> None:
        self._http, self._where = http, where

    async def call(self, command: Command, arguments: Arguments) -> Any:
        """Carry out a verb and return its result, as the table types it."""
        request = self._request(command, arguments)
        try:
            response = await self._http.send(request)
        except httpx.TransportError as error:
            raise self._unanswered(error) from error
        if response.status_code != 200:
            raise _refusal(response.status_code, response.content)
        return msgspec.json.decode(response.content, type=command.result)

    @asynccontextmanager
    async def stream(self, command: Command, arguments: Arguments) -> AsyncIterator[trio.MemoryReceiveChannel[Any]]:
        """Receive a verb's records until the stream ends; leave the block to stop earlier."""
        send, receive = trio.open_memory_channel[Any](LINES_AHEAD)
        async with trio.open_nursery() as stream_nursery:
            pump = _Pump(self._http, self._request(command, arguments, endless=True), command, send)
            stream_nursery.start_soon(pump.run)
            async with receive:
                yield receive
            stream_nursery.cancel_scope.cancel("no more is wanted")
        refusal = pump.refusal or (self._unanswered(pump.error) if pump.error is not None else None)
        if refusal is not None:
            raise refusal

    def _request(self, command: Command, arguments: Arguments, *, endless: bool = False) -> httpx.Request:
        apart = {name: value for name, value in arguments.items() if name not in command.in_path}
        timeout = httpx.Timeout(None if endless else command.bound_s + BEHIND_S, connect=CONNECT_BOUND_S)
        if command.method == "GET":
            return self._http.build_request("GET", command.url(arguments), params=apart, timeout=timeout)
        if command.whole_body:
            text = str(arguments[command.whole_body])
            return self._http.build_request(command.method, command.url(arguments), content=text, timeout=timeout)
        return self._http.build_request(command.method, command.url(arguments), json=apart, timeout=timeout)

    def _unanswered(self, error: httpx.TransportError) -> Refusal:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return no_engine(self._where)
        said = f"the engine on {self._where} gave no answer: {type(error).__name__}"
        return Refusal(503, "NO_ANSWER", said, "status tells whether it still runs; a command may have been done", 1)


class _Pump:
    """Reads a response's lines into a channel; a task of its own, so that whoever reads may stop at any line."""

    def __init__(
        self, http: httpx.AsyncClient, request: httpx.Request, command: Command, lines: trio.MemorySendChannel[Any]
    ) -> None:
        self._http, self._request, self._command, self._lines = http, request, command, lines
        self.refusal: Refusal | None = None
        self.error: httpx.TransportError | None = None

    async def run(self) -> None:
        async with self._lines:
            try:
                response = await self._http.send(self._request, stream=True)
            except httpx.TransportError as error:
                self.error = error
                return
            try:
                await self._read(response)
            except httpx.TransportError as error:
                self.error = error
            finally:
                with trio.move_on_after(1, shield=True):
                    await response.aclose()

    async def _read(self, response: httpx.Response) -> None:
        if response.status_code != 200:
            self.refusal = _refusal(response.status_code, await response.aread())
            return
        lines = response.aiter_lines()
        try:
            async for line in lines:
                await self._lines.send(msgspec.json.decode(line, type=self._command.result))
        finally:
            # httpx reads through a tower of generators; one left half-read is complained of when it is collected.
            # A read that is cancelled at once unwinds the tower from below.
            with trio.CancelScope(shield=True) as unwinding:
                unwinding.cancel("no more is wanted")
                async for _ in lines:
                    pass


def _refusal(status: int, content: bytes) -> Refusal:
    try:
        complaint = msgspec.json.decode(content, type=Complaint)
    except msgspec.DecodeError:
        complaint = Complaint("NO_SENSE", f"the engine answered {status}", "see the engine's log", 1)
    return Refusal(status, complaint.code, complaint.message, complaint.what_to_do, complaint.exit)


@asynccontextmanager
async def open_client(data_dir: Path) -> AsyncIterator[ControlClient | None]:
    """Give a client of the engine on this data directory, or None when it has left no door.

    A door left by a killed engine looks like one until the first call, which then raises Refusal (NO_ENGINE).
    """
    socket = find_socket(data_dir)
    if socket is None:
        yield None
        return
    transport = httpx.AsyncHTTPTransport(uds=str(socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://engine", trust_env=False) as http:
        yield ControlClient(http, str(data_dir))
