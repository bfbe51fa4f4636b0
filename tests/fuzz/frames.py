"""A WebSocket that is sent spoiled frames one after the other, and opened anew whenever it was closed for one."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from engine.net.wire import VirtualStream


class Frames:
    """Sends a frame and a ping behind it: what comes before the pong is the frame's answer."""

    def __init__(self, connect: Callable[[], Awaitable[VirtualStream]], nursery: trio.Nursery, host: str) -> None:
        self._connect, self._nursery, self._host = connect, nursery, host
        self._ws: WebSocketConnection | None = None
        self._numbers = count(10**9)

    async def take(self, message: str | bytes) -> str:
        """Return how a frame ended: accepted, its error's class, or the code its connection was closed with."""
        ws = self._ws = self._ws or await self._open()
        try:
            answers = await self._answers(ws, message)
        except ConnectionClosed as closed:
            self._ws = None
            return f"closed {closed.reason.code if closed.reason else ''}"
        assert answers, "neither an answer nor a close"
        errors = [str(answer.get("error", answer.get("Error", ""))) for answer in answers]
        assert not any("Internal error" in error for error in errors), errors
        return errors[0].partition(":")[0] or "taken"

    async def close(self) -> None:
        """End the connection, if one stands."""
        if self._ws is not None:
            await self._ws.aclose()
        self._ws = None

    async def _open(self) -> WebSocketConnection:
        stream = await self._connect()
        return await wrap_client_stream(self._nursery, stream, self._host, "/v2")  # type: ignore[arg-type]

    async def _answers(self, ws: WebSocketConnection, message: str | bytes) -> list[dict[str, Any]]:
        number = next(self._numbers)
        await ws.send_message(message)
        await ws.send_message(json.dumps({"method": "ping", "req_id": number}))
        answers = []
        while True:
            told = json.loads(await ws.get_message())
            if told.get("method") == "pong" and told.get("req_id") == number:
                return answers
            if "channel" not in told:
                answers.append(told)
