"""The command table as a litestar application: one route a verb, JSON in and out, every error in one form."""

from __future__ import annotations

import re
import traceback
from typing import Any

import msgspec
import structlog
import trio
from litestar import HttpMethod, Litestar, Request
from litestar.connection import WebSocket
from litestar.exceptions import HTTPException, InternalServerException
from litestar.handlers import HTTPRouteHandler, WebsocketRouteHandler
from litestar.response import Response
from litestar.types import ASGIApp

from engine.control.command import Arguments, Command
from engine.control.desk import Desk, GetDesk
from engine.control.gate import refuse
from engine.control.manual import Manual
from engine.control.metrics_route import metrics_route
from engine.control.openapi import JSON, document
from engine.control.refusal import (
    OTHER,
    USAGE,
    Refusal,
    bad_request,
    no_such_route,
    not_ready,
    overloaded,
    wrong_method,
)
from engine.control.shell import Shell
from engine.control.streaming import (
    ENCODER,
    MAX_STREAMS,
    HttpStream,
    Records,
    resumed,
    stream_messages,
    wants_events,
)
from engine.control.table import TABLE
from engine.errors import EngineError

log = structlog.get_logger()

MAX_BODY_BYTES = 64 * 1024
BODY_BOUND_S = 5.0
"""From a request's head to the end of its body."""


def make_app(desk: GetDesk) -> Litestar:
    """Build the application: the page's shell, the help, the metrics, a route a verb. It starts no thread.

    Streams of records stand at one path for readers of lines, of events (by Accept) and of WebSocket messages.
    """
    places = trio.CapacityLimiter(MAX_STREAMS)
    streams = [command for command in TABLE if command.stream is not None]
    return Litestar(
        route_handlers=[
            *Shell().routes(),
            *Manual().routes(),
            metrics_route(desk),
            _documented(),
            *(_route(command, desk, places) for command in TABLE),
            *(_websocket(command, desk, places) for command in streams),
        ],
        exception_handlers={Exception: complain},
        logging_config=None,
        openapi_config=None,
        request_max_body_size=MAX_BODY_BYTES,
    )


def _documented() -> HTTPRouteHandler:
    body = ENCODER.encode(document(TABLE))

    async def described(request: Request[Any, Any, Any]) -> Response[bytes]:  # noqa: ARG001 - a handler's shape
        return Response(body, media_type=JSON)

    return HTTPRouteHandler("/api/openapi.json", http_method="GET", name="openapi")(described)


def _route(command: Command, desk: GetDesk, places: trio.CapacityLimiter) -> HTTPRouteHandler:
    async def answer(request: Request[Any, Any, Any]) -> Response[bytes]:
        arguments = await _arguments(command, request)
        with trio.move_on_after(command.bound_s):
            assert command.answer is not None  # noqa: S101 - the table's test holds it
            body = ENCODER.encode(await command.answer(desk(), arguments))
            return Response(body, media_type=JSON, headers={"cache-control": "no-store"})
        raise overloaded(f"no answer within {command.bound_s:g} s")

    async def stream(request: Request[Any, Any, Any]) -> ASGIApp:
        records = Records(command, desk(), await _arguments(command, request))
        return HttpStream(records, "events" if wants_events(request) else "lines", places)

    handler = answer if command.stream is None else stream
    route = HTTPRouteHandler(
        command.path.replace("}", ":str}"),
        http_method=HttpMethod(command.method),
        status_code=200,
        name=command.name,
        media_type=JSON,
    )
    return route(handler)


def _websocket(command: Command, desk: GetDesk, places: trio.CapacityLimiter) -> WebsocketRouteHandler:
    async def stream(socket: WebSocket[Any, Any, Any]) -> None:
        try:
            given = _once(socket.query_params.dict())
            records = Records(command, desk(), command.arguments({**given, **socket.path_params}))
            await stream_messages(socket, records, places)
        except Refusal as refusal:
            await refuse(refusal, socket.scope, socket.send)

    return WebsocketRouteHandler(command.path.replace("}", ":str}"), name=f"{command.name}_messages")(stream)


async def _arguments(command: Command, request: Request[Any, Any, Any]) -> Arguments:
    if command.method == "GET":
        members = resumed(command, _once(request.query_params.dict()), request.headers.get("last-event-id"))
    elif command.whole_body:
        members = {command.whole_body: _text(await _body(request))}
    else:
        members = _members(await _body(request))
    return command.arguments({**members, **request.path_params})


def _once(given: dict[str, list[str]]) -> dict[str, Any]:
    doubled = [name for name, values in given.items() if len(values) > 1]
    if doubled:
        raise bad_request("; ".join(f"{name[:80]}: given twice" for name in doubled))
    return {name: values[0] for name, values in given.items()}


async def _body(request: Request[Any, Any, Any]) -> bytes:
    with trio.move_on_after(BODY_BOUND_S):
        try:
            return await request.body()
        except InternalServerException:  # litestar's word for a sender that has gone
            raise bad_request("the body ended before it was whole") from None
    raise Refusal(408, "SLOW_BODY", f"the body took longer than {BODY_BOUND_S:g} s", "send it at once", USAGE)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise bad_request("the body is no UTF-8") from None


def _members(body: bytes) -> dict[str, Any]:
    try:
        members = msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise bad_request(f"the body is no JSON object: {error}") from None
    if empty := [name for name, value in members.items() if value is None]:
        raise bad_request("; ".join(f"{name[:80]}: null: leave it out" for name in empty))
    return members


def complain(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Turn whatever ended a request into the one form of errors. What was not foreseen is logged, not told."""
    refusal = _refusal(error, request.url.path)
    if refusal.status == 500:
        # as text: a logger that shows the locals of every frame would show the request's token among them
        log.error("control.failed", path=request.url.path, trace="".join(traceback.format_exception(error)))
    headers = {name.decode(): value.decode() for name, value in refusal.headers}
    return Response(ENCODER.encode(refusal.complaint), status_code=refusal.status, media_type=JSON, headers=headers)


def _refusal(error: Exception, path: str) -> Refusal:
    match error:
        case Refusal():
            return error
        case HTTPException(status_code=404):
            return no_such_route()
        case HTTPException(status_code=405):
            return wrong_method(_methods(path))
        case HTTPException(status_code=status, detail=detail) if status < 500:
            code = "TOO_LARGE" if status == 413 else "BAD_REQUEST"
            return Refusal(status, code, detail, "GET /api/openapi.json tells what is taken", USAGE)
        case EngineError():
            return Refusal(500, "ENGINE_TROUBLE", f"{type(error).__name__}: {error}", "see the engine's log", OTHER)
        case _:
            return Refusal(500, "UNFORESEEN", "the engine could not carry this out", "see the engine's log", OTHER)


def _methods(path: str) -> list[str]:
    """Return the methods that are served at a path, as RFC 9110 wants them told."""
    served = {command.method for command in TABLE if re.fullmatch(re.sub(r"{\w+}", "[^/]+", command.path), path)}
    return sorted(served) or ["GET"]


def waiting_desk() -> Desk:
    """Stand in for the desk until an engine is attached."""
    raise not_ready("the engine is starting: its links are not complete yet")


def ended_desk() -> Desk:
    """Stand in for the desk once the engine has ended."""
    raise not_ready("the engine has ended")
