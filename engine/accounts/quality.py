"""How well a signal was executed: prices against those it met, and when each stage was reached. Pure."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.accounts.pnl import BracketMoney, money_of
from engine.orders.bracket_events import BracketEvent
from engine.orders.commands import NewOrder
from engine.orders.events import OrderEvent, Role
from engine.orders.order import Order
from engine.orders.replay import Closed, Fact, Intent, Opened, Requested
from engine.orders.reports import Answer
from engine.orders.signal import Signal
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Side, sign

BPS = Decimal(10_000)
_HUNDREDTHS = Decimal("0.01")


class Stages(msgspec.Struct):
    """When each stage was first reached, in our UTC nanoseconds; 0: never. Of the entry, then of the bracket.

    ``signal``: accepted. ``journal``: the order decided. ``wire``: let go, its row synced. ``ack``: answered. ``open``:
    shown by a report. ``covered``: all that had filled lies under stops. ``flat``: nothing is held any more.
    """

    signal: int = 0
    journal: int = 0
    wire: int = 0
    ack: int = 0
    open: int = 0
    first_fill: int = 0
    last_fill: int = 0
    covered: int = 0
    flat: int = 0


class OrderQuality(msgspec.Struct, frozen=True):
    """One order that filled. ``reference_px`` is what it was measured by: arrival, trigger or target; None: nothing.

    ``slippage_bps`` is positive where the fills were worse than the reference.
    """

    cl_ord_id: str
    role: Role
    side: Side
    cum_qty: Decimal
    avg_px: Decimal
    reference_px: Decimal | None
    slippage_bps: Decimal | None
    fees: dict[str, Decimal]


class SignalQuality(msgspec.Struct, frozen=True):
    """One signal. ``arrival_px`` is the middle of the verified book when it was judged, None where one side was empty.

    ``slippage_bps`` is the entry's. ``money`` is in quote units; ``fees`` by asset, in units of it. What margin took
    beside them, ``charges`` by asset, is in neither.
    """

    signal_id: str
    strategy_id: str
    symbol: str
    side: Side
    outcome: str
    arrival_px: Decimal | None
    slippage_bps: Decimal | None
    fees: dict[str, Decimal]
    money: BracketMoney
    stages: Stages
    orders: tuple[OrderQuality, ...]
    charges: dict[str, Decimal] = {}


def slippage_bps(side: Side, avg_px: Decimal, reference_px: Decimal | None) -> Decimal | None:
    """Return by how many hundredths of a percent a price is worse than its reference (better: negative)."""
    if not reference_px or not avg_px:
        return None
    return (sign(side) * (avg_px - reference_px) / reference_px * BPS).quantize(_HUNDREDTHS)


class QualityFold:
    """Takes the facts of one signal in journal order."""

    def __init__(self) -> None:
        self._signal: Signal | None = None
        self._instrument: Instrument | None = None
        self._arrival: Decimal | None = None
        self._orders: dict[str, Order] = {}
        self._stages = Stages()
        self._outcome = ""
        self._charges: dict[str, Decimal] = {}

    def take(self, ts_ns: int, cl_ord_id: str, fact: Fact) -> None:
        """Take one row's fact. Raises OrderInvariantError when it cannot follow those before it."""
        match fact:
            case Opened():
                self._signal, self._instrument = fact.signal, fact.instrument
                self._stages.signal = ts_ns
                if fact.bid is not None and fact.ask is not None:
                    self._arrival = (fact.bid + fact.ask) / 2
            case Intent():
                self._orders[cl_ord_id] = Order(fact.spec, fact.role)
                self._reached("journal", ts_ns, cl_ord_id)
            case Requested(request=NewOrder()):
                self._reached("wire", ts_ns, cl_ord_id)
            case Answer(request="new"):
                self._reached("ack", ts_ns, cl_ord_id)
            case OrderEvent():
                self._happened(ts_ns, cl_ord_id, fact)
            case BracketEvent():
                self._moved(ts_ns, fact)
            case Closed():
                self._outcome = fact.outcome
            case _:
                pass

    def charged(self, asset: str, qty: Decimal) -> None:
        """Take what margin took beside the fees of the signal's fills."""
        if qty:
            self._charges[asset] = self._charges.get(asset, ZERO) + qty

    def quality(self) -> SignalQuality | None:
        """Return what was found; None for a signal that was never accepted."""
        if self._signal is None or self._instrument is None:
            return None
        views = [order.view() for order in self._orders.values()]
        fees: dict[str, Decimal] = {}
        for view in views:
            for asset, qty in view.fees.items():
                fees[asset] = fees.get(asset, ZERO) + qty
        entries = [view for view in views if view.role == "entry" and view.cum_qty]
        qty = sum((view.cum_qty for view in entries), ZERO)
        cost = sum((view.cum_cost for view in entries), ZERO)
        return SignalQuality(
            signal_id=self._signal.signal_id,
            strategy_id=self._signal.strategy_id,
            symbol=self._signal.symbol,
            side=self._signal.side,
            outcome=self._outcome,
            arrival_px=self._arrival,
            slippage_bps=slippage_bps(self._signal.side, cost / qty if qty else ZERO, self._arrival),
            fees=fees,
            money=money_of(self._signal, self._instrument, views),
            stages=self._stages,
            orders=tuple(self._order(order) for order in self._orders.values() if order.cum_qty),
            charges=self._charges,
        )

    def _order(self, order: Order) -> OrderQuality:
        view = order.view()
        reference = self._reference(order)
        return OrderQuality(
            cl_ord_id=view.cl_ord_id,
            role=view.role,
            side=view.spec.side,
            cum_qty=view.cum_qty,
            avg_px=view.avg_px,
            reference_px=reference,
            slippage_bps=slippage_bps(view.spec.side, view.avg_px, reference),
            fees=view.fees,
        )

    def _reference(self, order: Order) -> Decimal | None:
        """Return the price that an order was to get: a close at market was to get none."""
        match order.role:
            case "entry":
                return self._arrival
            case "stop":
                return order.trigger_price
            case "target":
                return order.spec.limit_price
            case _:
                return None

    def _happened(self, ts_ns: int, cl_ord_id: str, event: OrderEvent) -> None:
        order = self._orders[cl_ord_id]
        order.apply(event)
        if event.to_state == "open":
            self._reached("open", ts_ns, cl_ord_id)
        if event.fill is not None and order.role == "entry":
            self._reached("first_fill", ts_ns, cl_ord_id)
            self._stages.last_fill = ts_ns

    def _moved(self, ts_ns: int, event: BracketEvent) -> None:
        if event.to_state == "covered" and not self._stages.covered:
            self._stages.covered = ts_ns
        if event.to_state == "flat" and self._stages.first_fill:
            self._stages.flat = ts_ns

    def _reached(self, stage: str, ts_ns: int, cl_ord_id: str) -> None:
        if self._orders[cl_ord_id].role == "entry" and not getattr(self._stages, stage):
            setattr(self._stages, stage, ts_ns)
