"""One WebSocket v2 connection: frames in, frames out, heartbeats, and its end (protocol sections 6.2, 6.3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from engine.sim.accounts import Account
from engine.sim.channels import Ack, Subscriptions
from engine.sim.errors import EXCEEDED_MSG_RATE, INVALID_SESSION, Refused, invalid
from engine.sim.faults import Verdict
from engine.sim.hub import encode
from engine.sim.numbers import rfc3339
from engine.sim.venue import Venue
from engine.sim.ws_trading import ORDER_METHODS, Answer, carry_out

_SUBSCRIBING = ("subscribe", "unsubscribe")


class Connection:
    """Serves one accepted WebSocket until it ends.

    Outgoing frames wait in a queue of ``ws_out_frames``; a reader too slow for it is closed with 1008. Requests are
    taken one by one; one that a fault delays goes on in the background, so that pings are still answered.
    """

    def __init__(self, venue: Venue, ws: WebSocketConnection, *, allows_public: bool, allows_private: bool) -> None:
        self.venue = venue
        self.allows_public, self.allows_private = allows_public, allows_private
        self.reader = venue.next_reader()
        self.subscriptions = Subscriptions(self)
        self.killed = False
        self._connection_id = venue.ids.connection()
        self._ws = ws
        self._out, self._outgoing = trio.open_memory_channel[bytes](venue.settings.ws_out_frames)
        self._scope = trio.CancelScope()
        self._close = (1000, "")
        self._last_sent = self._last_heard = trio.current_time()
        self._holding = 0
        self._held: list[Callable[[], None]] = []
        self._late = 0

    async def run(self) -> None:
        """Serve until the client leaves, falls behind or idles; ends with a bounded close handshake."""
        self.venue.hub.watch_status(self.reader, self._send_status)
        self._send_status(self.venue.core.status)
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._beat)
                    await self._read()
                    nursery.cancel_scope.cancel()
        finally:
            self.venue.hub.watch_status(self.reader, None)
            self.subscriptions.close()
            self._out.close()
            if not self.killed:
                with trio.move_on_after(1, shield=True):
                    await self._ws.aclose(*self._close)

    # --- out

    def send(self, message: dict[str, object]) -> None:
        """Queue a frame."""
        self.send_bytes(encode(message))

    def send_bytes(self, text: bytes) -> None:
        """Queue a written frame, or give the connection up when its reader is too slow."""
        try:
            self._out.send_nowait(text)
        except trio.WouldBlock:
            self._end(1008, "slow consumer")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the connection has ended; its late answers have nowhere to go

    def send_private(self, send: Callable[[], None]) -> None:
        """Send a private frame now, or after the answer that is being prepared."""
        if self._holding:
            self._held.append(send)
        else:
            send()

    def kill(self) -> None:
        """Break the connection without a close handshake."""
        self.killed = True
        self._scope.cancel()

    def _end(self, code: int, reason: str) -> None:
        self._close = (code, reason)
        self._scope.cancel()

    def _send_status(self, status: str) -> None:
        data = {
            "system": status,
            "api_version": "v2",
            "connection_id": self._connection_id,
            "version": "2.0.0",
        }
        self.send({"channel": "status", "type": "update", "data": [data]})

    async def _write(self) -> None:
        try:
            async for text in self._outgoing:
                await self._ws.send_message(text.decode())
                self._last_sent = trio.current_time()
        except ConnectionClosed:
            self._scope.cancel()

    async def _beat(self) -> None:
        """Send a heartbeat after each quiet second while something is subscribed; close an idle connection."""
        settings = self.venue.settings
        while True:
            now = trio.current_time()
            if self.subscriptions:
                due = self._last_sent + settings.heartbeat_s
                if due <= now:
                    self.send({"channel": "heartbeat"})
                    due = now + settings.heartbeat_s
            else:
                due = max(self._last_heard + settings.idle_close_s, now)
                if due <= now:
                    self._end(1000, "idle")
                    return
                due = min(due, now + settings.heartbeat_s)
            await trio.sleep_until(due)

    # --- in

    async def _read(self) -> None:
        while True:
            try:
                message = await self._ws.get_message()
            except ConnectionClosed:
                return
            self._last_heard = trio.current_time()
            time_in = rfc3339(self.venue.clock.now_ns())
            try:
                request = _decode(message)
            except ValueError as error:
                self.send({"error": f"EGeneral:Invalid arguments:{error}", "success": False, **self._times(time_in)})
                continue
            await self._take(request, time_in)

    def _times(self, time_in: str) -> dict[str, object]:
        return {"time_in": time_in, "time_out": rfc3339(self.venue.clock.now_ns())}

    async def _take(self, request: dict[str, Any], time_in: str) -> None:
        method, req_id, params = request.get("method"), request.get("req_id"), request.get("params", {})
        envelope: dict[str, object] = {"method": method} if isinstance(method, str) else {}
        if req_id is not None:
            envelope["req_id"] = req_id
        if method == "ping":
            self.send({**envelope, "method": "pong", **self._times(time_in)})
            return
        answer = partial(self._answer, envelope, time_in)
        if not isinstance(method, str) or method not in (*_SUBSCRIBING, *ORDER_METHODS):
            answer(invalid("method"), None)
        elif not isinstance(params, dict):
            answer(invalid("params"), None)
        elif self._late >= self.venue.settings.ws_late_requests:
            self.send({"Error": EXCEEDED_MSG_RATE})
        else:
            await self._judge(method, params, answer)

    def _answer(self, envelope: dict[str, object], time_in: str, result: Ack | Refused, symbol: str | None) -> None:
        times = self._times(time_in)
        if isinstance(result, Refused):
            named = {"symbol": symbol} if symbol else {}
            self.send({**envelope, "success": False, "error": result.text, **named, **times})
        else:
            self.send({**envelope, "success": True, "result": result, **times})

    def account_of(self, token: object) -> Account:
        """Return the account behind a request's token. Raises Refused (``ESession:Invalid session``)."""
        if not self.allows_private:
            raise Refused(INVALID_SESSION)
        alive = self.subscriptions.account_of(token)
        if alive is not None:
            return alive
        return self.venue.core.accounts[self.venue.tokens.account_of(token, self.venue.clock.now_ns())]

    # --- a request's way through the points where faults are consulted

    async def _judge(self, method: str, params: dict[str, Any], answer: Answer) -> None:
        arrived_ns = self.venue.clock.now_ns()
        if method in ORDER_METHODS:
            self.venue.note("ws", method, params.get("cl_ord_id"))
            if self.venue.settings.processing_delay_s:
                await trio.sleep(self.venue.settings.processing_delay_s)
        verdict = await self.venue.faults.on_request("ws", method, "before")
        job = partial(self._commit, method, params, answer, arrived_ns, verdict)
        if verdict.delay_s:
            await self._postpone(verdict.delay_s, job)
        else:
            await job()

    async def _postpone(self, delay_s: float, job: Callable[[], Any]) -> None:
        async def wait() -> None:
            self._late += 1
            try:
                await trio.sleep(delay_s)
                await job()
            finally:
                self._late -= 1

        await self.venue.spawn(wait)

    async def _commit(
        self, method: str, params: dict[str, Any], answer: Answer, arrived_ns: int, verdict: Verdict
    ) -> None:
        """Let the engine act and collect the answers; the answer to faults is decided before and after."""
        if self._interfered(verdict, answer):
            return
        answers: list[tuple[Ack | Refused, str | None]] = []
        if method in _SUBSCRIBING:
            self._call(lambda: self.subscriptions.change(method, params, answer), answer)
            return
        with self._reports_held():
            self._call(
                lambda: carry_out(self, method, params, arrived_ns, lambda *given: answers.append(given)),
                lambda *given: answers.append(given),
            )
            after = await self.venue.faults.on_request("ws", method, "after")
            if not after.delay_s:
                self._deliver(after, answers, answer)
        if after.delay_s:
            await self._postpone(after.delay_s, partial(self._deliver_late, after, answers, answer))

    @staticmethod
    def _call(act: Callable[[], None], answer: Answer) -> None:
        try:
            act()
        except Refused as refusal:
            answer(refusal, None)

    async def _deliver_late(self, after: Verdict, answers: list[tuple[Ack | Refused, str | None]], to: Answer) -> None:
        self._deliver(after, answers, to)

    def _deliver(self, after: Verdict, answers: list[tuple[Ack | Refused, str | None]], to: Answer) -> None:
        if not self._interfered(after, to):
            for result, symbol in answers:
                to(result, symbol)

    def _interfered(self, verdict: Verdict, answer: Answer) -> bool:
        if verdict.kill:
            self.kill()
        elif verdict.error is not None:
            answer(Refused(verdict.error), None)
        return verdict.interferes

    @contextmanager
    def _reports_held(self) -> Iterator[None]:
        """Keep private frames back until the answer is queued, if the settings want answers first."""
        if self.venue.settings.executions_before_ack:
            yield
            return
        self._holding += 1
        try:
            yield
        finally:
            self._holding -= 1
            if not self._holding:
                held, self._held = self._held, []
                for send in held:
                    send()


def _decode(message: str | bytes) -> dict[str, Any]:
    """Read a frame with every number exact. Raises ValueError with a text for the client."""
    if not isinstance(message, str):
        raise ValueError("binary frame")
    try:
        request = json.loads(message, parse_float=Decimal, parse_constant=_no_constant)
        if "\\u" in message:  # an escaped half of a surrogate pair could not be echoed
            json.dumps(request, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError):
        raise ValueError("malformed JSON") from None
    if not isinstance(request, dict):
        raise ValueError("not an object")
    req_id = request.get("req_id")
    if req_id is not None and (isinstance(req_id, bool) or not isinstance(req_id, int) or abs(req_id) >= 1 << 63):
        raise ValueError("req_id")
    return request


def _no_constant(name: str) -> None:
    raise ValueError(name)
