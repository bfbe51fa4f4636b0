"""REST's order, trade and amend objects (protocol sections 1.4, 3.1, 3.2)."""

from __future__ import annotations

from decimal import Decimal

from engine.sim.instruments import PairSpec
from engine.sim.numbers import NS, ZERO, epoch_seconds, fixed, nearest, number
from engine.sim.orders import NewOrder, SimOrder, SimTrade

_STATUS = {"pending_new": "pending", "new": "open", "partially_filled": "open", "filled": "closed"}


def describe(order: NewOrder | SimOrder, pair: PairSpec) -> str:
    """Write ``descr.order``: ``buy 0.01000000 XBTUSD @ limit 50000.0``."""
    text = f"{order.side} {fixed(order.order_qty, pair.qty_precision)} {pair.altname} @ "
    text += order.order_type.removesuffix("-limit").replace("-", " ")
    if order.trigger_price is not None:
        text += f" {fixed(order.trigger_price, pair.price_precision)}"
        return (
            text if order.limit_price is None else f"{text} -> limit {fixed(order.limit_price, pair.price_precision)}"
        )
    return text if order.limit_price is None else f"{text} {fixed(order.limit_price, pair.price_precision)}"


def order_object(order: SimOrder, pair: PairSpec, *, trades: bool) -> dict[str, object]:
    """Write the order object of section 3.1. ``price`` is the average fill price, the limit is in ``descr``."""
    price, cost = pair.price_precision, pair.cost_precision
    first = order.trigger_price if order.trigger_price is not None else order.limit_price
    second = order.limit_price if order.trigger_price is not None else None
    row: dict[str, object] = {
        "refid": None,
        "userref": order.userref,
        "cl_ord_id": order.cl_ord_id,
        "status": _STATUS.get(order.status, order.status),
        "opentm": epoch_seconds(order.opened_ns),
        "starttm": 0,
        "expiretm": 0 if order.expire_ns is None else order.expire_ns // NS,
        "descr": {
            "pair": pair.altname,
            "type": order.side,
            "ordertype": order.order_type,
            "price": fixed(first or ZERO, price) if first else "0",
            "price2": fixed(second or ZERO, price) if second else "0",
            "leverage": "none",
            "order": describe(order, pair),
            "close": "",
        },
        "vol": fixed(order.order_qty, pair.qty_precision),
        "vol_exec": fixed(order.cum_qty, pair.qty_precision),
        "cost": fixed(order.cum_cost, cost),
        "fee": fixed(order.fee, 10 if order.fee_in_base else cost),
        "price": fixed(order.avg_price, price),
        "stopprice": fixed(order.trigger_price or ZERO, 5),
        "limitprice": fixed((order.limit_price if order.triggered else None) or ZERO, 5),
        "misc": ",".join(_misc(order)),
        "oflags": ",".join(["fcib" if order.fee_in_base else "fciq"] + (["post"] if order.post_only else [])),
    }
    if order.trigger_price is not None:
        row["trigger"] = "last"
    if order.closed_ns is not None:
        row |= {"reason": order.reason, "closetm": epoch_seconds(order.closed_ns)}
    return row | ({"trades": list(order.exec_ids)} if trades and order.exec_ids else {})


def _misc(order: SimOrder) -> list[str]:
    marks = []
    if order.triggered:
        marks.append("stopped" if order.order_type.startswith("stop-loss") else "touched")
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
        "margin": fixed(ZERO, pair.cost_precision),
        "leverage": "0",
        "misc": "",
        "trade_id": trade.trade_id,
        "maker": trade.liquidity == "m",
    }
