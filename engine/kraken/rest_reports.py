"""REST's orders and trades as reports (§3). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

import msgspec

from engine.errors import VenueProtocolError
from engine.kraken import validate
from engine.kraken.symbols import Symbols
from engine.orders.reports import Fee, Fill, OrderReport, ReportType, VenueStatus
from engine.values.money import Price, Qty, Side
from engine.values.time import NS


class Description(msgspec.Struct, frozen=True):
    """``descr`` of an order: what was asked for. A relative price is written with its sign (``+300.0``, ``+1.5%``)."""

    pair: str = ""
    type: Side | None = None
    ordertype: str | None = None
    price: str = "0"
    price2: str = "0"
    leverage: str = "none"


class OrderObject(msgspec.Struct, frozen=True):
    """An order of OpenOrders, ClosedOrders or QueryOrders. ``price`` is the average fill price, not the limit."""

    status: Literal["pending", "open", "closed", "canceled", "expired"]
    vol: Decimal
    vol_exec: Decimal
    price: Decimal
    descr: Description
    opentm: Decimal = Decimal(0)
    closetm: Decimal | None = None
    cl_ord_id: str | None = None
    refid: str | None = None
    reason: str | None = None
    misc: str = ""
    oflags: str = ""
    reduce_only: bool | None = None


class TradeObject(msgspec.Struct, frozen=True):
    """A trade of TradesHistory or QueryTrades."""

    ordertxid: str
    pair: str
    time: Decimal
    type: Side
    ordertype: str
    price: Decimal
    cost: Decimal
    fee: Decimal
    vol: Decimal
    maker: bool | None = None


MOST_LEVERAGE_DIGITS = 3
_TRIGGERED = ("stop-loss", "take-profit", "trailing-stop")

Orders = Mapping[str, OrderObject]
Trades = Mapping[str, TradeObject]


def order_report(order_id: str, order: OrderObject, symbols: Symbols) -> OrderReport:
    """Return an order's state as a STATUS report. Raises VenueProtocolError for numbers that are none."""
    _check_order(order)
    armed = (order.descr.ordertype or "").startswith(_TRIGGERED)
    limit, trigger = _price(order.descr.price), None
    if armed:
        limit, trigger = _price(order.descr.price2), _price(order.descr.price)
    marks = order.misc.split(",")
    return OrderReport(
        report_type=ReportType.STATUS,
        source="rest",
        order_id=order_id,
        ord_status=_status(order),
        ts_ns=_ns(order.closetm or order.opentm),
        cl_ord_id=order.cl_ord_id or None,
        symbol=symbols.symbol(order.descr.pair),
        side=order.descr.type,
        order_type=order.descr.ordertype,
        order_qty=Qty(order.vol),
        cum_qty=Qty(order.vol_exec),
        avg_px=Price(order.price) if order.vol_exec and order.price else None,
        limit_price=limit,
        trigger_price=trigger,
        triggered=("stopped" in marks or "touched" in marks) if armed else None,
        reason=order.reason or "",
        ord_ref_id=None if order.refid in (None, "", "None") else order.refid,
        margin=_leverage(order.descr.leverage) is not None,
        leverage=_leverage(order.descr.leverage),
        reduce_only=order.reduce_only,
        liquidated="liquidated" in marks,
    )


def trade_report(trade_id: str, trade: TradeObject, symbols: Symbols, *, fee_in_base: bool = False) -> OrderReport:
    """Return one fill as a TRADE report; in which asset its fee was paid is not in the row.

    A trade row knows nothing of its order's quantities: the status says only that some of it is filled. Raises
    VenueProtocolError for numbers that are none.
    """
    _check_trade(trade)
    instrument = symbols.instrument(trade.pair)
    fee_asset = "" if instrument is None else instrument.base if fee_in_base else instrument.quote
    ts_ns = _ns(trade.time)
    return OrderReport(
        report_type=ReportType.TRADE,
        source="rest",
        order_id=trade.ordertxid,
        ord_status="partially_filled",
        ts_ns=ts_ns,
        symbol=instrument.symbol if instrument is not None else None,
        side=trade.type,
        order_type=trade.ordertype,
        fill=Fill(
            exec_id=trade_id,
            last_qty=Qty(trade.vol),
            last_px=Price(trade.price),
            cost=trade.cost,
            fees=(Fee(fee_asset, trade.fee),),
            liquidity_ind="unknown" if trade.maker is None else "maker" if trade.maker else "taker",
            ts_ns=ts_ns,
        ),
    )


def _leverage(text: str) -> int | None:
    """Read ``5:1``, or ``5``; ``none`` is none. Raises VenueProtocolError."""
    if text in ("", "none", "0"):
        return None
    digits = text.removesuffix(":1")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MOST_LEVERAGE_DIGITS):
        raise VenueProtocolError(f"order: leverage {text[:40]!r} is none")
    return int(digits)


def _price(text: str) -> Price | None:
    """Read a price; 0 and distances are none. Raises VenueProtocolError."""
    if text.startswith(("+", "-", "#")):
        return None
    try:
        price = Decimal(text)
    except ArithmeticError:
        raise VenueProtocolError(f"order: price {text[:40]!r} is no number") from None
    validate.number("order", "price", price)
    return Price(price) if price else None


def _check_order(order: OrderObject) -> None:
    for name in ("vol", "vol_exec", "price"):
        validate.amount("order", name, getattr(order, name))
    for name in ("opentm", "closetm"):
        validate.number("order", name, getattr(order, name))


def _check_trade(trade: TradeObject) -> None:
    for name in ("price", "vol"):
        validate.amount("trade", name, getattr(trade, name))
    for name in ("cost", "fee", "time"):
        validate.number("trade", name, getattr(trade, name))


def _status(order: OrderObject) -> VenueStatus:
    match order.status:
        case "pending":
            return "pending_new"
        case "open":
            return "partially_filled" if order.vol_exec else "new"
        case "closed":
            return "filled"
        case ended:
            return ended


def _ns(seconds: Decimal) -> int:
    return int(seconds * NS)
