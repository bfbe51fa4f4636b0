"""Adapters that break their contract, each in one way: a real one with a lie in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from engine.market.topics import MarketChannel, Topic
from engine.market.updates import Candle, Ticker
from engine.orders.commands import CancelOrder, NewOrder
from engine.orders.reports import Answer, OrderReport, Outcome, ReportType
from engine.values.money import Qty
from engine.venue.protocol import EnoughFills, Headroom, Ticket, Venue, VenueIdentity, VenueLink, VenueSink


class Altered:
    """Everything as the inner object has it, but for what a subclass changes."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Impostor:
    """A venue whose sink, or whose link, goes through an alteration."""

    def __init__(
        self,
        venue: Venue,
        *,
        sink: Callable[[VenueSink], Any] | None = None,
        link: Callable[[VenueLink], Any] | None = None,
    ) -> None:
        self._venue, self._sink, self._link = venue, sink, link

    @property
    def identity(self) -> VenueIdentity:
        return self._venue.identity

    @property
    def mark_key(self) -> bytes:
        return self._venue.mark_key

    @asynccontextmanager
    async def open(self, sink: VenueSink) -> AsyncIterator[VenueLink]:
        async with self._venue.open(sink if self._sink is None else self._sink(sink)) as link:
            yield link if self._link is None else self._link(link)


class LosesCanceled(Altered):
    """Keeps every report of a cancel to itself."""

    def on_report(self, report: OrderReport) -> None:
        if report.report_type is not ReportType.CANCELED:
            self._inner.on_report(report)


class LosesOneFill(Altered):
    """Leaves out the second part of whatever fills."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._fills = 0

    def on_report(self, report: OrderReport) -> None:
        self._fills += report.fill is not None
        if report.fill is None or self._fills != 2:
            self._inner.on_report(report)


class RepeatsFills(Altered):
    """Tells every fill twice."""

    def on_report(self, report: OrderReport) -> None:
        self._inner.on_report(report)
        if report.fill is not None:
            self._inner.on_report(report)


class Nameless(Altered):
    """Forgets our name for an order."""

    def on_report(self, report: OrderReport) -> None:
        self._inner.on_report(msgspec.structs.replace(report, cl_ord_id=None))


class ForgetsMissedFills(Altered):
    """Tells the open orders after a break, and not what was filled meanwhile."""

    def on_snapshot(self, open_orders: Sequence[OrderReport], trades: Sequence[OrderReport]) -> None:
        self._inner.on_snapshot(open_orders, ())

    def on_report(self, report: OrderReport) -> None:
        if report.source == "stream":
            self._inner.on_report(report)


class HidesBreaks(Altered):
    """Never says that the private link is down."""

    def on_private_link(self, *, up: bool, why: str) -> None:
        if up:
            self._inner.on_private_link(up=up, why=why)


class CallsRefusalsAccepted(Altered):
    """Says yes to what the venue refused."""

    async def submit(self, ticket: Ticket, order: NewOrder) -> Answer:
        answer = await self._inner.submit(ticket, order)
        if answer.outcome is Outcome.REFUSED:
            return msgspec.structs.replace(answer, outcome=Outcome.ACCEPTED, order_id="OAAAAA-AAAAA-AAAAAA", code="")
        return answer


class CallsAcceptedRefused(Altered):
    """Says no to what the venue took."""

    async def submit(self, ticket: Ticket, order: NewOrder) -> Answer:
        answer = await self._inner.submit(ticket, order)
        return msgspec.structs.replace(answer, outcome=Outcome.REFUSED, order_id=None, code="NO", text="no")


class NeverAnswersCancels(Altered):
    """Waits for ever where a cancel should be answered."""

    async def cancel(self, ticket: Ticket, cancel: CancelOrder) -> Answer:
        await trio.sleep_forever()
        raise AssertionError("unreachable")


class ShrinksHistory(Altered):
    """Halves every quantity that history tells."""

    async def trades_since(self, since_ns: int, enough: EnoughFills | None = None) -> list[OrderReport]:
        found = await self._inner.trades_since(since_ns, enough)
        return [
            msgspec.structs.replace(one, fill=msgspec.structs.replace(one.fill, last_qty=Qty(one.fill.last_qty / 2)))
            for one in found
        ]


class SwapsBatchAnswers(Altered):
    """Gives a batch's answers in the wrong order."""

    async def submit_batch(self, ticket: Ticket, orders: Sequence[NewOrder]) -> list[Answer]:
        return list(reversed(await self._inner.submit_batch(ticket, orders)))


class Deaf(Altered):
    """Hears no ticker."""

    def on_ticker(self, ticker: Ticker) -> None:
        """Keep it."""


class FlattensCandles(Altered):
    """Knows only where a candle closed."""

    def on_candle(self, candle: Candle) -> None:
        close = candle.close
        self._inner.on_candle(msgspec.structs.replace(candle, open=close, high=close, low=close - 1, trades=0))


class Shallow(Altered):
    """Gives the ten best levels to whoever asks for more."""

    def topic(self, channel: MarketChannel, spelling: str, variant: int | None = None) -> Topic:
        topic: Topic = self._inner.topic(channel, spelling, variant)
        return msgspec.structs.replace(topic, variant=10) if channel == "book" else topic


class CountsNoOrders(Altered):
    """Shows budgets in which no order has a place."""

    def headroom(self) -> list[Headroom]:
        return [msgspec.structs.replace(row, open_orders=0) for row in self._inner.headroom()]


class Careless(Altered):
    """Sends every order without its finer terms."""

    async def submit(self, ticket: Ticket, order: NewOrder) -> Answer:
        plain = msgspec.structs.replace(order, post_only=False, conditional=None, stp_type="cancel_newest", expire_ns=0)
        tif = "ioc" if order.time_in_force in ("fok", "ioc") else "gtc"
        answer: Answer = await self._inner.submit(ticket, msgspec.structs.replace(plain, time_in_force=tif))
        return answer


class StopsForTargets(Altered):
    """Takes one trigger for the other."""

    async def submit(self, ticket: Ticket, order: NewOrder) -> Answer:
        if order.order_type == "trailing-stop":
            order = msgspec.structs.replace(order, trail=order.trail and order.trail * 9)
        swapped: Any = order.order_type.replace("take-profit", "stop-loss")
        answer: Answer = await self._inner.submit(ticket, msgspec.structs.replace(order, order_type=swapped))
        return answer
