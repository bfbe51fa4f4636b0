"""What stands before the application on TCP: whose address was asked for, from which page, and with which token.

A page from elsewhere can make a browser send requests here, under a name of its own (DNS rebinding) or under ours
(CSRF): the first has a foreign Host, the second a foreign Origin or says by ``Sec-Fetch-Site`` that it is no page of
ours, and neither knows the token.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send, WebSocketScope

from engine.control.access import Access
from engine.control.pace import Pace
from engine.control.refusal import USAGE, Refusal, bad_request, forbidden, no_such_route, too_many, unauthorized

HEAD_BYTES_MOST = 16 * 1024

OPEN_PATHS = ("/", "/help", "/metrics", "/metrics/")
OPEN_FOLDERS = ("/static/", "/help/")
"""Answered without a token: the page's shell, its files and the help, which hold no data, and the metrics."""

STRANGERS_PER_S, STRANGERS_BURST, STRANGERS_WAIT_S = 100.0, 400.0, 2.0
"""Answers to all who have shown no token, refusals among them: a page elsewhere that asks in a loop waits for its turn,
and takes neither the engine's time nor the share of those who have one.
"""

BEARER = "bearer."
"""Before the token among a WebSocket's subprotocols: a browser can set no header there."""

HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Gate:
    """Wraps an ASGI application. ``hosts`` are the names under which it may be asked, port included."""

    def __init__(self, app: ASGIApp, access: Access, hosts: Iterable[str]) -> None:
        self._app, self._access = app, access
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(f"http://{host}" for host in self._hosts)
        self._strangers = Pace(STRANGERS_PER_S, STRANGERS_BURST, STRANGERS_WAIT_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        refusal = self._refusal(scope)
        known = refusal is None and scope["state"]["connection"].admitted
        if not known and not await self._strangers.turn():
            refusal = too_many(STRANGERS_WAIT_S)
        if refusal is None:
            await self._app(scope, receive, _marked(send))
        else:
            await refuse(refusal, scope, send)

    def _refusal(self, scope: HTTPScope | WebSocketScope) -> Refusal | None:
        if scope["http_version"] not in ("1.0", "1.1"):
            return forbidden("HTTP_VERSION", "only HTTP/1.1 is spoken here", "ask with HTTP/1.1")
        if _head_bytes(scope) > HEAD_BYTES_MOST:  # h11's own bound is for heads that come in pieces
            return Refusal(431, "HEAD_TOO_LARGE", f"a head has at most {HEAD_BYTES_MOST} bytes", "ask shorter", USAGE)
        headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        hosts = [value.lower() for name, value in headers if name == b"host"]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return forbidden("FOREIGN_HOST", "this door is not known by that name", "use the address that run printed")
        if any(name == b"origin" and value.lower() not in self._origins for name, value in headers):
            return forbidden("FOREIGN_ORIGIN", "pages of other sites may not ask", "use the address that run printed")
        if _from_another_site(scope, headers):
            return forbidden("FOREIGN_ORIGIN", "pages of other sites may not ask", "use the address that run printed")
        if {b"content-length", b"transfer-encoding"} <= {name for name, _ in headers}:  # two readers, two lengths
            return bad_request("a body has one length: Content-Length or Transfer-Encoding")
        if _crooked(scope):
            return no_such_route()
        if _is_open(scope):
            return None
        given = _tokens(scope, headers)
        if len(given) == 1 and self._access.admits(given[0]):
            scope["state"]["connection"].admitted = True
            return None
        return unauthorized("no token, or not this start's")


def _from_another_site(scope: HTTPScope | WebSocketScope, headers: list[tuple[bytes, str]]) -> bool:
    """Tell by the browser's word; it sends no Origin with a plain GET. A link from elsewhere may lead to the shell."""
    said = dict(headers)
    if said.get(b"sec-fetch-site", "none") in ("none", "same-origin"):
        return False
    return said.get(b"sec-fetch-mode") != "navigate" or scope["path"] != "/"


def _is_open(scope: HTTPScope | WebSocketScope) -> bool:
    if scope["type"] != ScopeType.HTTP or scope["method"] not in ("GET", "HEAD"):
        return False
    return scope["path"] in OPEN_PATHS or scope["path"].startswith(OPEN_FOLDERS)


def _head_bytes(scope: HTTPScope | WebSocketScope) -> int:
    headers = sum(len(name) + len(value) for name, value in scope["headers"])
    return headers + len(scope["raw_path"]) + len(scope["query_string"])


def _crooked(scope: HTTPScope | WebSocketScope) -> bool:
    """Tell paths that mean something else than they say: no route here has such a segment."""
    path = scope["path"]
    segments = path.split("/")
    return "" in segments[1:-1] or "." in segments or ".." in segments or "\\" in path or "\0" in path


def _tokens(scope: HTTPScope | WebSocketScope, headers: list[tuple[bytes, str]]) -> list[str]:
    found = [value for name, value in headers if name == b"authorization"]
    tokens = [value[7:].strip() if value[:7].lower() == "bearer " else "" for value in found]
    if scope["type"] == ScopeType.WEBSOCKET and not tokens:
        tokens = [one.removeprefix(BEARER) for one in scope["subprotocols"] if one.startswith(BEARER)]
    return tokens


def _marked(send: Send) -> Send:
    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *HEADERS]
        await send(message)

    return marked


async def refuse(refusal: Refusal, scope: HTTPScope | WebSocketScope, send: Send) -> None:
    """Answer with a complaint, whatever was asked; its body is not read."""
    body = msgspec.json.encode(refusal.complaint)
    kind = "http.response" if scope["type"] == ScopeType.HTTP else "websocket.http.response"
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *refusal.headers,
        *HEADERS,
    ]
    if scope["type"] == ScopeType.WEBSOCKET:
        headers.append((b"connection", b"close"))  # hypercorn ends it: a handshake cannot be tried again on it
    await send({"type": f"{kind}.start", "status": refusal.status, "headers": headers})  # type: ignore[misc,arg-type]
    await send({"type": f"{kind}.body", "body": body, "more_body": False})  # type: ignore[misc,arg-type]
