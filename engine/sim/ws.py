"""One WebSocket v2 connection: frames in, frames out, heartbeats, and its end (protocol sections 6.2, 6.3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from engine.sim.budgets import SecondBudget
from engine.sim.channels import Ack, Result, Subscriptions
from engine.sim.errors import EXCEEDED_MSG_RATE, INVALID_SESSION, Refused, invalid
from engine.sim.faults import Verdict
from engine.sim.feed import status_row
from engine.sim.gate import Gate
from engine.sim.hub import encode
from engine.sim.keys import ApiKey
from engine.sim.numbers import rfc3339
from engine.sim.outbox import UPGRADE_CLOSE, Outbox
from engine.sim.venue import Venue
from engine.sim.ws_request import decode
from engine.sim.ws_trading import ORDER_METHODS, Answer, carry_out

_SUBSCRIBING = ("subscribe", "unsubscribe")
_HEARTBEAT = encode({"channel": "heartbeat"})
_STRANGE: Ack = {"x_member": {"deep": [1, None]}}


class Connection:
    """Serves one accepted WebSocket until it ends.

    Outgoing frames wait in a queue of ``ws_out_frames``; a reader too slow for it is closed with 1008. Requests are
    taken one by one; one that a fault delays goes on in the background, so that pings are still answered.
    """

    def __init__(
        self, venue: Venue, ws: WebSocketConnection, gate: Gate, *, allows_public: bool, allows_private: bool
    ) -> None:
        self.venue, self.gate = venue, gate
        self.allows_public, self.allows_private = allows_public, allows_private
        self.reader = venue.next_reader()
        self.outbox = Outbox(venue.settings.ws_out_frames, gate, self.close, self.kill)
        self.subscriptions = Subscriptions(self)
        self.killed = False
        self._connection_id = venue.ids.connection()
        self._ws = ws
        self._messages = SecondBudget(venue.settings.ws_messages_per_s)
        self._scope = trio.CancelScope()
        self._close = (1000, "")
        self._last_sent = self._last_heard = trio.current_time()
        self._late = 0

    async def run(self) -> None:
        """Serve until the client leaves, falls behind or idles; ends with a bounded close handshake."""
        self.venue.sockets[self.reader] = self
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
            del self.venue.sockets[self.reader]
            self.venue.hub.watch_status(self.reader, None)
            self.subscriptions.close()
            self.outbox.close()
            if not self.killed:
                with trio.move_on_after(1, shield=True):
                    await self._ws.aclose(*self._close)

    # --- out

    def send(self, message: dict[str, object]) -> None:
        """Queue a frame."""
        self.outbox.send(encode(message))

    def kill(self) -> None:
        """Break the connection without a close handshake."""
        self.killed = True
        self._scope.cancel()

    def close(self, code: int, reason: str) -> None:
        """End the connection with a close frame; what is queued is not sent any more."""
        self._close = (code, reason)
        self._scope.cancel()

    def _send_status(self, status: str) -> None:
        data = status_row(status, self._connection_id)
        self.send({"channel": "status", "type": "update", "data": [data]})

    async def _write(self) -> None:
        try:
            async for text in self.outbox.frames:
                if self.venue.keeper is not None:
                    self.venue.keeper.check()
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
                    self.outbox.let_all_go()
                    verdict = self.venue.faults.on_frame("heartbeat")
                    self.outbox.send_judged("heartbeat", _HEARTBEAT, verdict)
                    due = now + settings.heartbeat_s
            else:
                due = max(self._last_heard + settings.idle_close_s, now)
                if due <= now and not self.gate.is_shut:
                    self.close(1000, "idle")
                    return
                due = min(due if due > now else math.inf, now + settings.heartbeat_s)
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
            if not self._messages.allows():
                self.send({"Error": EXCEEDED_MSG_RATE})
                continue
            try:
                request = decode(message)
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
            await self._pong(envelope, time_in)
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

    async def _pong(self, envelope: dict[str, object], time_in: str) -> None:
        verdict = await self.venue.faults.on_request("ws", "ping", "before", self.venue.next_number())

        async def answer() -> None:
            if not self._interfered(verdict, partial(self._answer, envelope, time_in)):
                self.send({**envelope, "method": "pong", **self._times(time_in)})

        if verdict.delay_s:
            await self._postpone(verdict.delay_s, answer)
        else:
            await answer()

    def _answer(self, envelope: dict[str, object], time_in: str, result: Result | Refused, symbol: str | None) -> None:
        times = self._times(time_in)
        if isinstance(result, Refused):
            named = {"symbol": symbol} if symbol else {}
            self.send({**envelope, "success": False, "error": result.text, **named, **times})
        else:
            self.send({**envelope, "success": True, "result": result, **times})

    def key_of(self, token: object) -> ApiKey:
        """Return the API key behind a request's token. Raises Refused (``ESession:Invalid session``)."""
        if not self.allows_private:
            raise Refused(INVALID_SESSION)
        alive = self.subscriptions.key_of(token)
        return alive or self.venue.tokens.key_of(token, self.venue.clock.now_ns())

    # --- a request's way through the points where faults are consulted

    async def _judge(self, method: str, params: dict[str, Any], answer: Answer) -> None:
        arrived_ns = self.venue.clock.now_ns()
        if method in ORDER_METHODS:
            self.venue.note("ws", method, params.get("cl_ord_id"))
            if self.venue.settings.processing_delay_s:
                await trio.sleep(self.venue.settings.processing_delay_s)
        number = self.venue.next_number()
        symbol = self.venue.symbol_of(params)
        verdict = await self.venue.faults.on_request("ws", method, "before", number, symbol)
        job = partial(self._commit, method, params, arrived_ns, number)
        if verdict.delay_s:
            await self._postpone(verdict.delay_s, partial(self._unless, verdict, answer, job))
        else:
            await self._unless(verdict, answer, job)

    async def _unless(self, verdict: Verdict, answer: Answer, job: Callable[[Answer], Any]) -> None:
        """Do the job, unless a fault answers in its place; then it may still be done later, and nobody is told."""
        if verdict.stall_s:
            self.gate.shut(verdict.stall_s)
            await self.gate.wait_open()
        if not self._interfered(verdict, answer):
            await job(answer)
        elif verdict.later_s is not None:
            await self._postpone(verdict.later_s, partial(job, _tell_nobody))

    async def _postpone(self, delay_s: float, job: Callable[[], Any]) -> None:
        async def wait() -> None:
            self._late += 1
            try:
                await trio.sleep(delay_s)
                await job()
            finally:
                self._late -= 1

        await self.venue.spawn(wait)

    async def _commit(self, method: str, params: dict[str, Any], arrived_ns: int, number: int, answer: Answer) -> None:
        """Let the engine act and collect the answers, then deliver them as the faults want it."""
        answers: list[tuple[Result | Refused, str | None]] = []
        if method in _SUBSCRIBING:
            self._call(lambda: self.subscriptions.change(method, params, answer), answer)
            return
        with self.outbox.answer_first(wanted=not self.venue.settings.executions_before_ack):
            self._call(
                lambda: carry_out(self, method, params, arrived_ns, lambda *given: answers.append(given)),
                lambda *given: answers.append(given),
            )
            after = await self.venue.faults.on_request("ws", method, "after", number)
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

    async def _deliver_late(
        self, after: Verdict, answers: list[tuple[Result | Refused, str | None]], to: Answer
    ) -> None:
        self._deliver(after, answers, to)

    def _deliver(self, after: Verdict, answers: list[tuple[Result | Refused, str | None]], to: Answer) -> None:
        if after.stall_s:
            self.gate.shut(after.stall_s)
        if not self._interfered(after, to):
            for result, symbol in answers:
                strange = after.strange and not isinstance(result, Refused)
                to({**result, **_STRANGE} if strange and isinstance(result, dict) else result, symbol)

    def _interfered(self, verdict: Verdict, answer: Answer) -> bool:
        if verdict.kill:
            self.kill()
        elif verdict.close:
            self.close(*UPGRADE_CLOSE)
        elif verdict.error is not None:
            answer(Refused(verdict.error), None)
        return verdict.interferes


def _tell_nobody(result: Result | Refused, symbol: str | None) -> None:
    """Take an answer whose request was given up long before."""
