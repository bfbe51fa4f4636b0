"""The way of an order to the venue: a leave, a transport, one request, its answer told to the limiter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import trio

from engine.errors import OrderInvariantError, VenueUnavailable
from engine.kraken import encode
from engine.kraken.admission import Admission
from engine.kraken.batches import LEAST, MOST_ADDS, MOST_CANCELS, Judged, judge_adds, judge_cancels
from engine.kraken.margin_terms import goes_by_ws
from engine.kraken.private_link import PrivateLink
from engine.kraken.rest import RestClient
from engine.kraken.rest_orders import RestOrders
from engine.kraken.settings import KrakenSettings
from engine.kraken.symbols import Symbols
from engine.kraken.venue_time import VenueTime
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request, kind_of
from engine.orders.reports import Answer, Outcome
from engine.seams.clock import Clock
from engine.values.time import NS
from engine.venue.protocol import Lane, Ticket

REST_REST_S = 5.0
"""How long REST counts as closed after a connection failed there."""


class OrderWay:
    """Orders go by WebSocket; while that is not usable by REST; and back. A missing answer moves no order.

    An entry whose leverage WebSocket would not take goes by REST alone.
    """

    def __init__(
        self,
        settings: KrakenSettings,
        admission: Admission,
        private: PrivateLink,
        rest: RestClient,
        rest_orders: RestOrders,
        *,
        symbols: Symbols,
        clock: Clock,
        venue_time: VenueTime,
    ) -> None:
        self._settings, self._admission, self._private = settings, admission, private
        self._rest, self._rest_orders, self._symbols = rest, rest_orders, symbols
        self._clock, self._venue_time = clock, venue_time

    async def admit(self, lane: Lane, requests: Sequence[Request], bracket: str, *, batch: bool = False) -> Ticket:
        """Return leave for one request, or for one batch. Raises VenueUnavailable: nothing was sent."""
        if batch:
            check_batch(requests)
        self._way(requests)
        leave = await self._admission.enter(lane, requests, bracket, batch=batch)
        try:
            transport = await self._way_in_turn(lane, requests)
        except BaseException:
            self._admission.withdraw(leave)
            raise
        lead_s = self._lead_s(lane)
        if transport == "rest":
            lead_s = max(lead_s, self._settings.rest_deadline_s)
        stamped_ns = self._venue_time.now_ns(self._clock.now_ns())
        return Ticket(transport, stamped_ns + int(lead_s * NS), lane, leave, stamped_ns=stamped_ns)

    def give_back(self, ticket: Ticket) -> None:
        """Let what a leave holds be free: its requests were not sent, and will not be."""
        self._admission.withdraw(ticket.leave)

    async def send(self, ticket: Ticket, request: Request) -> Answer:
        """Send one request and return its end, whatever it is."""
        request = msgspec.structs.replace(request, deadline_ns=ticket.deadline_ns)
        if ticket.transport == "rest":
            answer = await self._rest_orders.send(request, ticket.lane, ticket.stands)
        else:
            answer = await self._by_ws(request, ticket.stands)
        self._admission.settle(ticket.leave, [answer])
        return answer

    async def send_batch(self, ticket: Ticket, requests: Sequence[NewOrder] | Sequence[CancelOrder]) -> list[Answer]:
        """Send one batch and return one end for each member."""
        check_batch(requests)
        stamped = [msgspec.structs.replace(request, deadline_ns=ticket.deadline_ns) for request in requests]
        if ticket.transport == "rest":
            judged = await self._rest_orders.send_batch(stamped, ticket.lane)
        else:
            judged = await self._batch_by_ws(stamped, ticket.deadline_ns)
        answers = [self._answer(r, one, ticket.transport) for r, one in zip(stamped, judged, strict=True)]
        self._admission.settle(ticket.leave, answers)
        return answers

    async def _by_ws(self, request: Request, stands: Callable[[], bool]) -> Answer:
        kind, name, deadline_ns = kind_of(request), request.cl_ord_id, request.deadline_ns
        match request:
            case NewOrder():
                return await self._private.request(
                    kind, name, "add_order", lambda token: encode.add_order(request, token), deadline_ns, stands
                )
            case AmendOrder():
                return await self._private.request(
                    kind, name, "amend_order", lambda token: encode.amend_order(request, token), deadline_ns, stands
                )
            case CancelOrder():
                return await self._private.request(
                    kind, name, "cancel_order", lambda token: encode.cancel_order(request, token), deadline_ns, stands
                )

    async def _batch_by_ws(self, requests: Sequence[Request], deadline_ns: int) -> list[Judged]:
        orders = [request for request in requests if isinstance(request, NewOrder)]
        cancels = [request for request in requests if isinstance(request, CancelOrder)]
        if orders:
            response, verdict = await self._private.exchange(
                "batch_add", lambda token: encode.batch_add(orders, token), deadline_ns
            )
        else:
            response, verdict = await self._private.exchange(
                "batch_cancel", lambda token: encode.batch_cancel(cancels, token), deadline_ns
            )
        if response is None:
            return [Judged(verdict, None, self._private.why)] * len(requests)
        top = [] if response.success else [response.error or "no reason given"]
        result = response.result
        if orders:
            return judge_adds(orders, top, result.orders if result is not None else None)
        return [judge_cancels(len(cancels), top, result.count if result is not None else None)] * len(cancels)

    def _answer(self, request: Request, judged: Judged, transport: Literal["ws", "rest"]) -> Answer:
        verdict = judged.verdict
        return Answer(
            request=kind_of(request),
            cl_ord_id=request.cl_ord_id,
            outcome=verdict.outcome,
            ts_ns=self._clock.now_ns(),
            order_id=judged.order_id,
            code=verdict.code,
            text=judged.text,
            transport="none" if verdict.outcome is Outcome.NOT_SENT else transport,
        )

    async def _way_in_turn(self, lane: Lane, requests: Sequence[Request]) -> Literal["ws", "rest"]:
        """Choose the way, and wait on it until the venue's message rate lets one more go: the deadline is stamped then.

        Behind a burst of others a protective order would else pass its deadline before it leaves.
        """
        with trio.move_on_after(self._settings.admit_timeout_s):
            while (way := self._way(requests)) == "ws":
                if await self._private.turn(lane):
                    return way
            return way
        raise VenueUnavailable(f"the venue's message rate left no turn for {self._settings.admit_timeout_s:g} s")

    def _way(self, requests: Sequence[Request]) -> Literal["ws", "rest"]:
        via = self._settings.orders_via
        said = all(goes_by_ws(one, self._symbols.instrument(one.symbol)) for one in requests)
        if via != "rest" and self._private.usable and said:
            return "ws"
        down_s = self._rest.down_since_s
        if via != "ws" and (down_s is None or trio.current_time() - down_s > REST_REST_S):
            return "rest"
        why = self._private.why or ("not chosen" if said else "cannot name a leverage below the pair's highest")
        raise VenueUnavailable(f"no way for orders: private stream {why}, orders_via {via}")

    def _lead_s(self, lane: Lane) -> float:
        if lane <= Lane.REDUCING:
            return self._settings.exit_deadline_s
        return self._settings.cancel_deadline_s if lane is Lane.CANCEL else self._settings.entry_deadline_s


def check_batch(requests: Sequence[Request]) -> None:
    """Refuse what is no batch of the venue: our own mistake. Raises OrderInvariantError."""
    kinds = {type(request) for request in requests}
    most = MOST_ADDS if kinds == {NewOrder} else MOST_CANCELS
    if len(kinds) != 1 or kinds == {AmendOrder} or not LEAST <= len(requests) <= most:
        raise OrderInvariantError(f"a batch is {LEAST} to {MOST_ADDS} orders or {LEAST} to {MOST_CANCELS} cancels")
    if kinds == {NewOrder} and len({request.symbol for request in requests}) != 1:
        raise OrderInvariantError("a batch of orders has one symbol")
    if len({request.cl_ord_id for request in requests}) != len(requests):
        raise OrderInvariantError("a batch names an order twice")
