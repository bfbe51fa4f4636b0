"""One check's hands on an open venue: place, cancel, wait with a bound, and say what was wrong."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import TypeVar

import trio

from engine.errors import VenueError
from engine.orders.commands import AmendOrder, CancelOrder, NewOrder, OrderType, Request, TimeInForce
from engine.orders.reports import Answer, Fill, OrderReport, Outcome, ReportType
from engine.seams.clock import Clock
from engine.values.ids import new_cl_ord_id
from engine.values.money import Price, Qty, Side
from engine.venue.capabilities import Capabilities
from engine.venue.ground import Ground
from engine.venue.protocol import Lane, VenueLink
from engine.venue.witness import PATIENCE_S, Breach, Witness

TERMINAL = frozenset(("filled", "canceled", "expired"))
Seen = TypeVar("Seen")


class Trial:
    """An open link, the ground, what the adapter offers, and what this check has placed so far."""

    def __init__(
        self,
        link: VenueLink,
        witness: Witness,
        ground: Ground,
        manifest: Capabilities,
        clock: Clock,
        ids: random.Random,
        mark_key: bytes,
    ) -> None:
        self.link, self.witness, self.ground, self.manifest, self.clock = link, witness, ground, manifest, clock
        self._ids, self._mark_key = ids, mark_key
        self._placed: dict[str, tuple[NewOrder, str]] = {}

    @property
    def tick(self) -> Price:
        """The least step of a price. Raises Breach when the symbol is not known."""
        instrument = self.link.instrument(self.ground.symbol)
        if instrument is None:
            raise Breach(f"{self.ground.symbol} is not known")
        return instrument.price_increment

    # requests

    def order(
        self,
        side: Side = "buy",
        order_type: OrderType = "limit",
        *,
        qty: Qty | None = None,
        price: Price | None = None,
        trigger: Price | None = None,
        time_in_force: TimeInForce = "gtc",
    ) -> NewOrder:
        """Return an order with a name of its own; a limit order without a price rests."""
        if price is None and order_type == "limit":
            price = self.ground.resting_price
        return NewOrder(
            cl_ord_id=new_cl_ord_id(self._ids, self._mark_key),
            symbol=self.ground.symbol,
            side=side,
            order_type=order_type,
            order_qty=self.ground.qty if qty is None else qty,
            limit_price=price,
            trigger_price=trigger,
            time_in_force=time_in_force,
        )

    async def send(self, request: Request, lane: Lane = Lane.ENTRY) -> Answer:
        """Admit and send; every end is an answer that names the request. Raises Breach when none comes."""
        with trio.move_on_after(PATIENCE_S) as bound:
            ticket = await self.link.admit(lane, request)
            match request:
                case NewOrder():
                    answer = await self.link.submit(ticket, request)
                    self.remember(request, answer)
                case AmendOrder():
                    answer = await self.link.amend(ticket, request)
                case CancelOrder():
                    answer = await self.link.cancel(ticket, request)
        if bound.cancelled_caught:
            raise Breach(f"no answer to {type(request).__name__} within {PATIENCE_S:g} s")
        if answer.cl_ord_id != request.cl_ord_id:
            raise Breach(f"the answer names {answer.cl_ord_id}, the request was {request.cl_ord_id}")
        return answer

    def remember(self, order: NewOrder, answer: Answer) -> None:
        """Keep what may be live, so that the check leaves nothing behind."""
        if answer.outcome is not Outcome.REFUSED:
            self._placed[order.cl_ord_id] = (order, answer.order_id or "")

    async def place(self, order: NewOrder, lane: Lane = Lane.ENTRY) -> str:
        """Place an order that must be accepted, return the venue's id."""
        answer = await self.send(order, lane)
        if answer.outcome is not Outcome.ACCEPTED or not answer.order_id:
            known = [r for r in self.of(order) if r.ord_status not in TERMINAL]
            lie = ", yet the stream says that it is live" if known else ""
            raise Breach(f"{order.order_type} order: {shown(answer)}, wanted accepted with an order_id{lie}")
        return answer.order_id

    async def rest(self, order: NewOrder, lane: Lane = Lane.ENTRY) -> str:
        """Place an order and wait until the stream has named it."""
        order_id = await self.place(order, lane)
        await self.reported(order, ReportType.NEW)
        return order_id

    async def withdraw(self, order: NewOrder, order_id: str) -> OrderReport:
        """Cancel, and wait for the end that a report tells."""
        answer = await self.send(CancelOrder(order.cl_ord_id, order_id, order.symbol), Lane.CANCEL)
        if answer.outcome is not Outcome.ACCEPTED:
            raise Breach(f"cancel: {shown(answer)}, wanted accepted")
        return await self.reported(order, ReportType.CANCELED)

    # what was told

    def of(self, order: NewOrder) -> list[OrderReport]:
        """Return the stream's reports on an order, by either of its names."""
        _, order_id = self._placed.get(order.cl_ord_id, (order, ""))
        return [
            r for r in self.witness.reports if order.cl_ord_id == r.cl_ord_id or (order_id and order_id == r.order_id)
        ]

    def fills(self, order: NewOrder) -> list[Fill]:
        """Return the fills told of an order, in their order, repeats included."""
        return [report.fill for report in self.of(order) if report.fill is not None]

    async def reported(self, order: NewOrder, kind: ReportType) -> OrderReport:
        """Wait for a report of a kind on an order and return the first."""

        def found() -> list[OrderReport]:
            return [report for report in self.of(order) if report.report_type is kind]

        await self.witness.until(lambda: bool(found()), f"no report {kind} on the {order.order_type} order")
        return found()[0]

    async def ended(self, order: NewOrder) -> OrderReport:
        """Wait until an order has ended, by whatever report, and return that one."""

        def found() -> list[OrderReport]:
            return [report for report in self.of(order) if report.ord_status in TERMINAL]

        await self.witness.until(lambda: bool(found()), f"no report ended the {order.order_type} order")
        return found()[0]

    # the end

    async def tidy(self) -> None:
        """Take back what may still be open. Never raises for what the venue does: the verdict stands already."""
        for order, order_id in self._placed.values():
            if order_id and not any(report.ord_status in TERMINAL for report in self.of(order)):
                try:
                    await self.send(CancelOrder(order.cl_ord_id, order_id, order.symbol), Lane.EMERGENCY)
                except (Breach, VenueError):
                    continue


def shown(answer: Answer) -> str:
    """Write an answer for a reason."""
    return " ".join(part for part in (str(answer.outcome), answer.code, answer.text) if part)


def same(what: str, got: Seen, wanted: Seen) -> None:
    """Raise Breach when two values differ."""
    if got != wanted:
        raise Breach(f"{what} is {_text(got)}, wanted {_text(wanted)}")


def need(holds: bool, otherwise: str) -> None:
    """Raise Breach with this text when a condition does not hold."""
    if not holds:
        raise Breach(otherwise)


def _text(value: object) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)
