"""The command table as a litestar application: one route a verb, JSON in and out, every error in one form."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import msgspec
import structlog
import trio
from litestar import HttpMethod, Litestar, Request
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response
from litestar.types import ASGIApp, Receive, Scope, Send

from engine.control.command import Arguments, Command
from engine.control.desk import Desk
from engine.control.refusal import OTHER, USAGE, Refusal, bad_request, not_ready, overloaded
from engine.control.table import TABLE
from engine.errors import EngineError

log = structlog.get_logger()

MAX_BODY_BYTES = 64 * 1024
MAX_STREAMS = 32

JSON, JSON_LINES = "application/json", "application/x-ndjson"
ENCODER = msgspec.json.Encoder(decimal_format="string")

GetDesk = Callable[[], Desk]
"""Returns the desk of the running engine. Raises Refusal while there is none."""


def make_app(desk: GetDesk) -> Litestar:
    """Build the application. It logs through structlog alone and starts no thread."""
    streams = trio.CapacityLimiter(MAX_STREAMS)
    return Litestar(
        route_handlers=[_route(command, desk, streams) for command in TABLE],
        exception_handlers={Exception: complain},
        logging_config=None,
        openapi_config=None,
        request_max_body_size=MAX_BODY_BYTES,
    )


def _route(command: Command, desk: GetDesk, streams: trio.CapacityLimiter) -> HTTPRouteHandler:
    async def answer(request: Request[Any, Any, Any]) -> Response[bytes]:
        with trio.move_on_after(command.bound_s):
            arguments = await _arguments(command, request)
            assert command.answer is not None  # noqa: S101 - the table's test holds it
            return Response(ENCODER.encode(await command.answer(desk(), arguments)), media_type=JSON)
        raise overloaded(f"no answer within {command.bound_s:g} s")

    async def stream(request: Request[Any, Any, Any]) -> ASGIApp:
        return _Lines(command, desk(), await _arguments(command, request), streams)

    handler = answer if command.stream is None else stream
    route = HTTPRouteHandler(
        command.path.replace("}", ":str}"),
        http_method=HttpMethod(command.method),
        status_code=200,
        name=command.name,
        media_type=JSON,
    )
    return route(handler)


async def _arguments(command: Command, request: Request[Any, Any, Any]) -> Arguments:
    if command.method == "GET":
        given = request.query_params.dict()
        doubled = [name for name, values in given.items() if len(values) > 1]
        if doubled:
            raise bad_request("; ".join(f"{name[:80]}: given twice" for name in doubled))
        members: dict[str, Any] = {name: values[0] for name, values in given.items()}
    else:
        members = _members(await request.body())
    return command.arguments({**members, **request.path_params})


def _members(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise bad_request(f"the body is no JSON object: {error}") from None


class _Lines:
    """Sends a verb's records a line each, until they end or the reader has gone."""

    def __init__(self, command: Command, desk: Desk, arguments: Arguments, streams: trio.CapacityLimiter) -> None:
        self._command, self._desk, self._arguments, self._streams = command, desk, arguments, streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's shape
        try:
            self._streams.acquire_on_behalf_of_nowait(self)
        except trio.WouldBlock:
            raise overloaded(f"{MAX_STREAMS} readers follow already") from None
        try:
            headers = [(b"content-type", JSON_LINES.encode()), (b"cache-control", b"no-store")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async with trio.open_nursery() as stream_nursery:
                stream_nursery.start_soon(_until_gone, receive, stream_nursery.cancel_scope)
                await self._send_all(send)
                stream_nursery.cancel_scope.cancel("all was sent")
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._streams.release_on_behalf_of(self)

    async def _send_all(self, send: Send) -> None:
        assert self._command.stream is not None  # noqa: S101 - the table's test holds it
        async with aclosing(self._command.stream(self._desk, self._arguments)) as records:
            async for record in records:
                line = ENCODER.encode(record) + b"\n"
                await send({"type": "http.response.body", "body": line, "more_body": True})


async def _until_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel("the reader has gone")


def complain(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Turn whatever ended a request into the one form of errors. What was not foreseen is logged, not told."""
    refusal = _refusal(error)
    if refusal.status == 500:
        log.error("control.failed", path=request.url.path, exc_info=error)
    return Response(ENCODER.encode(refusal.complaint), status_code=refusal.status, media_type=JSON)


def _refusal(error: Exception) -> Refusal:
    match error:
        case Refusal():
            return error
        case HTTPException(status_code=status, detail=detail) if status < 500:
            code = {404: "NO_SUCH_ROUTE", 405: "WRONG_METHOD", 413: "TOO_LARGE"}.get(status, "BAD_REQUEST")
            return Refusal(status, code, detail, "the verbs and their parameters stand in --help", USAGE)
        case EngineError():
            return Refusal(500, "ENGINE_TROUBLE", f"{type(error).__name__}: {error}", "see the engine's log", OTHER)
        case _:
            return Refusal(500, "UNFORESEEN", "the engine could not carry this out", "see the engine's log", OTHER)


def waiting_desk() -> Desk:
    """Stand in for the desk until an engine is attached."""
    raise not_ready("the engine is starting: its links are not complete yet")


def ended_desk() -> Desk:
    """Stand in for the desk once the engine has ended."""
    raise not_ready("the engine has ended")
