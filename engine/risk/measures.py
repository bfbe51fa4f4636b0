"""Every check of an entry with its numbers, whether it passes or not: what a person is shown before anything is sent.

The numbers come from the checks themselves. One that passes is asked once more under a limit that nothing can keep, and
its denial tells what it measured: there is no second arithmetic that could differ from the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final, NamedTuple

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
    """``limit`` reads what stands, ``tight`` makes it unkeepable; None: the check has no number."""

    name: str
    unit: str = ""
    limit: Callable[[Candidate, Situation, Limits], Decimal | None] | None = None
    tight: Callable[[Candidate, Situation, Limits], tuple[Candidate, Situation, Limits]] | None = None


def _number(value: float | Decimal | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _limits(**changes: object) -> Callable[[Candidate, Situation, Limits], tuple[Candidate, Situation, Limits]]:
    return lambda order, now, limits: (order, now, msgspec.structs.replace(limits, **changes))


def _symbol(**changes: object) -> Callable[[Candidate, Situation, Limits], tuple[Candidate, Situation, Limits]]:
    def tight(order: Candidate, now: Situation, limits: Limits) -> tuple[Candidate, Situation, Limits]:
        own = {order.symbol: SymbolLimits(**changes)}  # type: ignore[arg-type]
        return order, now, msgspec.structs.replace(limits, symbol=own)

    return tight


def _strategy(**changes: object) -> Callable[[Candidate, Situation, Limits], tuple[Candidate, Situation, Limits]]:
    def tight(order: Candidate, now: Situation, limits: Limits) -> tuple[Candidate, Situation, Limits]:
        own = {order.strategy_id: StrategyLimits(**changes)}  # type: ignore[arg-type]
        return order, now, msgspec.structs.replace(limits, strategy=own)

    return tight


def _no_coins(order: Candidate, now: Situation, limits: Limits) -> tuple[Candidate, Situation, Limits]:
    limits = msgspec.structs.replace(limits, check_balance=True)
    return order, msgspec.structs.replace(now, free=None if now.free is None else -BEYOND), limits


def _no_margin(order: Candidate, now: Situation, limits: Limits) -> tuple[Candidate, Situation, Limits]:
    margin = None if now.margin is None else msgspec.structs.replace(now.margin, free=-BEYOND)
    return order, msgspec.structs.replace(now, margin=margin), limits


def _used_margin(order: Candidate, now: Situation, limits: Limits) -> Decimal | None:  # noqa: ARG001 - one shape
    if limits.margin_use_most_pct is None or now.margin is None:
        return None
    return now.margin.equity * limits.margin_use_most_pct / 100


_ROWS: Final[tuple[_Row, ...]] = (
    _Row("market allowed"),
    _Row("leverage", "", lambda o, n, li: Decimal(li.leverage_most), _limits(leverage_most=0)),
    _Row("quote valued"),
    _Row("age of the signal", "s", lambda o, n, li: _number(li.signal_age_most_s), _limits(signal_age_most_s=-1e9)),
    _Row(
        "age of the book",
        "s",
        lambda o, n, li: _number(li.market_data_age_most_s),
        _limits(market_data_age_most_s=-1e9),
    ),
    _Row("quantity", "base", lambda o, n, li: li.of_symbol(o.symbol).order_qty_most, _symbol(order_qty_most=-BEYOND)),
    _Row("value", "money", lambda o, n, li: li.order_value_most, _limits(order_value_most=-BEYOND)),
    _Row("price collar", "bps", lambda o, n, li: li.collar_bps, _limits(collar_bps=-BEYOND)),
    _Row(
        "position",
        "base",
        lambda o, n, li: li.of_symbol(o.symbol).position_qty_most,
        _symbol(position_qty_most=-BEYOND),
    ),
    _Row(
        "exposure of the market",
        "money",
        lambda o, n, li: li.of_symbol(o.symbol).exposure_most,
        _symbol(exposure_most=-BEYOND),
    ),
    _Row(
        "exposure of the strategy",
        "money",
        lambda o, n, li: li.of_strategy(o.strategy_id).exposure_most,
        _strategy(exposure_most=-BEYOND),
    ),
    _Row("exposure in total", "money", lambda o, n, li: li.exposure_most, _limits(exposure_most=-BEYOND)),
    _Row("open orders", "", lambda o, n, li: _number(li.open_orders_most), _limits(open_orders_most=0)),
    _Row(
        "open orders of the strategy",
        "",
        lambda o, n, li: _number(li.of_strategy(o.strategy_id).open_orders_most),
        _strategy(open_orders_most=0),
    ),
    _Row("entries within a second", "", lambda o, n, li: _number(li.orders_per_second), _limits(orders_per_second=0)),
    _Row(
        "realised loss today",
        "money",
        lambda o, n, li: li.daily_realized_loss_most,
        _limits(daily_realized_loss_most=-BEYOND),
    ),
    _Row("loss today", "money", lambda o, n, li: li.daily_loss_most, _limits(daily_loss_most=-BEYOND)),
    _Row(
        "realised loss of the strategy",
        "money",
        lambda o, n, li: li.of_strategy(o.strategy_id).daily_realized_loss_most,
        _strategy(daily_realized_loss_most=-BEYOND),
    ),
    _Row(
        "loss of the strategy",
        "money",
        lambda o, n, li: li.of_strategy(o.strategy_id).daily_loss_most,
        _strategy(daily_loss_most=-BEYOND),
    ),
    _Row("drawdown", "money", lambda o, n, li: li.drawdown_most, _limits(drawdown_most=-BEYOND)),
    _Row("balance", "pays", lambda o, n, li: n.free if li.check_balance else None, _no_coins),
    _Row("margin known"),
    _Row("margin used", "money", _used_margin, _limits(margin_use_most_pct=-BEYOND)),
    _Row("margin free", "money", lambda o, n, li: None if n.margin is None else n.margin.free, _no_margin),
)
"""One for each of CHECKS, in their order."""


def measure_limits(order: Candidate, now: Situation, limits: Limits) -> Iterator[Measure]:
    """Yield every limit with what it stands at and what this order would bring it to."""
    for check, row in zip(CHECKS, _ROWS, strict=True):
        yield _measure(check, row, order, now, limits)


def _measure(check: Check, row: _Row, order: Candidate, now: Situation, limits: Limits) -> Measure:
    denial = check(order, now, limits)
    limit = None if row.limit is None else row.limit(order, now, limits)
    told = denial
    if (told is None or told.numbers is None) and row.tight is not None:
        told = check(*row.tight(order, now, limits))
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
