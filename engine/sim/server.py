"""One handler for both doors on any byte stream: a WebSocket upgrade at ``/v2``, REST for everything else."""

from __future__ import annotations

from http import HTTPStatus

import h11
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from engine.sim.control import Control, forbidden, is_control
from engine.sim.gate import Gate, GatedStream
from engine.sim.hub import encode
from engine.sim.rest import Reply, Rest
from engine.sim.venue import Venue
from engine.sim.ws import Connection

WS_PATH = "/v2"
_HEAD_LIMIT = 16 * 1024
_HEAD_TIMEOUT_S = 600.0  # also how long a kept-alive REST connection may idle
_HANDSHAKE_TIMEOUT_S = 10.0


class Server:
    """Serves connections; knows nothing of orders."""

    def __init__(self, venue: Venue, control: Control) -> None:
        self._venue, self._control = venue, control
        self._rest = Rest(venue)
        self._open = 0

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one connection until it ends, whatever the peer sends."""
        if self._open >= self._venue.settings.max_connections:
            await trio.aclose_forcefully(stream)
            return
        self._open += 1
        try:
            await self._serve(stream, Gate())
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the peer went away: ordinary on any network
        finally:
            self._open -= 1
            await trio.aclose_forcefully(stream)

    async def _serve(self, stream: trio.abc.Stream, gate: Gate) -> None:
        head = b""
        with trio.move_on_after(_HEAD_TIMEOUT_S):
            while b"\r\n\r\n" not in head and len(head) <= _HEAD_LIMIT:
                chunk = await stream.receive_some(_HEAD_LIMIT)
                if not chunk:
                    return
                head += chunk
        if not head:
            return
        asks_control = is_control(_target(head))
        if trio.current_time() < self._venue.refusing_until and not asks_control:
            return
        fields = _head_fields(head)
        if asks_control:  # no fault holds up who may clear it
            await self._serve_http(GatedStream(stream, gate, head), gate, local=_is_local(stream))
        elif "websocket" in fields.get("upgrade", "").lower() and head.partition(b"\r\n\r\n")[0].isascii():
            await self._serve_ws(GatedStream(stream, gate, head), gate, fields.get("host", ""))
        else:
            number = self._venue.next_number()
            self._venue.http_gates[number] = gate
            try:
                await self._serve_http(GatedStream(stream, gate, head), gate)
            finally:
                del self._venue.http_gates[number]

    # --- WebSocket

    async def _serve_ws(self, stream: trio.abc.Stream, gate: Gate, host: str) -> None:
        try:
            async with trio.open_nursery() as nursery:
                ws = await self._accepted(nursery, stream)
                if ws is not None:
                    private_host, split = host.startswith("ws-auth"), self._venue.settings.split_hosts
                    connection = Connection(
                        self._venue,
                        ws,
                        gate,
                        allows_public=not split or not private_host,
                        allows_private=not split or private_host,
                    )
                    await connection.run()
                nursery.cancel_scope.cancel()
        except* (ConnectionClosed, trio.TooSlowError):
            pass  # it ended during the handshake or the close
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def _accepted(self, nursery: trio.Nursery, stream: trio.abc.Stream) -> WebSocketConnection | None:
        """Go through the handshake; None when the upgrade was refused. Raises trio.TooSlowError."""
        verdict = await self._venue.faults.on_request("ws", "connect", "before", self._venue.next_number())
        await trio.sleep(verdict.delay_s)
        if verdict.kill or verdict.close:
            return None
        if verdict.drop:
            await trio.sleep(self._venue.settings.hang_s)
            return None
        with trio.fail_after(_HANDSHAKE_TIMEOUT_S):
            request = await wrap_server_stream(nursery, stream, max_message_size=self._venue.settings.max_body)
            status = verdict.http_status
            if status is None and not self._venue.budget.allows():
                status = 429
            if status is None and request.path.partition("?")[0] != WS_PATH:
                status = 404
            if status is None:
                return await request.accept()
            await request.reject(status, body=verdict.body.encode() or None)
        return None

    # --- HTTP

    async def _serve_http(self, stream: trio.abc.Stream, gate: Gate, *, local: bool = False) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT)
        request: h11.Request | None = None
        try:
            while True:
                request = await _read_head(connection, stream)
                body = None if request is None else await self._read_body(connection, stream)
                if request is None or body is None:
                    return
                reply = await self._reply(request, body, local=local)
                if reply.stall_s:
                    gate.shut(reply.stall_s)
                if reply.then is not None:
                    await gate.wait_open()
                    reply = reply.then()
                if reply.fate != "send":
                    await self._say_nothing(reply, stream)
                    return
                await _send(connection, stream, request, reply)
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    return
                connection.start_next_cycle()
        except h11.RemoteProtocolError as error:
            if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                refusal = Reply(error.error_status_hint, encode({"error": ["EAPI:Bad request"]}))
                await _send(connection, stream, request, refusal)

    async def _reply(self, request: h11.Request, body: bytes, *, local: bool) -> Reply:
        target = request.target.decode("latin-1")
        if not is_control(target):
            return await self._rest.handle(target, list(request.headers), body)
        if not local:
            return forbidden()
        return self._control.handle(request.method.decode("latin-1"), target, list(request.headers), body)

    async def _read_body(self, connection: h11.Connection, stream: trio.abc.Stream) -> bytes | None:
        """Read the rest of a request; None when the peer ends or idles first. Raises h11.RemoteProtocolError."""
        body = bytearray()
        with trio.move_on_after(_HEAD_TIMEOUT_S):
            while True:
                event = await _next_event(connection, stream)
                if isinstance(event, h11.EndOfMessage):
                    return bytes(body)
                if not isinstance(event, h11.Data):
                    return None
                body += event.data
                if len(body) > self._venue.settings.max_body:
                    raise h11.RemoteProtocolError("body too large", error_status_hint=413)
        return None

    async def _say_nothing(self, reply: Reply, stream: trio.abc.Stream) -> None:
        """End without an answer: at once, or when the client gives up (bounded by ``hang_s``)."""
        if reply.fate == "hang":
            with trio.move_on_after(self._venue.settings.hang_s):
                while await stream.receive_some(65536):
                    pass


def _target(head: bytes) -> str:
    """Read the request target loosely; h11 judges it."""
    parts = head.partition(b"\r\n")[0].split(b" ")
    return parts[1].decode("latin-1") if len(parts) > 1 else ""


def _is_local(stream: trio.abc.Stream) -> bool:
    """Tell whether the peer is on this machine; what is no TCP at all is in this process."""
    if not isinstance(stream, trio.SocketStream):
        return True
    return str(stream.socket.getpeername()[0]) in ("127.0.0.1", "::1")


def _head_fields(head: bytes) -> dict[str, str]:
    """Read the header fields loosely, only to tell a WebSocket upgrade from REST; h11 and wsproto judge them.

    wsproto dies of what is not ASCII, so such a head is left to h11.
    """
    fields: dict[str, str] = {}
    for line in head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        fields[name.decode("latin-1").strip().lower()] = value.decode("latin-1").strip()
    return fields


def _reason(status: int) -> bytes:
    """Name a status; Cloudflare's own (520 and on) have no name."""
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


async def _next_event(connection: h11.Connection, stream: trio.abc.Stream) -> object:
    """Read on until there is an event. Raises h11.RemoteProtocolError."""
    while (event := connection.next_event()) is h11.NEED_DATA:
        if connection.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            await stream.send_all(connection.send(go_on) or b"")
        connection.receive_data(bytes(await stream.receive_some(65536)))
    return event


async def _read_head(connection: h11.Connection, stream: trio.abc.Stream) -> h11.Request | None:
    """Read a request's head; None when the peer has ended or idles. Raises h11.RemoteProtocolError."""
    with trio.move_on_after(_HEAD_TIMEOUT_S):
        event = await _next_event(connection, stream)
        return event if isinstance(event, h11.Request) else None
    return None


async def _send(connection: h11.Connection, stream: trio.abc.Stream, request: h11.Request | None, reply: Reply) -> None:
    headers = [
        (b"content-type", reply.content_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
    ]
    response = h11.Response(status_code=reply.status, reason=_reason(reply.status), headers=headers)
    body = b"" if request is not None and request.method == b"HEAD" else reply.body
    parts = [connection.send(response), connection.send(h11.Data(data=body)), connection.send(h11.EndOfMessage())]
    await stream.send_all(b"".join(part for part in parts if part))
