"""OpenPositions and TradeBalance: what margin binds, and what it is worth (protocol sections 1.4, 11.9)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from engine.sim import errors
from engine.sim.accounts import Account
from engine.sim.errors import Refused
from engine.sim.numbers import NS, ZERO, epoch_seconds, fixed, nearest
from engine.sim.positions import Position
from engine.sim.rest_params import Params, names, optional_text, truth, word
from engine.sim.venue import Venue

_PLACES = 4


def open_positions(venue: Venue, account: Account, params: Params) -> object:
    """OpenPositions by id, all or those named; ``docalcs`` adds value and profit at the last price. Raises Refused.

    With ``consolidation=market`` the answer is a list: one row per pair and side.
    """
    wanted, calculates = names(params, "txid"), truth(params, "docalcs")
    merges = optional_text(params, "consolidation") is not None and word(params, "consolidation", ("market",))
    if any(position_id not in account.positions for position_id in wanted):
        raise Refused(errors.UNKNOWN_POSITION)
    chosen = [account.positions[name] for name in wanted] if wanted else list(account.positions.values())
    if merges:
        return _consolidated(venue, chosen, calculates=calculates)
    return {position.position_id: _row(venue, position, calculates=calculates) for position in chosen}


def _row(venue: Venue, position: Position, *, calculates: bool) -> dict[str, object]:
    pair = venue.core.market(position.symbol).pair
    cost, qty = pair.cost_precision, pair.qty_precision
    row: dict[str, object] = {
        "ordertxid": position.order_id,
        "posstatus": "open",
        "pair": pair.rest_key,
        "time": epoch_seconds(position.opened_ns),
        "type": position.side,
        "ordertype": position.order_type,
        "cost": fixed(position.cost, cost),
        "fee": fixed(position.fee, cost),
        "vol": fixed(position.qty, qty),
        "vol_closed": fixed(position.closed_qty, qty),
        "margin": fixed(position.margin, cost),
        "terms": f"{_percent(venue)}% per {venue.settings.margin_rollover_s // 3600} hours",
        "rollovertm": str((position.rollover_ns or 0) // NS),
        "misc": "",
        "oflags": "",
    }
    if calculates:
        price = _mark(venue, position)
        value, net = position.open_qty * price, position.profit(price)
        row |= {"value": fixed(nearest(value, cost), cost), "net": _signed(nearest(net, cost), cost)}
    return row


def _consolidated(venue: Venue, positions: Iterable[Position], *, calculates: bool) -> list[dict[str, object]]:
    groups: dict[tuple[str, str], list[Position]] = {}
    for position in positions:
        groups.setdefault((position.symbol, position.side), []).append(position)
    return [_group(venue, members, calculates=calculates) for members in groups.values()]


def _group(venue: Venue, members: list[Position], *, calculates: bool) -> dict[str, object]:
    pair = venue.core.market(members[0].symbol).pair
    cost, qty = pair.cost_precision, pair.qty_precision

    def total(values: Iterable[Decimal]) -> Decimal:
        return sum(values, ZERO)

    row: dict[str, object] = {
        "pair": pair.rest_key,
        "positions": str(len(members)),
        "type": members[0].side,
        "leverage": f"{fixed(total(p.cost for p in members) / total(p.margin for p in members), 5)}",
        "cost": fixed(total(p.cost for p in members), cost),
        "fee": fixed(total(p.fee for p in members), cost),
        "vol": fixed(total(p.qty for p in members), qty),
        "vol_closed": fixed(total(p.closed_qty for p in members), qty),
        "margin": fixed(total(p.margin for p in members), cost),
    }
    if calculates:
        value = total(p.open_qty * _mark(venue, p) for p in members)
        net = total(p.profit(_mark(venue, p)) for p in members)
        row |= {"value": fixed(nearest(value, cost), cost), "net": _signed(nearest(net, cost), cost)}
    return row


def trade_balance(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """TradeBalance, in ``asset`` (USD unless told otherwise) at the last prices. Raises Refused.

    ``ml`` is there with positions only. Which part of partly filled orders ``uv`` counts is not documented: what is
    left of them.
    """
    core, rate = venue.core, _rate(venue, optional_text(params, "asset") or "ZUSD")
    positions = account.positions.values()
    profit, used = core.margin.unrealised(account), core.margin.used(account)
    equity = core.margin.equity(account)
    figures = {
        "eb": sum((core.in_usd(*item) for item in account.balances.items()), ZERO),
        "tb": equity - profit,
        "m": used,
        "n": profit,
        "c": core.margin.cost(account),
        "v": sum((_in_usd(venue, p, p.open_qty * _mark(venue, p)) for p in positions), ZERO),
        "e": equity,
        "mf": equity - used,
        "uv": _unexecuted(venue, account),
    }
    row: dict[str, object] = {name: fixed(nearest(value / rate, _PLACES), _PLACES) for name, value in figures.items()}
    level = core.margin.level(account)
    return row if level is None else row | {"ml": fixed(nearest(level, 2), 2)}


def _unexecuted(venue: Venue, account: Account) -> Decimal:
    total = ZERO
    for order in account.open.values():
        if order.cum_qty:
            market = venue.core.market(order.symbol)
            price = order.limit_price or market.tape.last_price or ZERO
            total += venue.core.in_usd(market.pair.quote, order.leaves_qty * price)
    return total


def _rate(venue: Venue, name: str) -> Decimal:
    """Return what one unit of an asset is worth in USD. Raises Refused."""
    assets = venue.settings.assets
    asset = next((one for one in assets if name in (one.name, one.rest_key, one.altname)), None)
    rate = venue.core.in_usd(asset.name, Decimal(1)) if asset is not None else ZERO
    if not rate:
        raise Refused(errors.UNKNOWN_ASSET)
    return rate


def _in_usd(venue: Venue, position: Position, amount: Decimal) -> Decimal:
    return venue.core.in_usd(venue.core.market(position.symbol).pair.quote, amount)


def _mark(venue: Venue, position: Position) -> Decimal:
    return venue.core.market(position.symbol).tape.last_price or position.cost / position.qty


def _percent(venue: Venue) -> str:
    return fixed(venue.settings.margin_rollover_fee_pct, 4)


def _signed(value: Decimal, places: int) -> str:
    return f"{value:+.{places}f}"
