"""Private REST endpoints that read: balances, orders, trades, token, key (protocol sections 1.4, 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from engine.sim import errors
from engine.sim.accounts import Account, plain
from engine.sim.errors import Refused, invalid
from engine.sim.keys import ApiKey
from engine.sim.numbers import NS, ZERO, amount, fixed
from engine.sim.orders import SimOrder, SimTrade
from engine.sim.rest_params import Params, optional_amount, optional_text, truth
from engine.sim.rest_rows import amends_object, order_object, trade_object
from engine.sim.venue import Venue

_PAGE = 50
_QUERY_ORDERS = 50
_QUERY_TRADES = 20


def balance(venue: Venue, account: Account, params: Params) -> dict[str, object]:  # noqa: ARG001
    """Balance: totals, not net of holds."""
    return {
        asset.rest_key: fixed(account.balances[asset.name], asset.decimals)
        for asset in venue.settings.assets
        if asset.name in account.balances
    }


def balance_ex(venue: Venue, account: Account, params: Params) -> dict[str, object]:  # noqa: ARG001
    """BalanceEx: totals and what open orders hold."""
    return {
        asset.rest_key: {
            "balance": fixed(account.balances[asset.name], asset.decimals),
            "hold_trade": fixed(account.held.get(asset.name, ZERO), asset.decimals),
        }
        for asset in venue.settings.assets
        if asset.name in account.balances
    }


def trade_balance(venue: Venue, account: Account, params: Params) -> dict[str, object]:  # noqa: ARG001
    """TradeBalance without margin: everything valued in USD at the last prices."""
    total = account.balances.get("USD", ZERO)
    for pair in venue.settings.pairs:
        if pair.quote == "USD":
            last = venue.core.market(pair.symbol).tape.last_price or ZERO
            total += account.balances.get(pair.base, ZERO) * last
    cash = fixed(account.balances.get("USD", ZERO), 4)
    zero = fixed(ZERO, 4)
    used = dict.fromkeys(("m", "n", "c", "v", "uv"), zero)
    return {"eb": fixed(total, 4), "tb": cash, **used, "e": cash, "mf": cash}


def _chosen(params: Params, orders: list[SimOrder]) -> list[SimOrder]:
    """Keep the orders that the filters name."""
    cl_ord_id, userref = optional_text(params, "cl_ord_id"), optional_text(params, "userref")
    wanted = plain(cl_ord_id) if cl_ord_id is not None else None
    return [
        order
        for order in orders
        if (wanted is None or (order.cl_ord_id is not None and plain(order.cl_ord_id) == wanted))
        and (userref is None or str(order.userref) == userref)
    ]


def _rows(venue: Venue, params: Params, orders: list[SimOrder]) -> dict[str, object]:
    trades = truth(params, "trades")
    return {o.order_id: order_object(o, venue.core.market(o.symbol).pair, trades=trades) for o in orders}


def open_orders(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """OpenOrders, newest first."""
    chosen = _chosen(params, list(account.open.values()))
    return {"open": _rows(venue, params, chosen[::-1])}


def closed_orders(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """ClosedOrders: a page of 50, newest first; ``start`` exclusive, ``end`` inclusive. Raises Refused."""
    which = params.get("closetime", "both")
    if which not in ("open", "close", "both"):
        raise invalid("closetime")
    known = {order.order_id: order.opened_ns for order in account.closed} | {
        order.order_id: order.opened_ns for order in account.open.values()
    }
    start, end = (_moment(params, name, known) for name in ("start", "end"))

    def inside(order: SimOrder) -> bool:
        times = {"open": (order.opened_ns,), "close": (order.closed_ns or 0,)}.get(
            str(which), (order.opened_ns, order.closed_ns or 0)
        )
        return any((start is None or at > start) and (end is None or at <= end) for at in times)

    chosen = [order for order in _chosen(params, account.closed) if inside(order)][::-1]
    page = chosen[_offset(params) :][:_PAGE]
    return {"closed": _rows(venue, params, page)} | _counted(params, len(chosen))


def query_orders(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """QueryOrders by txid, at most 50. Raises Refused (``EOrder:Invalid order`` for an unknown one)."""
    ids = _ids(params, _QUERY_ORDERS)
    found: list[SimOrder] = []
    for txid in ids:
        order = account.orders.get(txid)
        if order is None:
            raise Refused(errors.INVALID_ORDER)
        found.append(order)
    return _rows(venue, params, found)


def trades_history(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """TradesHistory: a page of 50, newest first, the fills of a taker order merged unless told otherwise."""
    trades = account.trades
    if truth(params, "consolidate_taker") if "consolidate_taker" in params else True:
        trades = consolidated(trades)
    known = {trade.exec_id: trade.ts_ns for trade in account.trades}
    start, end = (_moment(params, name, known) for name in ("start", "end"))
    chosen = [t for t in trades if (start is None or t.ts_ns > start) and (end is None or t.ts_ns <= end)][::-1]
    page = chosen[_offset(params) :][:_PAGE]
    return {"trades": {t.exec_id: trade_object(t, venue.core.market(t.symbol).pair) for t in page}} | _counted(
        params, len(chosen)
    )


def query_trades(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """QueryTrades by id, at most 20. Raises Refused."""
    by_id = {trade.exec_id: trade for trade in account.trades}
    ids = _ids(params, _QUERY_TRADES)
    if any(exec_id not in by_id for exec_id in ids):
        raise Refused("EQuery:Invalid trade")
    return {exec_id: trade_object(by_id[exec_id], venue.core.market(by_id[exec_id].symbol).pair) for exec_id in ids}


def consolidated(trades: list[SimTrade]) -> list[SimTrade]:
    """Merge the taker fills of each order into one row under the first fill's id."""
    rows: dict[str, SimTrade] = {}
    for trade in trades:
        key = trade.order_id if trade.liquidity == "t" else trade.exec_id
        first = rows.get(key)
        if first is None:
            rows[key] = trade
            continue
        qty, cost = first.qty + trade.qty, first.cost + trade.cost
        rows[key] = replace(first, qty=qty, cost=cost, fee=first.fee + trade.fee, price=cost / qty)
    return list(rows.values())


def trade_volume(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """TradeVolume with one fee tier for all. Raises Refused."""
    settings = venue.settings
    result: dict[str, object] = {"currency": "ZUSD", "volume": fixed(sum((t.cost for t in account.trades), ZERO), 4)}
    names = [name for name in str(params.get("pair", "")).split(",") if name]
    pairs = [settings.pair_named(name) for name in names]
    if None in pairs:
        raise Refused(errors.UNKNOWN_PAIR)
    for key, pct in (("fees", settings.taker_fee_pct), ("fees_maker", settings.maker_fee_pct)):
        if pairs:
            result[key] = {pair.rest_key: _tier(pct) for pair in pairs if pair is not None}
    return result


def _tier(pct: Decimal) -> dict[str, object]:
    fee = fixed(pct, 4)
    return {"fee": fee, "minfee": fee, "maxfee": fee, "nextfee": None, "nextvolume": None, "tiervolume": "0.0000"}


def order_amends(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """OrderAmends of one order. Raises Refused."""
    order = account.orders.get(optional_text(params, "order_id") or "")
    if order is None:
        raise Refused(errors.INVALID_ORDER)
    return amends_object(order, venue.core.market(order.symbol).pair, venue.settings.reason_user)


def web_sockets_token(venue: Venue, key: ApiKey, params: Params) -> dict[str, object]:  # noqa: ARG001
    """GetWebSocketsToken."""
    token = venue.tokens.issue(key, venue.clock.now_ns())
    return {"token": token, "expires": round(venue.settings.token_life_s)}


def api_key_info(venue: Venue, key: ApiKey, params: Params) -> dict[str, object]:  # noqa: ARG001
    """GetApiKeyInfo."""
    return {
        "apiKeyName": key.name,
        "apiKey": key.public,
        "nonce": str(key.nonce_high),
        "nonceWindow": venue.settings.nonce_window,
        "permissions": list(key.permissions),
        "ipAllowlist": [],
        "validUntil": "0",
    }


def _moment(params: Params, name: str, known: dict[str, int]) -> int | None:
    """Read a time bound: epoch seconds, or the id of something whose time is meant. Raises Refused."""
    value = optional_text(params, name)
    if value is None:
        return None
    if value in known:
        return known[value]
    try:
        return int(amount(value) * NS)
    except ValueError:
        raise invalid(name) from None


def _offset(params: Params) -> int:
    value = optional_amount(params, "ofs") or ZERO
    if value < 0 or value != int(value):
        raise invalid("ofs")
    return int(value)


def _counted(params: Params, count: int) -> dict[str, object]:
    return {} if truth(params, "without_count") else {"count": count}


def _ids(params: Params, most: int) -> list[str]:
    ids = [item for item in (optional_list(params, "txid")) if item]
    if not 1 <= len(ids) <= most:
        raise invalid("txid")
    return list(dict.fromkeys(ids))


def optional_list(params: Params, name: str) -> list[str]:
    """Read a comma list (its text may be longer than an ordinary parameter)."""
    value = params.get(name, "")
    if not isinstance(value, str) or len(value) > 4096:
        raise invalid(name)
    return value.split(",")


READING: dict[str, Callable[[Venue, Account, Params], dict[str, object]]] = {
    "Balance": balance,
    "BalanceEx": balance_ex,
    "TradeBalance": trade_balance,
    "OpenOrders": open_orders,
    "ClosedOrders": closed_orders,
    "QueryOrders": query_orders,
    "TradesHistory": trades_history,
    "QueryTrades": query_trades,
    "TradeVolume": trade_volume,
    "OrderAmends": order_amends,
}
KEYED: dict[str, Callable[[Venue, ApiKey, Params], dict[str, object]]] = {
    "GetWebSocketsToken": web_sockets_token,
    "GetApiKeyInfo": api_key_info,
}
