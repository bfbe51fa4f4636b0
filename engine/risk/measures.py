"""Every check of an entry with its numbers, whether it passes or not: what a person is shown before anything is sent.

The numbers come from the checks themselves. One that passes is asked once more under a limit that nothing can keep, and
its denial tells what it measured: there is no second arithmetic that could differ from the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

import msgspec

from engine.market.book import Book
from engine.orders.signal import Signal
from engine.risk.checks import check_entry, check_instrument, check_validity
from engine.risk.denials import Denial
from engine.risk.limit_checks import CHECKS, Check
from engine.risk.limits import Limits, StrategyLimits, SymbolLimits
from engine.risk.situation import Candidate, Situation
from engine.values.instrument import Instrument

BEYOND: Final = Decimal(10) ** 30
"""A limit that is this far below zero is kept by nothing."""
AGE_S: Final = 1e9
"""The same for ages, which are floats."""


class Measure(msgspec.Struct, frozen=True):
    """One check. ``limit`` None: none is set, or the check is no number; ``observed`` None: nothing to measure.

    ``passed`` None: not judged, ``reason`` says why. A denial's ``code`` and ``reason`` are those of the check.
    """

    name: str
    passed: bool | None
    code: str = ""
    reason: str = ""
    limit: Decimal | None = None
    observed: Decimal | None = None
    unit: str = ""


class _Row(NamedTuple):
    """``field`` is the limit's member in ``where``; a check without one has no number, or finds it elsewhere.

    ``tight`` is a value that no order keeps.
    """

    name: str
    unit: str = ""
    where: Literal["", "limits", "symbol", "strategy", "balance", "margin"] = ""
    field: str = ""
    tight: Decimal | float | int = -BEYOND


_ROWS: Final[tuple[_Row, ...]] = (
    _Row("market allowed"),
    _Row("leverage", "", "limits", "leverage_most", 0),
    _Row("quote valued"),
    _Row("age of the signal", "s", "limits", "signal_age_most_s", -AGE_S),
    _Row("age of the book", "s", "limits", "market_data_age_most_s", -AGE_S),
    _Row("quantity", "base", "symbol", "order_qty_most"),
    _Row("value", "money", "limits", "order_value_most"),
    _Row("price collar", "bps", "limits", "collar_bps"),
    _Row("position", "base", "symbol", "position_qty_most"),
    _Row("exposure of the market", "money", "symbol", "exposure_most"),
    _Row("exposure of the strategy", "money", "strategy", "exposure_most"),
    _Row("exposure in total", "money", "limits", "exposure_most"),
    _Row("open orders", "", "limits", "open_orders_most", 0),
    _Row("open orders of the strategy", "", "strategy", "open_orders_most", 0),
    _Row("entries within a second", "", "limits", "orders_per_second", 0),
    _Row("realised loss today", "money", "limits", "daily_realized_loss_most"),
    _Row("loss today", "money", "limits", "daily_loss_most"),
    _Row("realised loss of the strategy", "money", "strategy", "daily_realized_loss_most"),
    _Row("loss of the strategy", "money", "strategy", "daily_loss_most"),
    _Row("drawdown", "money", "limits", "drawdown_most"),
    _Row("balance", "pays", "balance"),
    _Row("margin known"),
    _Row("margin used", "money", "limits", "margin_use_most_pct"),
    _Row("margin free", "money", "margin"),
)
"""One for each of CHECKS, in their order."""


def _limit(row: _Row, order: Candidate, now: Situation, limits: Limits) -> Decimal | None:
    """Return what stands, in the unit of what is measured."""
    value: Decimal | float | None
    match row.where:
        case "limits":
            value = getattr(limits, row.field)
        case "symbol":
            value = getattr(limits.of_symbol(order.symbol), row.field)
        case "strategy":
            value = getattr(limits.of_strategy(order.strategy_id), row.field)
        case "balance":
            value = now.free if limits.check_balance and not order.margin else None
        case "margin":
            value = None if now.margin is None else now.margin.free
        case _:
            value = None
    if row.field == "margin_use_most_pct":
        value = None if now.margin is None or value is None else now.margin.equity * Decimal(value) / 100
    return None if value is None else Decimal(str(value))


def _tightened(
    row: _Row, order: Candidate, now: Situation, limits: Limits
) -> tuple[Candidate, Situation, Limits] | None:
    """Return the same question under a limit that nothing keeps; None where there is none."""
    replace = msgspec.structs.replace
    changed: dict[str, Any] = {row.field: row.tight}
    match row.where:
        case "limits":
            return order, now, replace(limits, **changed)
        case "symbol":
            return order, now, replace(limits, symbol={order.symbol: SymbolLimits(**changed)})
        case "strategy":
            return order, now, replace(limits, strategy={order.strategy_id: StrategyLimits(**changed)})
        case "balance" if now.free is not None:
            return order, replace(now, free=-BEYOND), replace(limits, check_balance=True)
        case "margin" if now.margin is not None:
            return order, replace(now, margin=replace(now.margin, free=-BEYOND)), limits
        case _:
            return None


def measure_limits(order: Candidate, now: Situation, limits: Limits) -> Iterator[Measure]:
    """Yield every limit with what it stands at and what this order would bring it to."""
    for check, row in zip(CHECKS, _ROWS, strict=True):
        yield _measure(check, row, order, now, limits)


def _measure(check: Check, row: _Row, order: Candidate, now: Situation, limits: Limits) -> Measure:
    denial = check(order, now, limits)
    limit, told, tightened = _limit(row, order, now, limits), denial, _tightened(row, order, now, limits)
    if (told is None or told.numbers is None) and tightened is not None:
        told = check(*tightened)
    observed = None if told is None or told.numbers is None else told.numbers.observed
    if row.name == "price collar" and order.limit_price is None:
        limit, observed = None, None  # a market order is judged by depth, not by its price
    units = {
        "base": now.instrument.base,
        "money": limits.currency,
        "pays": now.instrument.quote if order.side == "buy" else now.instrument.base,
    }
    unit = units.get(row.unit, row.unit)
    if denial is not None:
        return Measure(row.name, False, denial.code, denial.reason, limit, observed, unit)
    return Measure(row.name, True, limit=limit, observed=observed, unit=unit)


def measure_state(name: str, denial: Denial | None) -> Measure:
    """Put a check that has no number into the same form."""
    if denial is None:
        return Measure(name, True)
    numbers = denial.numbers
    limit, observed = (None, None) if numbers is None else (numbers.limit, numbers.observed)
    return Measure(name, False, denial.code, denial.reason, limit, observed)


_SHAPE: Final = (
    ("leverage offered", {"LEVERAGE_NOT_OFFERED"}),
    ("order of prices", {"PRICES_OUT_OF_ORDER", "STOP_LIMIT_OUT_OF_ORDER"}),
    ("minima of the entry", {"BELOW_MINIMUM_QTY", "BELOW_MINIMUM_COST"}),
    ("minima of the exits", {"EXIT_BELOW_MINIMUM"}),
)


def measure_shape(signal: Signal, instrument: Instrument | None, book: Book | None, now_ns: int) -> list[Measure]:
    """Return the checks of the signal itself against market and book; behind one that fails nothing is judged."""
    found = [
        measure_state("valid until", check_validity(signal, now_ns)),
        measure_state("market online", check_instrument(signal, instrument)),
    ]
    if instrument is None:
        return found
    if book is None or not book.usable:
        return [*found, Measure("book", False, "BOOK_NOT_FRESH", f"no verified book of {signal.symbol}")]
    denial = check_entry(signal, instrument, book)
    if denial is not None and denial.code in ("BOOK_NOT_FRESH", "BOOK_EMPTY"):
        return [*found, measure_state("book", denial)]
    found.append(Measure("book", True))
    for name, codes in _SHAPE:
        failed = denial is not None and denial.code in codes
        found.append(measure_state(name, denial if failed else None))
        if failed:
            break
    return found
