"""Requests on the private stream and their answers (§8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import structlog
import trio

from engine.kraken import decode, encode, errors, ws
from engine.kraken.frames import Response
from engine.kraken.limits import EngineCounters
from engine.kraken.settings import KrakenSettings
from engine.kraken.venue_time import VenueTime
from engine.kraken.ws_token import WsToken
from engine.orders.commands import RequestKind
from engine.orders.reports import Answer, Outcome
from engine.seams.clock import Clock
from engine.values.time import NS
from engine.venue.protocol import Lane, always

log = structlog.get_logger()


class _Asked:
    """A request on its way, and its answer once it has come."""

    def __init__(self, method: str, sent_ns: int, *, awaited: bool = False) -> None:
        self.method, self.sent_ns, self.awaited = method, sent_ns, awaited
        self.done = trio.Event()
        self.response: Response | None = None


class WsOrders:
    """What is asked on one connection after another. With a connection every unanswered request ends."""

    def __init__(
        self,
        settings: KrakenSettings,
        clock: Clock,
        venue_time: VenueTime,
        *,
        counters: EngineCounters,
        token: WsToken,
        req_ids: Iterator[int],
    ) -> None:
        self._settings, self._clock, self._venue_time = settings, clock, venue_time
        self._counters, self._token, self._req_ids = counters, token, req_ids
        self._asked: dict[int, _Asked] = {}

    @property
    def waiting(self) -> bool:
        """Whether somebody waits for the answer to an order-bearing request."""
        return any(asked.awaited and not asked.done.is_set() for asked in self._asked.values())

    async def send(
        self, socket: ws.Socket, method: str, params: encode.Params, numbered: Callable[[int], None]
    ) -> None:
        """Send a request that nobody waits for here; ``numbered`` learns its number before it is written."""
        await socket.turn(Lane.CANCEL)  # without a turn the connection has gone, and sending says so
        req_id = next(self._req_ids)
        self._asked[req_id] = _Asked(method, self._clock.now_ns())
        numbered(req_id)
        await socket.send(encode.frame(method, params, req_id))

    async def exchange(
        self,
        socket: ws.Socket | None,
        method: str,
        params: Callable[[str], encode.Params],
        deadline_ns: int,
        stands: Callable[[], bool] = always,
    ) -> tuple[Response | None, errors.Verdict]:
        """Send one request and return its response; without one, the verdict says how far the request came.

        Its turn was taken when it was admitted. Waits until ``deadline_ns`` (venue time) and the grace. ``params`` is
        given the token. ``stands`` is asked right before the first byte; so is whether the deadline has passed.
        """
        left_s = self._left_s(deadline_ns)
        if left_s <= 0:
            return None, errors.Verdict(Outcome.NOT_SENT, "DEADLINE_PASSED")
        if socket is None:
            return None, errors.of_transport(sent=False, timed_out=False)
        req_id = next(self._req_ids)
        text = encode.frame(method, params(self._token.reveal()), req_id)
        asked = self._asked[req_id] = _Asked(method, self._clock.now_ns(), awaited=True)
        try:
            with trio.move_on_after(left_s + self._settings.answer_grace_s):
                await socket.send(text, lambda: self._left_s(deadline_ns) > 0 and stands())
                await asked.done.wait()
        except ws.Withheld:
            late = self._left_s(deadline_ns) <= 0
            return None, errors.Verdict(Outcome.NOT_SENT, "DEADLINE_PASSED" if late else "WITHDRAWN")
        except ws.LOST:
            asked.done.set()  # lost while writing: how far it came nobody knows
        finally:
            self._asked.pop(req_id, None)
        return asked.response, errors.of_transport(sent=True, timed_out=not asked.done.is_set())

    def _left_s(self, deadline_ns: int) -> float:
        return (deadline_ns - self._venue_time.now_ns(self._clock.now_ns())) / NS

    def judged(self, kind: RequestKind, cl_ord_id: str, response: Response) -> Answer:
        """Return the answer that a response is."""
        if response.success:
            order_id = response.result.order_id if response.result is not None else None
            if order_id is not None and kind != "cancel":
                learn = self._counters.born if kind == "new" else self._counters.touch
                learn(order_id, trio.current_time())
            return self.answer(kind, cl_ord_id, errors.Verdict(Outcome.ACCEPTED, ""), "", order_id)
        text = response.error or "no reason given"
        return self.answer(kind, cl_ord_id, errors.of_errors(kind, [text]), text)

    def answer(
        self, kind: RequestKind, cl_ord_id: str, verdict: errors.Verdict, text: str, order_id: str | None = None
    ) -> Answer:
        """Return the answer that a verdict is."""
        transport: Literal["ws", "none"] = "none" if verdict.outcome is Outcome.NOT_SENT else "ws"
        return Answer(kind, cl_ord_id, verdict.outcome, self._clock.now_ns(), order_id, verdict.code, text, transport)

    def answered(self, response: Response) -> bool:
        """Give a response to whoever asked; False when nobody did, or not any more."""
        now_ns = self._clock.now_ns()
        self.hear(response)
        asked = self._asked.get(response.req_id) if response.req_id is not None else None
        if asked is None or asked.method != response.method or asked.done.is_set():
            log.info("answer.late", method=response.method, req_id=response.req_id, success=response.success)
            return False
        if response.time_in is not None and response.time_out is not None:
            time_in_ns, time_out_ns = decode.moment(response.time_in), decode.moment(response.time_out)
            self._venue_time.observe_answer(asked.sent_ns, now_ns, time_in_ns, time_out_ns)
        asked.response = response
        asked.done.set()
        return True

    def hear(self, response: Response) -> None:
        """Read the venue's clock off a response."""
        if response.time_out is not None:
            self._venue_time.hear(decode.moment(response.time_out), trio.current_time())

    def close(self) -> None:
        """End every unanswered request: their connection has gone."""
        lost, self._asked = self._asked, {}
        for asked in lost.values():
            asked.done.set()
