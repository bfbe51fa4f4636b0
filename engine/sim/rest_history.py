"""Private REST endpoints about orders and fills: open, closed, by id, amends, trades (protocol sections 1.4, 3)."""

from __future__ import annotations

from collections.abc import Iterable

from engine.sim import errors
from engine.sim.accounts import Account, plain
from engine.sim.errors import Refused
from engine.sim.orders import SimOrder, SimTrade
from engine.sim.rest_pages import Span, ids, paged, span
from engine.sim.rest_params import Params, optional_text, truth, userref, word
from engine.sim.rest_rows import amends_object, order_object, trade_object
from engine.sim.venue import Venue

_QUERY_ORDERS = 50
_QUERY_TRADES = 20
_TRADE_TYPES = ("all", "any position", "closed position", "closing position", "no position")


def open_orders(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """OpenOrders, newest first, no pages. Raises Refused."""
    return {"open": _orders(venue, account, params, _chosen(params, reversed(account.open.values())))}


def closed_orders(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """ClosedOrders: a page of 50, newest first; ``start`` exclusive, ``end`` inclusive. Raises Refused."""
    which = word(params, "closetime", ("open", "close", "both"), "both")
    within = span(params, lambda txid: account.orders[txid].opened_ns if txid in account.orders else None)
    rows: Iterable[SimOrder] = reversed(account.closed)
    count: int | None = len(account.closed)
    if within or "cl_ord_id" in params or "userref" in params:
        rows = [order for order in _chosen(params, rows) if _is_inside(order, which, within)]
        count = None
    page, counted = paged(params, rows, count)
    return {"closed": _orders(venue, account, params, page)} | counted


def _is_inside(order: SimOrder, which: str, within: Span) -> bool:
    opened, closed = order.opened_ns, order.closed_ns or 0
    if which != "both":
        return within.holds(opened if which == "open" else closed)
    return within.holds(opened) or within.holds(closed)


def query_orders(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """QueryOrders by txid, at most 50. Raises Refused (``EOrder:Invalid order`` for an unknown one)."""
    found: list[SimOrder] = []
    for txid in ids(params, "txid", _QUERY_ORDERS):
        order = account.orders.get(txid)
        if order is None:
            raise Refused(errors.INVALID_ORDER)
        found.append(order)
    wanted = userref(params)
    chosen = [order for order in found if wanted is None or order.userref == wanted]
    return _orders(venue, account, params, chosen)


def order_amends(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """OrderAmends of one order. Raises Refused."""
    order = account.orders.get(optional_text(params, "order_id") or "")
    if order is None:
        raise Refused(errors.INVALID_ORDER)
    return amends_object(order, venue.core.market(order.symbol).pair, venue.settings.reason_user)


def _chosen(params: Params, orders: Iterable[SimOrder]) -> list[SimOrder]:
    """Keep the orders that the filters name. Raises Refused."""
    cl_ord_id, tag = optional_text(params, "cl_ord_id"), userref(params)
    wanted = plain(cl_ord_id) if cl_ord_id is not None else None
    return [
        order
        for order in orders
        if (wanted is None or (order.cl_ord_id is not None and plain(order.cl_ord_id) == wanted))
        and (tag is None or order.userref == tag)
    ]


def _orders(venue: Venue, account: Account, params: Params, orders: Iterable[SimOrder]) -> dict[str, object]:
    """Write order objects by txid, with their fills if asked for."""
    trades, merged = truth(params, "trades"), _merges(params)
    rows: dict[str, object] = {}
    for order in orders:
        row = order_object(order, venue.core.market(order.symbol).pair, trades=trades)
        if trades and merged and order.exec_ids:
            row["trades"] = account.fills.merged_ids(order.exec_ids)
        rows[order.order_id] = row
    return rows


def trades_history(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """TradesHistory: a page of 50, newest first, the fills of a taker order merged unless told otherwise.

    Bounds as in ClosedOrders, by time or by the id of a fill. Raises Refused.
    """
    kind, merged = word(params, "type", _TRADE_TYPES, "all"), _merges(params)
    within = span(params, lambda exec_id: trade.ts_ns if (trade := account.fills.get(exec_id)) else None)
    rows: Iterable[SimTrade] = account.fills.newest_first(merged=merged)
    count: int | None = account.fills.count(merged=merged)
    if kind != "all" or within:
        rows = [trade for trade in rows if within.holds(trade.ts_ns) and _is_kind(trade, kind, account)]
        count = None
    page, counted = paged(params, rows, count)
    return {"trades": _trades(venue, account, params, page, merged=merged)} | counted


def _is_kind(trade: SimTrade, kind: str, account: Account) -> bool:
    """Tell whether a fill is of a ``type``: what it did to a margin position, or that it touched none."""
    match kind:
        case "no position":
            return trade.position_status is None
        case "any position":
            return trade.position_status is not None
        case "closing position":
            return trade.position_status in ("closing", "closed")
        case "closed position":
            return trade.position_status == "opened" and trade.exec_id not in account.positions
        case _:
            return True


def query_trades(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """QueryTrades by id, at most 20. Raises Refused."""
    found: list[SimTrade] = []
    for exec_id in ids(params, "txid", _QUERY_TRADES):
        trade = account.fills.get(exec_id)
        if trade is None:
            raise Refused(errors.INVALID_TRADE)
        found.append(trade)
    return _trades(venue, account, params, found, merged=False)


def _trades(
    venue: Venue, account: Account, params: Params, trades: Iterable[SimTrade], *, merged: bool
) -> dict[str, object]:
    """Write trade objects by id, with their ledger rows if asked for.

    Which fills have closed a position is not kept: ``trades`` is accepted and adds nothing.
    """
    ledgers = truth(params, "ledgers")
    truth(params, "trades")
    rows: dict[str, object] = {}
    for trade in trades:
        row = trade_object(trade, venue.core.market(trade.symbol).pair)
        if ledgers:
            parts = account.fills.parts(trade.exec_id) if merged else [trade.exec_id]
            row["ledgers"] = [ledger_id for part in parts for ledger_id in account.ledger.of(part)]
        rows[trade.exec_id] = row
    return rows


def _merges(params: Params) -> bool:
    return "consolidate_taker" not in params or truth(params, "consolidate_taker")
