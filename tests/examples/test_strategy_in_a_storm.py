"""A strategy's own test: its signals go through storms, and its own question is asked of what it was told.

The strategy keeps a position of its own from execution reports. Its rule: that position is what the exchange says.
``NaiveBook`` keeps the rule in most runs, and some seeds break it; ``Book`` keeps it in all.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Protocol

import pytest

from engine.testing import ExecutionReport, Result, Signal, parse_signal, run_seed

STORMS = range(1, 13)


def _signal(number: int, limit_price: str, stop: str, target: str) -> Signal:
    text = {
        "signal_id": f"{number:08d}-0000-4000-8000-000000000000",
        "strategy_id": "dip-buyer",
        "symbol": "BTC/USD",
        "side": "buy",
        "order_type": "limit",
        "order_qty": "0.06",
        "limit_price": limit_price,
        "entry_timeout_s": 6,
        "stop_loss": {"trigger_price": stop},
        "take_profit": {"price": target},
    }
    return parse_signal(json.dumps(text))


SIGNALS = (
    _signal(1, "50000", "49850", "50150"),
    _signal(2, "49980", "49800", "50120"),
    _signal(3, "49960", "49700", "50200"),
    _signal(4, "50010", "49900", "50090"),
)


class StrategyBook(Protocol):
    """What a strategy believes to hold, in base units."""

    position: Decimal

    def take(self, report: ExecutionReport) -> None:
        """Take one report."""
        ...


class NaiveBook:
    """Counts an order when it is filled. An entry that timed out half filled is never counted; its exit is."""

    def __init__(self) -> None:
        self.position = Decimal(0)

    def take(self, report: ExecutionReport) -> None:
        """Take one report."""
        if report.exec_type == "trade" and report.ord_status == "filled":
            self.position += report.order_qty if report.side == "buy" else -report.order_qty


class Book:
    """Counts every fill by its own quantity, whatever becomes of its order."""

    def __init__(self) -> None:
        self.position = Decimal(0)

    def take(self, report: ExecutionReport) -> None:
        """Take one report."""
        if report.exec_type == "trade":
            self.position += report.last_qty if report.side == "buy" else -report.last_qty


def error_of(result: Result, book: StrategyBook) -> Decimal:
    """By how much a strategy is wrong about its position after a run."""
    mine = {signal.signal_id for signal in SIGNALS}
    for report in result.reports:
        if report.signal_id in mine:
            book.take(report)
    return book.position - sum((qty for name, qty in result.held.items() if name in mine), Decimal(0))


@pytest.fixture(scope="module")
def storms() -> list[Result]:
    """The signals' fate in a dozen storms; every rule of the engine's own holds in each."""
    results = [run_seed(seed, "storm", SIGNALS, whole=True) for seed in STORMS]
    assert [result.violations[0] for result in results if result.failed] == []
    return results


def test_my_book_is_right(storms: list[Result]):
    """The rule, as a strategy's author would write it."""
    for result in storms:
        error = error_of(result, Book())
        assert error == 0, f"seed {result.seed}: I am wrong by {error} BTC"


def test_the_mistake_shows_in_a_storm(storms: list[Result]):
    """The naive book is wrong in one storm at least, and the seed replays it to the byte."""
    wrong = [result for result in storms if error_of(result, NaiveBook())]
    assert wrong
    again = run_seed(wrong[0].seed, "storm", SIGNALS, whole=True)
    assert again.digest == wrong[0].digest
    assert error_of(again, NaiveBook()) == error_of(wrong[0], NaiveBook())
