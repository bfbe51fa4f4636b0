"""REST's order, trade and amend objects (protocol sections 1.4, 3.1, 3.2)."""

from __future__ import annotations

from decimal import Decimal

from engine.sim.instruments import PairSpec
from engine.sim.numbers import NS, ZERO, epoch_seconds, fixed, nearest, number
from engine.sim.offsets import Price
from engine.sim.orders import NewOrder, SimOrder, SimTrade

_STATUS = {"pending_new": "pending", "new": "open", "partially_filled": "open", "filled": "closed"}


def describe(order: NewOrder | SimOrder, pair: PairSpec) -> str:
    """Write ``descr.order``: ``buy 0.01000000 XBTUSD @ limit 50000.0``."""
    if order.cash_order_qty is not None:
        qty = fixed(order.cash_order_qty, pair.cost_precision)
    else:
        qty = fixed(order.order_qty, pair.qty_precision)
    text = f"{order.side} {qty} {pair.altname} @ {_terms(order.order_type, *_prices(order), pair)}"
    return text if order.leverage is None else f"{text} with {order.leverage}:1 leverage"


def describe_close(order: NewOrder | SimOrder, pair: PairSpec) -> str:
    """Write ``descr.close``: ``close position @ stop loss 45000.0 -> limit 44000.0``; empty without one."""
    close = order.close
    if close is None:
        return ""
    return f"close position @ {_terms(close.order_type, close.trigger_price, close.limit_price, pair)}"


def descriptions(order: NewOrder | SimOrder, pair: PairSpec) -> dict[str, str]:
    """Return the ``descr`` of an answer to AddOrder."""
    close = describe_close(order, pair)
    return {"order": describe(order, pair)} | ({"close": close} if close else {})


def price_text(price: Price, pair: PairSpec) -> str:
    """Write a price, or an offset with its sign."""
    return fixed(price, pair.price_precision) if isinstance(price, Decimal) else price.text(pair.price_precision)


def _terms(order_type: str, trigger: Price | None, limit: Price | None, pair: PairSpec) -> str:
    text = order_type if order_type == "settle-position" else order_type.removesuffix("-limit").replace("-", " ")
    if trigger is None:
        return text if limit is None else f"{text} {price_text(limit, pair)}"
    text += f" {price_text(trigger, pair)}"
    return text if limit is None else f"{text} -> limit {price_text(limit, pair)}"


def _prices(order: NewOrder | SimOrder) -> tuple[Price | None, Price | None]:
    """Return trigger and limit; what trails is shown as it was asked for."""
    if isinstance(order, SimOrder) and order.trails:
        return order.trigger_offset or order.trigger_price, order.limit_offset or order.limit_price
    return order.trigger_price, order.limit_price


def leverage_text(leverage: int | None) -> str:
    """Write an order's leverage."""
    return "none" if leverage is None else f"{leverage}:1"


def order_object(order: SimOrder, pair: PairSpec, *, trades: bool) -> dict[str, object]:
    """Write the order object of section 3.1. ``price`` is the average fill price, the limit is in ``descr``."""
    price, cost = pair.price_precision, pair.cost_precision
    trigger, limit = _prices(order)
    first, second = (limit, None) if trigger is None else (trigger, limit)
    row: dict[str, object] = {
        "refid": order.ref_id,
        "userref": order.userref,
        "cl_ord_id": order.cl_ord_id,
        "status": _STATUS.get(order.status, order.status),
        "opentm": epoch_seconds(order.opened_ns),
        "starttm": 0 if order.effective_ns is None else order.effective_ns // NS,
        "expiretm": 0 if order.expire_ns is None else order.expire_ns // NS,
        "descr": {
            "pair": pair.altname,
            "type": order.side,
            "ordertype": order.order_type,
            "price": "0" if first is None else price_text(first, pair),
            "price2": "0" if second is None else price_text(second, pair),
            "leverage": leverage_text(order.leverage),
            "order": describe(order, pair),
            "close": describe_close(order, pair),
        },
        **_volumes(order, pair),
        "cost": fixed(order.cum_cost, cost),
        "fee": fixed(order.fee, 10 if order.fee_in_base else cost),
        "price": fixed(order.avg_price, price),
        "stopprice": fixed(order.trigger_price or ZERO, 5),
        "limitprice": fixed((order.limit_price if order.triggered else None) or ZERO, 5),
        "misc": ",".join(_misc(order)),
        "oflags": ",".join(_flags(order)),
    }
    if order.display_qty is not None:
        row["displayvol"] = fixed(order.display_qty, pair.qty_precision)
    if order.trigger_price is not None:
        row["trigger"] = order.trigger_reference
    if order.leverage is not None:
        row |= {"margin": True, "reduce_only": order.reduce_only}
    if order.sender_sub_id is not None:
        row["sender_sub_id"] = order.sender_sub_id
    if order.closed_ns is not None:
        row |= {"reason": order.reason, "closetm": epoch_seconds(order.closed_ns)}
    return row | ({"trades": list(order.exec_ids)} if trades and order.exec_ids else {})


def _volumes(order: SimOrder, pair: PairSpec) -> dict[str, object]:
    """Return volume and executed volume: in quote currency for an order that was placed in it."""
    if order.cash_order_qty is not None:
        asked, done, places = order.cash_order_qty, order.cum_cost, pair.cost_precision
    else:
        asked, done, places = order.order_qty, order.cum_qty, pair.qty_precision
    return {"vol": fixed(asked, places), "vol_exec": fixed(done, places)}


def _flags(order: SimOrder) -> list[str]:
    flags = ["fcib" if order.fee_in_base else "fciq"]
    flags += ["post"] if order.post_only else []
    return flags + (["viqc"] if order.cash_order_qty is not None else [])


def _misc(order: SimOrder) -> list[str]:
    marks = []
    if order.triggered:
        marks.append("touched" if order.order_type.startswith("take-profit") else "stopped")
    if order.liquidates:
        marks.append("liquidated")
    if order.cum_qty and order.cum_qty < order.order_qty:
        marks.append("partial")
    if order.amended:
        marks.append("amended")
    return marks


def amends_object(order: SimOrder, pair: PairSpec, reason: str) -> dict[str, object]:
    """Write the result of OrderAmends, oldest first."""
    rows: list[dict[str, object]] = []
    for record in order.amends:
        row: dict[str, object] = {
            "amend_id": record.amend_id,
            "amend_type": record.amend_type,
            "order_qty": fixed(record.order_qty, pair.qty_precision),
            "remaining_qty": fixed(record.remaining_qty, pair.qty_precision),
            "post_only": record.post_only,
            "timestamp": number(Decimal(record.ts_ns // 1000), 0),
        }
        if record.display_qty is not None:
            row["display_qty"] = fixed(record.display_qty, pair.qty_precision)
        for name, value in (("limit_price", record.limit_price), ("trigger_price", record.trigger_price)):
            if value is not None:
                row[name] = fixed(value, pair.price_precision)
        if record.amend_type == "user":
            row["reason"] = reason
        rows.append(row)
    return {"count": len(rows), "amends": rows}


def trade_object(trade: SimTrade, pair: PairSpec) -> dict[str, object]:
    """Write the trade object of section 3.2."""
    return {
        "ordertxid": trade.order_id,
        "postxid": "TKH2SE-M7IF5-CFI7LT",
        "pair": pair.rest_key,
        "time": epoch_seconds(trade.ts_ns),
        "type": trade.side,
        "ordertype": trade.order_type,
        "price": fixed(nearest(trade.price, pair.price_precision), pair.price_precision),
        "cost": fixed(trade.cost, pair.cost_precision),
        "fee": fixed(trade.fee, pair.cost_precision if trade.fee_asset == pair.quote else 10),
        "vol": fixed(trade.qty, pair.qty_precision),
        "margin": fixed(trade.margin, pair.cost_precision),
        "leverage": "0" if trade.leverage is None else str(trade.leverage),
        "misc": "closing" if trade.position_status in ("closing", "closed") else "",
        "trade_id": trade.trade_id,
        "maker": trade.liquidity == "m",
    }
