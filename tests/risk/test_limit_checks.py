"""Every limit at its edge, below, at and above, with what is in flight; each denial names its numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.risk.limit_checks import CHECKS, breaches, check_limits
from engine.risk.limits import Limits, StrategyLimits, SymbolLimits
from engine.values.money import Qty
from engine.values.time import NS
from tests.risk.limits_world import BOOK, BTC, ETH, INSTRUMENT, NOW_NS, book_of, d, now, order, standing

SYMBOL = {"each_symbol": SymbolLimits(order_qty_most=Qty(d(1)), position_qty_most=Qty(d(3)), exposure_most=d(300))}
STRATEGY = {
    "each_strategy": StrategyLimits(
        exposure_most=d(300), open_orders_most=3, daily_realized_loss_most=d(50), daily_loss_most=d(50)
    )
}

# code, limits, then (order, situation) that is the last to pass and the first to be denied, and the denial's numbers
EDGES: list[tuple[str, dict[str, Any], tuple[dict[str, Any], ...], tuple[Any, Any, Any]]] = [
    ("ORDER_QTY_LIMIT", SYMBOL, ({"qty": d(1)}, {}, {"qty": d("1.00000001")}, {}), (1, d("1.00000001"), None)),
    (
        "ORDER_VALUE_LIMIT",
        {"order_value_most": d(100)},
        ({"price": d(100)}, {}, {"price": d("100.1")}, {}),
        (100, d("100.1"), None),
    ),
    (
        "PRICE_COLLAR",
        {"collar_bps": d(100)},
        ({"limit_price": d(101)}, {}, {"limit_price": d("101.1")}, {}),
        (100, 110, None),
    ),
    (
        "PRICE_COLLAR",
        {"collar_bps": d(100)},
        ({"limit_price": None, "qty": d(5)}, {}, {"limit_price": None, "qty": d("5.1")}, {}),
        (5, d("5.1"), None),
    ),
    (
        "POSITION_LIMIT",
        SYMBOL,
        ({}, {"here": standing(1, buying=1)}, {}, {"here": standing(1, buying="1.5")}),
        (3, d("3.5"), d("2.5")),
    ),
    (
        "SYMBOL_EXPOSURE",
        {"each_symbol": SymbolLimits(exposure_most=d(300))},
        ({}, {"here": standing(1, buying=1)}, {}, {"here": standing(1, buying="1.1")}),
        (300, 310, 210),
    ),
    (
        "STRATEGY_EXPOSURE",
        STRATEGY,
        ({}, {"own": {BTC: standing(), ETH: standing(2)}}, {}, {"own": {BTC: standing(), ETH: standing("2.1")}}),
        (300, 310, 100),
    ),
    (
        "TOTAL_EXPOSURE",
        {"exposure_most": d(300)},
        (
            {},
            {"standings": {BTC: standing(), ETH: standing(-1, selling=1)}},
            {},
            {"standings": {BTC: standing(), ETH: standing(-1, selling=2)}},
        ),
        (300, 400, 300),
    ),
    ("OPEN_ORDERS_LIMIT", {"open_orders_most": 3}, ({}, {"orders": 2}, {}, {"orders": 3}), (3, 4, None)),
    ("STRATEGY_ORDERS_LIMIT", STRATEGY, ({}, {"own_orders": 2}, {}, {"own_orders": 3}), (3, 4, None)),
    ("ORDER_RATE_LIMIT", {"orders_per_second": 3}, ({}, {"sent_lately": 2}, {}, {"sent_lately": 3}), (3, 4, None)),
    (
        "DAILY_REALIZED_LOSS",
        {"daily_realized_loss_most": d(50)},
        ({}, {"realized_loss": d("49.99")}, {}, {"realized_loss": d(50)}),
        (50, 50, None),
    ),
    ("DAILY_LOSS", {"daily_loss_most": d(50)}, ({}, {"loss": d("49.99")}, {}, {"loss": d(50)}), (50, 50, None)),
    (
        "STRATEGY_REALIZED_LOSS",
        STRATEGY,
        ({}, {"own_realized_loss": d("49.99")}, {}, {"own_realized_loss": d(50)}),
        (50, 50, None),
    ),
    ("STRATEGY_LOSS", STRATEGY, ({}, {"own_loss": d("49.99")}, {}, {"own_loss": d(50)}), (50, 50, None)),
    ("DRAWDOWN", {"drawdown_most": d(50)}, ({}, {"drawdown": d("49.99")}, {}, {"drawdown": d(51)}), (50, 51, None)),
    (
        "SIGNAL_STALE",
        {"signal_age_most_s": 2.5},
        ({"born_ns": NOW_NS - 5 * NS // 2}, {}, {"born_ns": NOW_NS - 3 * NS}, {}),
        (d("2.5"), 3, None),
    ),
    (
        "MARKET_DATA_STALE",
        {"market_data_age_most_s": 2.5},
        ({}, {"now_ns": NOW_NS + 5 * NS // 2}, {}, {"now_ns": NOW_NS + 3 * NS}),
        (d("2.5"), 3, None),
    ),
    (
        "BALANCE_SHORT",
        {"check_balance": True, "fee_reserve_bps": d(100)},
        ({}, {"free": d(101)}, {}, {"free": d("100.99")}),
        (d("100.99"), 101, None),
    ),
    (
        "BALANCE_SHORT",
        {"check_balance": True},
        ({"side": "sell"}, {"free": d(1)}, {"side": "sell"}, {"free": d("0.99")}),
        (d("0.99"), 1, None),
    ),
]


@pytest.mark.parametrize(
    ("code", "limits", "edge", "numbers"), EDGES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_limit_passes_up_to_its_edge_and_denies_beyond(code, limits, edge, numbers):
    """The last that passes, the first that does not, and the numbers it is told with."""
    fits, beside, breaks, beyond = edge
    held = Limits(**limits)
    assert check_limits(order(**fits), now(**beside), held) is None
    denial = check_limits(order(**breaks), now(**beyond), held)
    assert denial is not None
    assert denial.code == code
    assert denial.numbers is not None
    assert (denial.numbers.limit, denial.numbers.observed, denial.numbers.in_flight) == numbers
    assert check_limits(order(**breaks), now(**beyond), Limits()) is None, "without limits it passes"


def test_each_limit_has_its_edge_tested():
    """No code of the table of checks is missing above or in the tests below."""
    elsewhere = {"SYMBOL_NOT_ALLOWED", "QUOTE_NOT_VALUED", "BALANCE_UNKNOWN"}
    # balance has two codes; the four checks of margin are tested by themselves
    assert len({code for code, *_ in EDGES} | elsewhere) == len(CHECKS) - 4 + 1


def test_market_outside_the_allow_list_is_denied():
    """None allows every market, an empty list none."""
    assert check_limits(order(), now(), Limits(symbols=(BTC, ETH))) is None
    for allowed in ((ETH,), ()):
        denial = check_limits(order(), now(), Limits(symbols=allowed))
        assert denial is not None
        assert denial.code == "SYMBOL_NOT_ALLOWED"


def test_quote_without_a_rate_is_denied_where_values_are_limited():
    """Nothing can be added up that has no common measure."""
    denial = check_limits(order(), now(rate=None), Limits(order_value_most=d(10**9)))
    assert denial is not None
    assert denial.code == "QUOTE_NOT_VALUED"
    assert check_limits(order(), now(rate=None), Limits(open_orders_most=9)) is None


def test_balance_that_nobody_has_told_is_denied():
    """Not knowing is no leave."""
    denial = check_limits(order(), now(free=None), Limits(check_balance=True))
    assert denial is not None
    assert denial.code == "BALANCE_UNKNOWN"


@pytest.mark.parametrize(
    ("side", "price", "passes"), [("buy", "1", True), ("sell", "10000", True), ("sell", "98", False)]
)
def test_collar_judges_the_aggressive_side_only(side, price, passes):
    """A buy far below or a sell far above takes nothing; a sell is judged by the bids."""
    found = check_limits(order(side=side, limit_price=d(price)), now(), Limits(collar_bps=d(100)))
    assert (found is None) == passes


def test_collar_without_a_facing_side_looks_at_the_own_one():
    """Nobody sells: the best bid is what there is; an empty book judges nothing."""
    limits = Limits(collar_bps=d(100))
    no_asks = now(book=book_of([("99", "5")], []))
    assert check_limits(order(limit_price=d("99.9")), no_asks, limits) is None
    assert check_limits(order(limit_price=d(101)), no_asks, limits) is not None
    assert check_limits(order(), now(book=book_of([], [])), limits) is not None


def test_order_that_reduces_passes_limits_that_are_passed_already():
    """A sale out of a long that is far too large is welcome."""
    limits = Limits(exposure_most=d(10), **SYMBOL)
    here = standing(20)
    assert check_limits(order(side="sell"), now(here=here), limits) is None
    denial = check_limits(order(), now(here=here), limits)
    assert denial is not None
    assert denial.code == "POSITION_LIMIT"


def test_market_without_a_price_cannot_be_added_up():
    """Its exposure is unknown, so no total stands; one without a position does no harm."""
    unknown = msgspec.structs.replace(standing(1), value=None)
    limits = Limits(exposure_most=d(10**9))
    denial = check_limits(order(), now(standings={BTC: standing(), ETH: unknown}), limits)
    assert denial is not None
    assert "no price is known of ETH/USD" in denial.reason
    empty = msgspec.structs.replace(standing(), value=None)
    assert check_limits(order(), now(standings={BTC: standing(), ETH: empty}), limits) is None


def test_every_breach_is_found():
    """All at once, in the order of the checks."""
    limits = Limits(
        symbols=(),
        order_value_most=d(1),
        collar_bps=d(1),
        exposure_most=d(1),
        open_orders_most=1,
        orders_per_second=1,
        daily_realized_loss_most=d(1),
        daily_loss_most=d(1),
        drawdown_most=d(1),
        signal_age_most_s=1.0,
        market_data_age_most_s=1.0,
        check_balance=True,
        each_symbol=SymbolLimits(Qty(d("0.1")), Qty(d("0.1")), d(1)),
        each_strategy=StrategyLimits(d(1), 1, d(1), d(1)),
    )
    worst = now(
        now_ns=NOW_NS + 9 * NS,
        rate=d(1),
        orders=9,
        own_orders=9,
        sent_lately=9,
        realized_loss=d(9),
        loss=d(9),
        own_realized_loss=d(9),
        own_loss=d(9),
        drawdown=d(9),
        free=d(0),
    )
    found = [denial.code for denial in breaches(order(limit_price=d(200)), worst, limits)]
    assert len(found) == len(set(found)) == len(CHECKS) - 5  # all but the known rate and the four of margin


AMOUNTS = st.decimals("0.01", "50", places=2)


@given(
    st.sampled_from(["buy", "sell"]),
    AMOUNTS,
    AMOUNTS,
    st.decimals("-20", "20", places=2),
    AMOUNTS,
    AMOUNTS,
    AMOUNTS,
    st.integers(0, 9),
)
def test_denial_is_monotone(side, qty, more, position, buying, selling, most, orders):
    """Who is denied is denied with more quantity, more in flight on that side, more orders, and a smaller limit too."""
    limits = Limits(
        order_value_most=most * 100,
        exposure_most=most * 100,
        open_orders_most=5,
        each_symbol=SymbolLimits(Qty(most), Qty(most), most * 100),
    )
    here = standing(position, buying, selling)
    more_here = standing(position, buying + (more if side == "buy" else 0), selling + (more if side == "sell" else 0))
    base = order(side=side, qty=qty)
    if check_limits(base, now(here=here, orders=orders), limits) is None:
        return
    grown = order(side=side, qty=qty + more)
    smaller = msgspec.structs.replace(limits, order_value_most=Decimal("0.01"), open_orders_most=1)
    assert check_limits(grown, now(here=here, orders=orders), limits) is not None
    assert check_limits(base, now(here=more_here, orders=orders), limits) is not None
    assert check_limits(base, now(here=here, orders=orders + 1), limits) is not None
    assert check_limits(base, now(here=here, orders=orders), smaller) is not None


def test_world_of_these_tests_is_sound():
    """The book is verified and the order one of its market."""
    assert (BOOK.usable, INSTRUMENT.symbol, BOOK.best("sell")) == (True, order().symbol, 100)
