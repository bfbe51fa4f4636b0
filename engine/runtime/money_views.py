"""Positions, profit and balances as people and programs are shown them: of a running engine or of a journal alone.

What nobody has said is None: a position without a price has no unrealised profit, a fee in an asset without a price
stands apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Literal

import msgspec

from engine.accounts.exact import exactly
from engine.accounts.ledger import DAY_NS, Ledger, Position
from engine.accounts.results import Result
from engine.runtime.account_desk import Mark
from engine.runtime.margin_views import VenuePositionView
from engine.values.money import ZERO, average
from engine.values.time import rfc3339

By = Literal["strategy", "symbol", "day"]
Worth = Callable[[str, str], Decimal | None]
"""(asset, currency) -> what one unit of the asset brings in the currency now, None when nobody says."""
PLACES = 10
"""Digits after the point of averages, which may have endless ones."""


class PositionView(msgspec.Struct, frozen=True):
    """What one strategy holds in one market; ``strategy_id`` "" for all of them together.

    ``qty`` signed base units; ``cost``, ``unrealized`` and ``realized`` quote units, the last since the first fill and
    after fees in base and quote. ``mark_px`` is what it would be closed at, seen ``marked_at``. What is held on
    ``margin`` stands apart; of all of it together ``leverage`` is the venue's cost over margin, and at
    ``liquidation_px``, ``liquidation_pct`` percent away, this market would bring the account to its liquidation.
    """

    strategy_id: str
    symbol: str
    quote: str
    qty: Decimal
    avg_px: Decimal
    cost: Decimal
    mark_px: Decimal | None
    marked_at: str
    unrealized: Decimal | None
    realized: Decimal
    fees: dict[str, Decimal]
    margin: bool = False
    leverage: Decimal | None = None
    liquidation_px: Decimal | None = None
    liquidation_pct: Decimal | None = None


class PositionList(msgspec.Struct, frozen=True):
    """What is held by strategy, and by market over all strategies.

    ``at_venue`` are the venue's margin positions, each with the signal whose entry opened it ("": none of ours), and
    ``mismatch`` what it holds on margin beyond our books, by symbol. ``venue_why`` says why they are not told, "" where
    they are or nobody trades on margin.
    """

    positions: tuple[PositionView, ...]
    totals: tuple[PositionView, ...]
    at_venue: tuple[VenuePositionView, ...] = ()
    mismatch: dict[str, Decimal] = {}
    venue_why: str = ""


class PnlRow(msgspec.Struct, frozen=True):
    """Profit of one strategy, symbol or day ("" for all), in ``quote`` units.

    ``realized`` is after fees in base and quote, ``apart`` are fees in other assets, worth ``apart_worth`` now.
    ``unrealized`` is None where a position has no price, and for days. ``charges`` are the part of the fees that margin
    took for opening positions and for keeping them; "unattributed" is the name of what names no fill of ours.
    """

    name: str
    quote: str
    fills: int
    realized: Decimal
    unrealized: Decimal | None
    fees: dict[str, Decimal]
    apart: dict[str, Decimal]
    apart_worth: Decimal | None
    charges: dict[str, Decimal] = {}


class Pnl(msgspec.Struct, frozen=True):
    """Profit by what was asked for: strategy, symbol, day, or "" for a row for each quote currency.

    ``charges_why`` says why opening fees and rollovers may be missing from it, "" where nothing says so.
    """

    by: str
    rows: tuple[PnlRow, ...]
    charges_why: str = ""


def positions_of(ledger: Ledger, marks: Mapping[str, Mark]) -> PositionList:
    """Show every position that is not flat."""
    by_market: dict[tuple[str, bool], list[Position]] = {}
    for one in ledger.positions.values():
        by_market.setdefault((one.symbol, one.margin), []).append(one)
    positions = tuple(_position((one,), one.strategy_id, ledger, marks) for one in ledger.positions.values())
    totals = tuple(_position(held, "", ledger, marks) for held in by_market.values())
    return PositionList(positions, totals)


def _position(held: Iterable[Position], strategy_id: str, ledger: Ledger, marks: Mapping[str, Mark]) -> PositionView:
    held = tuple(held)
    symbol, margin, mark = held[0].symbol, held[0].margin, marks.get(held[0].symbol)
    results = [
        one
        for one in ledger.results.values()
        if (one.symbol, one.margin) == (symbol, margin) and strategy_id in ("", one.strategy_id)
    ]
    total = _added(results)
    with exactly():
        qty, cost = sum((one.qty for one in held), ZERO), sum((one.cost for one in held), ZERO)
        unrealized = None if mark is None else qty * mark.price - cost
        avg_px = average(cost, qty, PLACES)
    return PositionView(
        strategy_id=strategy_id,
        symbol=symbol,
        quote=held[0].quote,
        qty=qty,
        avg_px=avg_px,
        cost=cost,
        mark_px=None if mark is None else mark.price,
        marked_at="" if mark is None else rfc3339(mark.ts_ns),
        unrealized=unrealized,
        realized=total.realized,
        fees=total.fees,
        margin=margin,
    )


def pnl_of(
    ledger: Ledger,
    ended: Iterable[Result],
    by: By | None,
    marks: Mapping[str, Mark],
    worth: Worth,
    charges_why: str = "",
) -> Pnl:
    """Show profit; ``ended`` are the days that the journal's books have closed."""
    results = (*ended, *ledger.ended, *ledger.today.values()) if by == "day" else tuple(ledger.results.values())
    grouped: dict[tuple[str, str], list[Result]] = {}
    for one in results:
        grouped.setdefault((_name(one, by), one.quote), []).append(one)
    rows = []
    for (name, quote), group in sorted(grouped.items()):
        keys = {one.key for one in group}
        held = [position for key, position in ledger.positions.items() if key in keys]
        rows.append(_row(name, quote, group, None if by == "day" else _unrealized(held, marks), worth))
    return Pnl(by or "", tuple(rows), charges_why)


def _row(name: str, quote: str, group: list[Result], unrealized: Decimal | None, worth: Worth) -> PnlRow:
    total, apart = _added(group), _sums(group)
    values = [None if (price := worth(asset, quote)) is None else qty * price for asset, qty in apart.items()]
    known = [value for value in values if value is not None]
    return PnlRow(
        name=name,
        quote=quote,
        fills=total.fills,
        realized=total.realized,
        unrealized=unrealized,
        fees=total.fees,
        apart=apart,
        apart_worth=sum(known, ZERO) if len(known) == len(values) else None,
        charges=total.charges,
    )


def _name(one: Result, by: By | None) -> str:
    match by:
        case "strategy":
            return one.strategy_id
        case "symbol":
            return one.symbol
        case "day":
            return rfc3339(one.day * DAY_NS)[:10]
        case None:
            return ""


def _unrealized(held: Iterable[Position], marks: Mapping[str, Mark]) -> Decimal | None:
    total = ZERO
    with exactly():
        for one in held:
            mark = marks.get(one.symbol)
            if mark is None:
                return None
            total += one.qty * mark.price - one.cost
    return total


def _added(results: Iterable[Result]) -> Result:
    total = Result("", "", "", "", 0, ZERO, {})
    with exactly():
        for one in results:
            total.add(one.realized, one.fees.items(), one.fills, one.charges.items())
    return total


def _sums(results: Iterable[Result]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for one in results:
        for asset, qty in one.apart.items():
            sums[asset] = sums.get(asset, ZERO) + qty
    return sums
