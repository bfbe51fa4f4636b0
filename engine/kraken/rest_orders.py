"""Orders over REST: one call, no repeating, judged by the outcome table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from engine.kraken import encode, errors
from engine.kraken.batches import Judged, judge_adds, judge_cancels
from engine.kraken.call_budget import Urgency
from engine.kraken.decode import UNREADABLE
from engine.kraken.encode import Form
from engine.kraken.errors import Verdict
from engine.kraken.frames import MemberInfo
from engine.kraken.margin_terms import with_listed_leverage
from engine.kraken.rest import Reply, RestClient
from engine.kraken.settings import KrakenSettings
from engine.kraken.symbols import Symbols
from engine.kraken.venue_time import VenueTime
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request, RequestKind, kind_of
from engine.orders.reports import Answer, Outcome
from engine.seams.clock import Clock
from engine.values.time import NS
from engine.venue.protocol import Lane, always


class _Result(msgspec.Struct):
    txid: list[str] = []
    count: int | None = None
    amend_id: str | None = None
    orders: tuple[MemberInfo, ...] | None = None


class RestOrders:
    """The way for orders while the private stream is not usable."""

    def __init__(
        self, settings: KrakenSettings, rest: RestClient, symbols: Symbols, clock: Clock, venue_time: VenueTime
    ) -> None:
        self._settings, self._rest, self._symbols = settings, rest, symbols
        self._clock, self._venue_time = clock, venue_time

    async def send(self, request: Request, lane: Lane, stands: Callable[[], bool] = always) -> Answer:
        """Send an order-bearing request, deadline stamped; ``lane`` is its place in the nonce line.

        ``stands`` is asked before the first byte, behind that line; so is whether the deadline has passed meanwhile.

        Never raises for what happens to it.
        """
        left_s = self._left_s(request)
        if left_s <= 0:
            return self._answer(request, Verdict(Outcome.NOT_SENT, "DEADLINE_PASSED"), "")
        name, fields = self._form(request)
        within_s = min(self._settings.total_timeout_s, left_s + self._settings.answer_grace_s)
        reply = await self._rest.call(
            name, fields, lane, within_s, stands=lambda: self._left_s(request) > 0 and stands()
        )
        if reply.withdrawn and self._left_s(request) <= 0:
            return self._answer(request, Verdict(Outcome.NOT_SENT, "DEADLINE_PASSED"), "")
        verdict, order_id = judge(kind_of(request), reply)
        return self._answer(request, verdict, reply.detail, order_id)

    async def send_batch(self, requests: Sequence[Request], lane: Lane) -> list[Judged]:
        """Send one batch (all new orders, or all cancels), deadlines stamped, and judge each member.

        A batch may count on the REST counter, and single cancels do not. Where that is nearly full they go one by one,
        but for an emergency: the counter of points lets that pass as a batch alone, and the last calls are kept for it.
        """
        left_s = self._left_s(requests[0])
        if left_s <= 0:
            return [Judged(Verdict(Outcome.NOT_SENT, "DEADLINE_PASSED"))] * len(requests)
        orders = [request for request in requests if isinstance(request, NewOrder)]
        cancels = [request for request in requests if isinstance(request, CancelOrder)]
        if cancels and lane is not Lane.EMERGENCY and not self._rest.trade_key.budget.has_room(1, Urgency.AMEND):
            return [await self._cancel_alone(one, lane) for one in cancels]
        if orders:
            pair = self._symbols.rest_name(orders[0].symbol) or orders[0].symbol
            name, body = "AddOrderBatch", encode.add_batch_body([self._listed(one) for one in orders], pair)
        else:
            name, body = "CancelOrderBatch", encode.cancel_batch_body(cancels)
        within_s = min(self._settings.total_timeout_s, left_s + self._settings.answer_grace_s)
        reply = await self._rest.call(
            name, body, lane, within_s, as_json=True, stands=lambda: self._left_s(requests[0]) > 0
        )
        verdict = unanswered(reply)
        if verdict is not None:
            return [Judged(verdict, None, reply.detail)] * len(requests)
        result = _result(reply.result)
        if orders:
            return judge_adds(orders, reply.errors, result.orders)
        return [judge_cancels(len(cancels), reply.errors, result.count)] * len(cancels)

    async def _cancel_alone(self, cancel: CancelOrder, lane: Lane) -> Judged:
        answer = await self.send(cancel, lane)
        return Judged(Verdict(answer.outcome, answer.code), None, answer.text)

    def _left_s(self, request: Request) -> float:
        return (request.deadline_ns - self._venue_time.now_ns(self._clock.now_ns())) / NS

    def _form(self, request: Request) -> tuple[str, Form]:
        match request:
            case NewOrder():
                pair = self._symbols.rest_name(request.symbol) or request.symbol
                return "AddOrder", encode.add_order_form(self._listed(request), pair)
            case AmendOrder():
                return "AmendOrder", encode.amend_order_form(request)
            case CancelOrder():
                return "CancelOrder", encode.cancel_order_form(request)

    def _listed(self, order: NewOrder) -> NewOrder:
        return with_listed_leverage(order, self._symbols.instrument(order.symbol))

    def _answer(self, request: Request, verdict: Verdict, text: str, order_id: str | None = None) -> Answer:
        return Answer(
            request=kind_of(request),
            cl_ord_id=request.cl_ord_id,
            outcome=verdict.outcome,
            ts_ns=self._clock.now_ns(),
            order_id=order_id,
            code=verdict.code,
            text=text,
            transport="none" if verdict.outcome is Outcome.NOT_SENT else "rest",
        )


def judge(kind: RequestKind, reply: Reply) -> tuple[Verdict, str | None]:
    """Return what a reply proves about an order-bearing request, and the order id it names.

    A yes counts only with what a yes must carry; a no beside an order id is no no.
    """
    verdict = unanswered(reply)
    if verdict is not None:
        return verdict, None
    result = _result(reply.result)
    order_id = result.txid[0] if result.txid else None
    verdict = errors.of_errors(kind, reply.errors)
    if verdict.outcome is Outcome.ACCEPTED and not _confirms(kind, result):
        return Verdict(Outcome.UNKNOWN, "NO_CONFIRMATION"), order_id
    if verdict.outcome is Outcome.REFUSED and order_id is not None:
        return Verdict(Outcome.UNKNOWN, verdict.code), order_id
    return verdict, order_id


def unanswered(reply: Reply) -> Verdict | None:
    """Return what a reply proves that is no answer of the API; None for an answer."""
    if reply.answered:
        return None
    if reply.withdrawn:
        return Verdict(Outcome.NOT_SENT, "WITHDRAWN")
    if reply.status == 200:
        return Verdict(Outcome.UNKNOWN, "NOT_JSON")
    if reply.status:
        return errors.of_status(reply.status)
    return errors.of_transport(sent=reply.sent, timed_out=reply.timed_out)


def _result(raw: bytes) -> _Result:
    try:
        return msgspec.json.decode(raw, type=_Result)
    except UNREADABLE:  # nothing, null, or a shape nobody documented: it confirms nothing
        return _Result()


def _confirms(kind: RequestKind, result: _Result) -> bool:
    match kind:
        case "new":
            return bool(result.txid)
        case "amend":
            return result.amend_id is not None
        case "cancel":
            return bool(result.count)
