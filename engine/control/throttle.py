"""How much may be asked: of one connection, and through one door; a kill has a share that nothing else touches.

Token buckets on trio's clock. A halt, cancel or close that finds its own share empty still takes from the common one.
"""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakKeyDictionary

import trio
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send, WebSocketScope

from engine.control.connection import Connection
from engine.control.gate import refuse
from engine.control.refusal import too_many

DOOR_PER_S, DOOR_BURST = 400.0, 800.0
"""Requests of all connections together: some milliseconds of work each at most leave the engine its time."""
CONNECTION_PER_S, CONNECTION_BURST = 200.0, 400.0
RESERVE_PER_S, RESERVE_BURST = 20.0, 50.0
"""Of the verbs that must get through."""


class Bucket:
    """``per_s`` tokens flow in, at most ``burst`` are held."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s, self._burst = per_s, burst
        self._held, self._seen_s = burst, trio.current_time()

    def take(self) -> float:
        """Take one; return 0.0, or the seconds until there will be one."""
        now_s = trio.current_time()
        self._held = min(self._burst, self._held + (now_s - self._seen_s) * self._per_s)
        self._seen_s = now_s
        if self._held < 1:
            return (1 - self._held) / self._per_s
        self._held -= 1
        return 0.0


class Throttle:
    """Wraps an ASGI application behind one door. ``reserved`` are the paths with a share of their own."""

    def __init__(self, app: ASGIApp, reserved: Iterable[str]) -> None:
        self._app, self._reserved = app, frozenset(reserved)
        self._door = Bucket(DOOR_PER_S, DOOR_BURST)
        self._reserve = Bucket(RESERVE_PER_S, RESERVE_BURST)
        self._of: WeakKeyDictionary[Connection, Bucket] = WeakKeyDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or say when to ask again."""
        if scope["path"] in self._reserved and self._reserve.take() == 0:
            await self._app(scope, receive, send)
            return
        admitted = scope["state"]["connection"].admitted  # strangers have a pace of their own, at the gate
        wait_s = self._own(scope).take() or (self._door.take() if admitted else 0.0)
        if wait_s == 0:
            await self._app(scope, receive, send)
        else:
            await refuse(too_many(wait_s), scope, send)

    def _own(self, scope: HTTPScope | WebSocketScope) -> Bucket:
        """Return the bucket of the connection that a request came by."""
        connection = scope["state"]["connection"]
        if connection not in self._of:
            self._of[connection] = Bucket(CONNECTION_PER_S, CONNECTION_BURST)
        return self._of[connection]
