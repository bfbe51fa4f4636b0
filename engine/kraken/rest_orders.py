"""Orders over REST: one call, no repeating, judged by the outcome table."""

from __future__ import annotations

import msgspec

from engine.kraken import encode, errors
from engine.kraken.encode import Form
from engine.kraken.errors import Verdict
from engine.kraken.rest import Reply, RestClient
from engine.kraken.settings import KrakenSettings
from engine.kraken.symbols import Symbols
from engine.kraken.venue_time import VenueTime
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, Request, RequestKind, kind_of
from engine.orders.reports import Answer, Outcome
from engine.seams.clock import Clock
from engine.values.time import NS
from engine.venue.protocol import Lane


class _Result(msgspec.Struct):
    txid: list[str] = []
    count: int | None = None
    amend_id: str | None = None


class RestOrders:
    """The way for orders while the private stream is not usable."""

    def __init__(
        self, settings: KrakenSettings, rest: RestClient, symbols: Symbols, clock: Clock, venue_time: VenueTime
    ) -> None:
        self._settings, self._rest, self._symbols = settings, rest, symbols
        self._clock, self._venue_time = clock, venue_time

    async def send(self, request: Request) -> Answer:
        """Send an order-bearing request, deadline stamped. Never raises for what happens to it."""
        left_s = (request.deadline_ns - self._venue_time.now_ns(self._clock.now_ns())) / NS
        if left_s <= 0:
            return self._answer(request, Verdict(Outcome.NOT_SENT, "DEADLINE_PASSED"), "")
        name, fields = self._form(request)
        lane = Lane.CANCEL if isinstance(request, CancelOrder) else Lane.ENTRY
        within_s = min(self._settings.total_timeout_s, left_s + self._settings.answer_grace_s)
        reply = await self._rest.call(name, fields, lane, within_s)
        verdict, order_id = judge(kind_of(request), reply)
        return self._answer(request, verdict, reply.detail, order_id)

    def _form(self, request: Request) -> tuple[str, Form]:
        match request:
            case NewOrder():
                pair = self._symbols.rest_name(request.symbol) or request.symbol
                return "AddOrder", encode.add_order_form(request, pair)
            case AmendOrder():
                return "AmendOrder", encode.amend_order_form(request)
            case CancelOrder():
                return "CancelOrder", encode.cancel_order_form(request)

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
    if not reply.answered:
        if reply.status == 200:
            return Verdict(Outcome.UNKNOWN, "NOT_JSON"), None
        if reply.status:
            return errors.of_status(reply.status), None
        return errors.of_transport(sent=reply.sent, timed_out=reply.timed_out), None
    result = _result(reply.result)
    order_id = result.txid[0] if result.txid else None
    verdict = errors.of_errors(kind, reply.errors)
    if verdict.outcome is Outcome.ACCEPTED and not _confirms(kind, result):
        return Verdict(Outcome.UNKNOWN, "NO_CONFIRMATION"), order_id
    if verdict.outcome is Outcome.REFUSED and order_id is not None:
        return Verdict(Outcome.UNKNOWN, verdict.code), order_id
    return verdict, order_id


def _result(raw: bytes) -> _Result:
    try:
        return msgspec.json.decode(raw, type=_Result)
    except msgspec.MsgspecError:  # nothing, null, or a shape nobody documented: it confirms nothing
        return _Result()


def _confirms(kind: RequestKind, result: _Result) -> bool:
    match kind:
        case "new":
            return bool(result.txid)
        case "amend":
            return result.amend_id is not None
        case "cancel":
            return bool(result.count)
