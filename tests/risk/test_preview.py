"""The orders and the worst case of a signal, worked out by hand beside the code."""

from __future__ import annotations

import json
from typing import Any

from engine.orders.signal import parse_signal
from engine.risk.measures import Measure
from engine.risk.preview import Preview, Terms, preview
from tests.risk.limits_world import BOOK, INSTRUMENT, d

TERMS = Terms(d(40), d(10))


def told(**changes: Any) -> Preview:
    """A buy of three coins at 100 at most, its stop at 90."""
    members: dict[str, Any] = {
        "signal_id": "11111111-1111-4111-8111-111111111111",
        "symbol": "BTC/USD",
        "side": "buy",
        "order_type": "limit",
        "order_qty": "3",
        "limit_price": "100",
        "stop_loss": {"trigger_price": "90"},
    }
    given = {name: value for name, value in {**members, **changes}.items() if value is not None or name == "stop_loss"}
    return preview(parse_signal(json.dumps(given)), INSTRUMENT, BOOK, (Measure("a", True),), TERMS)


def test_the_loss_at_the_stop_counts_fees_of_both_trades_and_the_slip() -> None:
    """Entry 3 x 100, exit 3 x 89.91 (ten basis points past 90), forty basis points of each."""
    worst = told().worst
    assert worst is not None
    assert (worst.entry_px, worst.exit_px) == (100, d("89.91"))
    assert worst.fees == (d(300) + d("269.73")) * d("0.004")
    assert worst.loss == d("30.27") + worst.fees
    assert "each percent of a gap beyond it costs 2.7 USD more" in worst.gap


def test_a_short_loses_upwards() -> None:
    """A sale at 99 with its stop at 110 buys back above it."""
    worst = told(side="sell", limit_price="99", stop_loss={"trigger_price": "110"}).worst
    assert worst is not None
    assert worst.exit_px == d("110.11")
    assert worst.loss == d("33.33") + worst.fees


def test_a_market_entry_pays_what_the_book_asks_as_deep_as_it_is_needed() -> None:
    """Two at 100 and one at 101."""
    worst = told(order_type="market", limit_price=None).worst
    assert worst is not None
    assert worst.entry_px == d(301) / 3


def test_a_stop_with_a_limit_trades_at_no_worse_and_says_what_a_gap_does() -> None:
    worst = told(stop_loss={"trigger_price": "90", "limit_price": "89"}).worst
    assert worst is not None
    assert worst.exit_px == 89
    assert "through it nothing trades for 2 s" in worst.gap


def test_without_a_stop_all_of_it_may_be_lost() -> None:
    worst = told(stop_loss=None).worst
    assert worst is not None
    assert worst.loss == d("301.2")
    assert worst.gap == "no stop: all of it may be lost"


def test_targets_share_the_quantity_and_what_is_rounded_is_said() -> None:
    """Lots go down, remainders to the last target, a selling trigger up to the tick; watched targets do not rest."""
    found = told(
        order_qty="0.000300009",
        limit_price="100000.07",
        stop_loss={"trigger_price": "90000.01"},
        take_profit=[{"price": "110000", "share": "0.5"}, {"price": "120000", "share": "0.5"}],
    )
    entry, stop, near, far = found.orders
    assert (entry.order.order_qty, near.order.order_qty, far.order.order_qty) == (
        d("0.0003"),
        d("0.00015"),
        d("0.00015"),
    )
    assert entry.rounded == ("order_qty 0.000300009 -> 0.0003", "limit_price 100000.07 -> 100000")
    assert stop.rounded == ("trigger_price 90000.01 -> 90000.1",)
    assert [one.rests for one in found.orders] == [True, True, False, False]
    assert [one.orderable for one in found.orders] == [True] * 4
    assert far.cost == d("18")


def test_targets_rest_where_they_are_asked_to_and_a_conditional_stop_goes_with_its_entry() -> None:
    beside = told(exits="both-rest", take_profit={"price": "120"})
    assert [(one.role, one.rests) for one in beside.orders] == [("entry", True), ("stop", True), ("target", True)]
    inside = told(exits="conditional-close")
    assert [one.role for one in inside.orders] == ["entry"]
    assert inside.orders[0].order.conditional is not None


def test_the_first_check_that_fails_is_the_verdict() -> None:
    """As intake would deny; what was not judged denies nothing."""
    checks = (Measure("a", True), Measure("b", None), Measure("c", False, "X", "x"), Measure("d", False, "Y", "y"))
    found = preview(told().signal, INSTRUMENT, BOOK, checks, TERMS)
    assert (found.verdict, found.code, found.reason) == ("denied", "X", "x")
    assert told().verdict == "accepted"
