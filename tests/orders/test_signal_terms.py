"""Entry kinds and exits in a signal's line: what is taken, what is refused and with which words."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from engine.orders.signal import Signal, TakeProfit, parse_signal
from engine.orders.terms import BreakEven, StopLoss, Trail
from tests.orders.conftest import px
from tests.orders.test_signal import GOOD, faults, line

EXPIRY = {"time_in_force": "gtd", "expire_time": "2099-01-01T00:00:00Z"}


def changed(**members: Any) -> Signal:
    return parse_signal(line(**members))


def stop(**members: Any) -> dict[str, Any]:
    return {"stop_loss": {"trigger_price": "49000", **members}}


@pytest.mark.parametrize("kind", ["stop-loss", "take-profit"])
@pytest.mark.parametrize("limit", [None, "50100"])
def test_entry_as_stop_or_take_profit(kind: str, limit: str | None) -> None:
    """A trigger, and a limit where the type has one."""
    order_type = kind if limit is None else f"{kind}-limit"
    signal = changed(order_type=order_type, limit_price=limit, trigger_price="50050", trigger_reference="index")
    assert (signal.order_type, signal.trigger_price, signal.limit_price) == (order_type, px(50050), limit and px(limit))
    assert signal.trigger_reference == "index"


@pytest.mark.parametrize(
    ("members", "fault"),
    [({"order_type": "stop-loss", "limit_price": None}, "trigger_price: missing (a stop-loss needs one)"),
     ({"order_type": "take-profit-limit", "limit_price": None, "trigger_price": "1"},
      "limit_price: missing (a take-profit-limit needs one)"),
     ({"trigger_price": "50050"}, "trigger_price: a limit order takes none"),
     ({"trigger_reference": "index"}, "trigger_reference: a limit order takes none"),
     ({"time_in_force": "gtd"}, "expire_time: missing (gtd needs one)"),
     ({"expire_time": "2099-01-01T00:00:00Z"}, "expire_time: belongs to gtd"),
     ({"order_type": "market", "limit_price": None, "time_in_force": "fok"},
      "time_in_force: Kraken takes fok for limit orders only"),
     ({"order_type": "market", "limit_price": None, **EXPIRY}, "time_in_force: a market order does not wait"),
     ({"time_in_force": "ioc", "post_only": True}, "post_only: belongs to limit orders that may rest"),
     ({"post_only": "yes"}, "post_only: must be true or false"),
     ({"order_qty": None, "cash_order_qty": "5"}, "order_qty: must be a string such as \"0.02\""),
     ({"cash_order_qty": "5"}, "cash_order_qty: takes the place of order_qty: give one of them"),
     ({"hidden": True}, "hidden: Kraken has no hidden orders"),
     ({"display_qty": "1"},
      "display_qty: Kraken shows part of an order only for its iceberg type, which this engine does not send"),
     ({"margin": True}, 'margin: write "leverage" instead: the number says how much is borrowed'),
     ({"reduce_only": True}, "reduce_only: every exit of a margin entry is sent so; of an entry it would be none"),
     ({"leverage": 2}, 'leverage: must be a string such as "3"'),
     ({"leverage": "1"}, 'leverage: must be a string such as "3"'),
     ({"leverage": "2.5"}, 'leverage: must be a string such as "3"'),
     ({"leverage": "2", "exits": "conditional-close"},
      "exits: a conditional close is not reduce-only: on margin it could open a position"),
     ({"more_targets": []}, "more_targets: unknown member"),
     ({"entered": False}, "entered: unknown member")],
)  # fmt: skip
def test_what_an_entry_cannot_be_is_said(members: dict[str, Any], fault: str) -> None:
    """Every refusal names the member and the reason."""
    assert fault in faults(line(**members))


def test_quote_quantity_takes_the_place_of_order_qty() -> None:
    """Market buys only; the quantity in base is set when the signal is taken in."""
    text = {k: v for k, v in GOOD.items() if k not in ("order_qty", "limit_price")}
    market = {**text, "order_type": "market", "cash_order_qty": "1000"}
    signal = parse_signal(json.dumps(market))
    assert (signal.cash_order_qty, signal.order_qty) == (Decimal(1000), Decimal(0))
    (fault,) = faults(json.dumps({**market, "side": "sell"}))
    assert fault == "cash_order_qty: Kraken takes a quote quantity for market buys only"


def test_every_member_of_an_entry_is_read() -> None:
    """Fill or kill, good till date, post-only."""
    assert changed(time_in_force="fok").time_in_force == "fok"
    signal = changed(post_only=True, **EXPIRY)
    assert (signal.post_only, signal.time_in_force, signal.expire_time_ns) == (True, "gtd", 4_070_908_800_000_000_000)


def test_stop_with_all_its_members() -> None:
    """Reference, watchdog and a trail with its activation."""
    members = stop(
        limit_price="48900", reference="index", watchdog_s=5, trail={"distance": "300", "activation_price": "50500"}
    )
    assert changed(**members).stop_loss == StopLoss(
        px(49000), px(48900), "index", Decimal(5), Trail(Decimal(300), None, px(50500))
    )


@pytest.mark.parametrize(
    ("members", "fault"),
    [(stop(watchdog_s=3), "stop_loss.watchdog_s: belongs to a stop with a limit_price"),
     (stop(trail={}), "stop_loss.trail: needs one of distance and percent"),
     (stop(trail={"distance": "1", "percent": "1"}), "stop_loss.trail: needs one of distance and percent"),
     (stop(trail={"percent": "100"}), "stop_loss.trail.percent: must be less than 100"),
     (stop(limit_price="48900", trail={"percent": "1"}),
      "stop_loss.trail: without activation_price it takes no limit_price: Kraken's trailing stop ends at market"),
     (stop(trail={"percent": "1", "peak": "1"}), "stop_loss.trail.peak: unknown member"),
     ({"break_even": {"at_price": "50500"}, "stop_loss": None}, "break_even: moves a stop, and there is none"),
     ({"break_even": {"at_price": "50500"}, **stop(trail={"percent": "1"})},
      "break_even: a trail moves the stop already"),
     ({"exit_after_s": 5, "exit_at": "2099-01-01T00:00:00Z"}, "exit_at: give one of exit_after_s and exit_at"),
     ({"exits": "both-rest", "take_profit": None}, "exits: both-rest needs a stop and a target"),
     ({"exits": "conditional-close", "stop_loss": None}, "exits: conditional-close needs a stop"),
     ({"exits": "conditional-close", "protect_from": "full_fill"},
      "protect_from: a conditional close protects from the first fill")],
)  # fmt: skip
def test_what_exits_cannot_be_is_said(members: dict[str, Any], fault: str) -> None:
    """One look at the line is enough to mend it."""
    assert fault in faults(line(**members))


def test_targets_are_read_nearest_first() -> None:
    """A list in any order; each with its share of the quantity."""
    far = {"price": "52000", "share": "0.25", "order_type": "take-profit-limit", "limit_price": "51990"}
    near = {"price": "51000.0", "share": "0.75"}
    signal = changed(take_profit=[far, near])
    assert signal.targets == (
        TakeProfit(px("51000.0"), share=Decimal("0.75")),
        TakeProfit(px(52000), "take-profit-limit", px(51990), Decimal("0.25")),
    )
    falling = changed(take_profit=[near, far], side="sell")
    assert [target.price for target in falling.targets] == [px(52000), px(51000)]


@pytest.mark.parametrize(
    ("targets", "fault"),
    [([], "take_profit: a list of 1 to 4 objects"),
     ([{"price": "1"}] * 5, "take_profit: a list of 1 to 4 objects"),
     ([{"price": "51000"}, {"price": "52000"}], "take_profit: of several targets each needs a share"),
     ([{"price": "51000", "share": "0.5"}, {"price": "52000", "share": "0.4"}],
      "take_profit: the shares must sum to 1"),
     ({"price": "51000", "share": "0.5"}, "take_profit: the shares must sum to 1"),
     ([{"price": "51000", "share": "1.5"}], "take_profit[0].share: must be at most 1"),
     ([7], "take_profit[0]: must be an object"),
     ({"price": "51000", "limit_price": "50900"}, "take_profit.limit_price: belongs to a take-profit-limit"),
     ({"price": "51000", "order_type": "take-profit-limit"},
      "take_profit.limit_price: missing (a take-profit-limit needs one)")],
)  # fmt: skip
def test_targets_that_make_no_plan_are_faults(targets: Any, fault: str) -> None:
    """Shares are fractions of one whole."""
    assert fault in faults(line(take_profit=targets))


def test_rules_of_a_life_are_read() -> None:
    """Break-even, time barrier, when protection begins, how exits rest, what one exit does to the other."""
    signal = changed(
        break_even={"at_price": "50500", "offset": "10"},
        exit_after_s=60,
        protect_from="full_fill",
        exits="both-rest",
        contingency="oco",
    )
    assert signal.break_even == BreakEven(px(50500), Decimal(10))
    assert (signal.exit_after_s, signal.protect_from, signal.exits, signal.contingency) == (
        Decimal(60), "full_fill", "both-rest", "oco",
    )  # fmt: skip
    assert changed(exit_at="2099-01-01T00:00:00Z").exit_at_ns == 4_070_908_800_000_000_000


def test_what_is_left_out_stays_as_it_was() -> None:
    """A line without the new members means what it always meant."""
    signal = changed()
    assert (signal.exits, signal.contingency, signal.protect_from) == ("stop-rests", "ouo", "first_fill")
    assert signal.stop_loss == StopLoss(px(49000), px(48900))
    assert signal.targets == (TakeProfit(px(51000)),)


def test_one_target_of_oco() -> None:
    """Several targets shrink each other: that is not one cancels the other."""
    near, far = {"price": "51000", "share": "0.5"}, {"price": "52000", "share": "0.5"}
    assert faults(line(take_profit=[near, far], contingency="oco")) == [
        "contingency: oco takes one target: several shrink each other"
    ]


def test_reference_of_an_entrys_trigger_may_be_said() -> None:
    """The last price is the default, and a word that is taken."""
    armed = {"order_type": "stop-loss", "limit_price": None, "trigger_price": "50050"}
    assert changed(**armed, trigger_reference="last") == changed(**armed)
    assert changed(**armed).trigger_reference == "last"


def test_break_even_without_an_offset_is_at_the_entry() -> None:
    """Nothing to the good."""
    assert changed(break_even={"at_price": "50500"}).break_even == BreakEven(px(50500), Decimal(0))


@pytest.mark.parametrize(
    ("terms", "trail"),
    [({"percent": "1"}, Trail(None, Decimal(1))), ({"distance": "300"}, Trail(Decimal(300)))],
)
def test_trail_is_of_a_distance_or_a_percentage(terms: dict[str, str], trail: Trail) -> None:
    """The other is left out, and the activation may be."""
    signal = changed(**stop(trail=terms))
    assert signal.stop_loss is not None
    assert signal.stop_loss.trail == trail


def test_target_may_sell_at_market() -> None:
    """A take-profit has no limit."""
    assert changed(take_profit={"price": "51000", "order_type": "take-profit"}).take_profit == TakeProfit(
        px(51000), "take-profit"
    )


@pytest.mark.parametrize(
    ("members", "fault"),
    [({"time_in_force": "fok", "post_only": True}, "post_only: belongs to limit orders that may rest"),
     ({"order_type": "market", "limit_price": None, "trigger_reference": "index"},
      "trigger_reference: a market order takes none"),
     ({"exits": "conditional-close", **stop(trail={"percent": "1"})},
      "exits: conditional-close takes a plain stop: a trail begins with its activation_price"),
     ({"exits": "conditional-close", "leverage": "2"},
      "exits: a conditional close is not reduce-only: on margin it could open a position")],
)  # fmt: skip
def test_what_does_not_go_together_is_the_only_fault(members: dict[str, Any], fault: str) -> None:
    """Nothing else is wrong with the line."""
    assert faults(line(**members)) == [fault]


def test_conditional_close_takes_a_plain_stop() -> None:
    """With a limit or without."""
    assert changed(exits="conditional-close").exits == "conditional-close"
    assert changed(exits="conditional-close", **stop()).exits == "conditional-close"
