"""A verb's records on the way out: JSON lines, server-sent events or WebSocket messages, each with its offset.

Nothing is queued here for a reader: what it has not taken lies in the journal. One that takes nothing for WRITE_BOUND_S
is cut off by its connection, and resumes with ``after`` (or ``Last-Event-ID``) behind the last offset it saw.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, Literal

import msgspec
import trio
from litestar import Request
from litestar.connection import WebSocket
from litestar.types import Receive, Scope, Send

from engine.control.command import Arguments, Command
from engine.control.desk import Desk
from engine.control.refusal import bad_request, overloaded

MAX_STREAMS = 32
ALIVE_EVERY_S = 10.0
"""How often a silent stream of events says that it lives: by it either side notices that the other has gone."""
RETRY_MS = 1000
NORMAL_END = 1001
"""The close code of a WebSocket whose records have ended: going away, as RFC 6455 has it."""

JSON_LINES, EVENTS = "application/x-ndjson", "text/event-stream"
SUBPROTOCOL = "kraken-order-engine.v1"
ENCODER = msgspec.json.Encoder(decimal_format="string")

Give = Callable[[bytes], Awaitable[None]]


class End(msgspec.Struct, frozen=True):
    """The last thing on a stream that ended in order. ``after`` is where a later one resumes."""

    after: int | None
    why: str = "the engine has ended, or all was sent"


class Records:
    """The records of one stream and the place behind the last one that went out."""

    def __init__(self, command: Command, desk: Desk, arguments: Arguments) -> None:
        self._command, self._desk, self._arguments = command, desk, arguments
        given = arguments.get("after")
        self.after = given if isinstance(given, int) else None

    async def each(self, give: Callable[[Any], Awaitable[None]]) -> None:
        """Hand every record over, until they end."""
        assert self._command.stream is not None  # noqa: S101 - the table's test holds it
        async with aclosing(self._command.stream(self._desk, self._arguments)) as records:
            async for record in records:
                await give(record)
                self.after = getattr(record, "offset", self.after)


class HttpStream:
    """An ASGI response that sends records as lines or as events until they end or the reader has gone."""

    def __init__(self, records: Records, kind: Literal["lines", "events"], places: trio.CapacityLimiter) -> None:
        self._records, self._kind, self._places = records, kind, places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's shape
        """Send everything. Raises Refusal, before anything was sent, when there is no place."""
        take_place(self._places, self)
        try:
            media_type = JSON_LINES if self._kind == "lines" else EVENTS
            headers = [(b"content-type", media_type.encode()), (b"cache-control", b"no-store")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async with trio.open_nursery() as stream_nursery:
                stream_nursery.start_soon(_until_gone, receive, stream_nursery.cancel_scope)
                await (self._lines(send) if self._kind == "lines" else self._events(send, stream_nursery))
                stream_nursery.cancel_scope.cancel("all was sent")
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._places.release_on_behalf_of(self)

    async def _lines(self, send: Send) -> None:
        async def give(record: Any) -> None:
            await _body(send, ENCODER.encode(record) + b"\n")

        await self._records.each(give)

    async def _events(self, send: Send, stream_nursery: trio.Nursery) -> None:
        async def give(record: Any) -> None:
            offset = getattr(record, "offset", None)
            mark = b"" if offset is None else b"id: %d\n" % offset
            await _body(send, b"%sdata: %s\n\n" % (mark, ENCODER.encode(record)))

        await _body(send, b"retry: %d\n\n" % RETRY_MS)
        stream_nursery.start_soon(_stay_alive, send)
        await self._records.each(give)
        await _body(send, b"event: end\ndata: %s\n\n" % ENCODER.encode(End(self._records.after)))


async def _stay_alive(send: Send) -> None:
    while True:
        await trio.sleep(ALIVE_EVERY_S)
        await _body(send, b": alive\n\n")


async def _body(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _until_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass  # whatever else a reader says here means nothing
    scope.cancel("the reader has gone")


async def stream_messages(socket: WebSocket[Any, Any, Any], records: Records, places: trio.CapacityLimiter) -> None:
    """Send records as text messages over a WebSocket that is still to be accepted. Raises Refusal before that."""
    place = object()
    take_place(places, place)
    try:
        await socket.receive()  # its connect
        spoken = SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None
        await socket.send({"type": "websocket.accept", "subprotocol": spoken, "headers": []})

        async def give(record: Any) -> None:
            await socket.send({"type": "websocket.send", "bytes": None, "text": ENCODER.encode(record).decode()})

        async with trio.open_nursery() as stream_nursery:
            stream_nursery.start_soon(_until_gone, socket.receive, stream_nursery.cancel_scope)
            await records.each(give)
            stream_nursery.cancel_scope.cancel("all was sent")
            reason = f"after={records.after}" if records.after is not None else "end"
            await socket.send({"type": "websocket.close", "code": NORMAL_END, "reason": reason})
    finally:
        places.release_on_behalf_of(place)


def take_place(places: trio.CapacityLimiter, borrower: object) -> None:
    """Take one of the places for readers. Raises Refusal when all are taken."""
    try:
        places.acquire_on_behalf_of_nowait(borrower)
    except trio.WouldBlock:
        raise overloaded(f"{MAX_STREAMS} readers follow already") from None


def wants_events(request: Request[Any, Any, Any]) -> bool:
    """Tell whether a reader asked for events, as EventSource does."""
    return EVENTS in request.headers.get("accept", "")


def resumed(command: Command, given: dict[str, Any], last_event_id: str | None) -> dict[str, Any]:
    """Add the place that an EventSource says it has reached; its header wins over the address it once connected to.

    Raises Refusal for one that is no number.
    """
    if last_event_id is None or all(parameter.name != "after" for parameter in command.parameters):
        return given
    if not (last_event_id.isascii() and last_event_id.isdecimal()):
        raise bad_request("Last-Event-ID: must be a whole number")
    return {**given, "after": last_event_id}
