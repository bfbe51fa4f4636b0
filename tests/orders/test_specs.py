"""From signal to order, to the letter: what each kind of exit and entry asks of the venue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.orders.commands import Conditional, NewOrder
from engine.orders.reports import OrderReport, ReportType
from engine.orders.signal import TakeProfit
from engine.orders.specs import (
    child_order,
    close_order,
    entry_order,
    liquidation_order,
    made_by_venue,
    stop_order,
    target_order,
)
from engine.orders.steps import AmendStop, CancelEntry, CancelExit, PlaceClose, PlaceStop, PlaceTarget, Step
from engine.orders.targets import target_prices
from engine.orders.terms import StopLoss, Trail
from tests.orders.conftest import px, qty
from tests.orders.desk import BTC, BUY, SELL

LIMITED = msgspec.structs.replace(BUY, stop_loss=StopLoss(px("90.5"), px("88.5"), "index"))


def trailing(trail: Trail, **changes: Any) -> NewOrder:
    signal = msgspec.structs.replace(BUY, stop_loss=StopLoss(px(90), None, "index", trail=trail), **changes)
    return stop_order(signal, BTC, "x", qty(2))


def child(order_qty: str | None = "1", **said: Any) -> OrderReport:
    amount = None if order_qty is None else qty(order_qty)
    return OrderReport(ReportType.STATUS, "stream", "OC", "new", 3, order_qty=amount, **said)


def test_trailing_stop_by_distance() -> None:
    """Rounded down to the tick and never below one: it does not fire later than asked."""
    assert trailing(Trail(Decimal("5.7"))) == NewOrder(
        "x", "BTC/USD", "sell", "trailing-stop", qty(2), stp_type="cancel_oldest", trigger_reference="index",
        trail=Decimal(5), trail_unit="quote",
    )  # fmt: skip
    assert trailing(Trail(Decimal("0.2"))).trail == 1


def test_trailing_stop_by_percent() -> None:
    """As it was asked: the venue rounds it."""
    spec = trailing(Trail(None, Decimal("2.5")), leverage=3)
    assert (spec.trail, spec.trail_unit, spec.trigger_price, spec.leverage) == (Decimal("2.5"), "pct", None, 3)


def test_trail_with_activation_rests_as_a_plain_stop() -> None:
    """We carry it."""
    spec = trailing(Trail(Decimal(5), None, px(105)))
    assert (spec.order_type, spec.trigger_price, spec.trail) == ("stop-loss", 90, None)


@pytest.mark.parametrize(
    ("signal", "trigger", "limit"), [(LIMITED, 91, 88), (msgspec.structs.replace(LIMITED, side="sell"), 90, 89)]
)
def test_stop_with_a_limit_fires_early_and_is_willing(signal: Any, trigger: int, limit: int) -> None:
    """Trigger and limit on the tick, each to the safe side; it wins over our own entry."""
    spec = stop_order(signal, BTC, "x", qty(2))
    assert (spec.order_type, spec.trigger_price, spec.limit_price) == ("stop-loss-limit", trigger, limit)
    assert (spec.trigger_reference, spec.stp_type, spec.time_in_force) == ("index", "cancel_oldest", "gtc")


def test_what_a_signal_does_not_ask_for_is_not_made() -> None:
    """A stop or target nobody wants is our own mistake, and names the signal."""
    plain = msgspec.structs.replace(BUY, stop_loss=None, take_profit=None)
    with pytest.raises(ValueError, match="signal s-1 asks for no stop"):
        stop_order(plain, BTC, "x", qty(1))
    with pytest.raises(ValueError, match="signal s-1 asks for no target at place 0"):
        target_order(plain, BTC, "x", qty(1))
    with pytest.raises(ValueError, match="at place 1"):
        target_order(BUY, BTC, "x", qty(1), 1)


def test_entry_with_all_its_members() -> None:
    """Whole lots, prices that are never worse than asked; our own exits win over it."""
    signal = msgspec.structs.replace(
        BUY, order_qty=qty("2.019"), limit_price=px("100.7"), post_only=True, time_in_force="gtd", expire_time_ns=7,
        leverage=3, trigger_reference="index",
    )  # fmt: skip
    assert entry_order(signal, BTC, "e") == NewOrder(
        "e", "BTC/USD", "buy", "limit", qty("2.01"), px(100), None, "gtd", "cancel_newest",
        trigger_reference="index", post_only=True, expire_ns=7, leverage=3,
    )  # fmt: skip
    sold = entry_order(msgspec.structs.replace(SELL, limit_price=px("100.2")), BTC, "e")
    assert (sold.limit_price, sold.expire_ns) == (101, 0)


def test_market_entry_does_not_wait() -> None:
    """Whatever its signal says of time: the venue takes none for it."""
    spec = entry_order(
        msgspec.structs.replace(BUY, order_type="market", limit_price=None, time_in_force="ioc"), BTC, "e"
    )
    assert (spec.order_type, spec.limit_price, spec.time_in_force) == ("market", None, "gtc")


@pytest.mark.parametrize(
    ("side", "kind", "trigger"),
    [("buy", "stop-loss", 101), ("sell", "stop-loss", 100), ("buy", "take-profit", 100), ("sell", "take-profit", 101),
     ("buy", "stop-loss-limit", 101), ("sell", "take-profit-limit", 101)],
)  # fmt: skip
def test_entrys_trigger_is_never_earlier_than_asked(side: Any, kind: Any, trigger: int) -> None:
    """A stop further from the market, a take-profit deeper into it."""
    signal = msgspec.structs.replace(BUY, side=side, order_type=kind, trigger_price=px("100.5"))
    assert entry_order(signal, BTC, "e").trigger_price == trigger


def test_conditional_close_goes_with_its_entry() -> None:
    """The stop for just what fills; the reference is the entry's, unless that has a trigger of its own."""
    signal = msgspec.structs.replace(LIMITED, exits="conditional-close")
    spec = entry_order(signal, BTC, "e")
    assert (spec.conditional, spec.trigger_reference) == (Conditional("stop-loss-limit", px(91), px(88)), "index")
    armed = msgspec.structs.replace(signal, order_type="stop-loss", trigger_price=px(105))
    assert entry_order(armed, BTC, "e").trigger_reference == "last"
    plain = entry_order(msgspec.structs.replace(BUY, exits="conditional-close"), BTC, "e")
    assert plain.conditional == Conditional("stop-loss", px(90), None)
    assert entry_order(LIMITED, BTC, "e").conditional is None
    assert entry_order(LIMITED, BTC, "e").trigger_reference == "last"


def test_child_of_a_conditional_close_is_what_the_venue_tells() -> None:
    """Its quantity, and its prices where they are told; it was made by the venue."""
    spec = child_order(LIMITED, BTC, "c", child("1", trigger_price=px(87), limit_price=px(86)))
    assert spec is not None
    assert (spec.cl_ord_id, spec.symbol, spec.side, spec.order_type, spec.order_qty) == (
        "c", "BTC/USD", "sell", "stop-loss-limit", 1,
    )  # fmt: skip
    assert (spec.trigger_price, spec.limit_price, spec.stp_type, made_by_venue(spec)) == (87, 86, "cancel_newest", True)
    untold = child_order(LIMITED, BTC, "c", child("1"))
    assert untold is not None
    assert (untold.trigger_price, untold.limit_price) == (91, 88)


def test_child_of_untold_quantity_is_none_yet() -> None:
    """It is asked for first."""
    assert child_order(LIMITED, BTC, "c", child(None)) is None


def test_liquidation_is_a_market_order_of_the_other_side() -> None:
    """Only of a margin entry, and of a quantity that was told."""
    long = msgspec.structs.replace(BUY, leverage=3)
    assert liquidation_order(long, BTC, "l", child("1.5")) == NewOrder(
        "l", "BTC/USD", "sell", "market", qty("1.5"), leverage=3, reduce_only=True
    )
    assert liquidation_order(long, BTC, "l", child(None)) is None
    assert liquidation_order(BUY, BTC, "l", child("1.5")) is None


@pytest.mark.parametrize(
    ("kind", "limit", "rest", "made"),
    [("limit", None, False, ("limit", 111, None, "ioc")), ("limit", None, True, ("limit", 111, None, "gtc")),
     ("take-profit", None, False, ("market", None, None, "gtc")),
     ("take-profit", None, True, ("take-profit", None, 111, "gtc")),
     ("take-profit-limit", "109.5", False, ("limit", 110, None, "ioc")),
     ("take-profit-limit", "109.5", True, ("take-profit-limit", 110, 111, "gtc"))],
)  # fmt: skip
def test_target_of_each_kind(kind: Any, limit: str | None, rest: bool, made: tuple[Any, ...]) -> None:
    """Sent when touched, or resting as the venue's own order of that name; never worse than asked."""
    target = TakeProfit(px("110.5"), kind, None if limit is None else px(limit))
    spec = target_order(msgspec.structs.replace(BUY, take_profit=target), BTC, "t", qty(1), rest=rest)
    assert (spec.order_type, spec.limit_price, spec.trigger_price, spec.time_in_force) == made
    assert (spec.cl_ord_id, spec.symbol, spec.side, spec.order_qty, spec.stp_type) == (
        "t", "BTC/USD", "sell", 1, "cancel_oldest",
    )  # fmt: skip


def test_target_of_a_short_buys_no_dearer_than_asked() -> None:
    """Price and limit are rounded down there."""
    target = TakeProfit(px("90.5"), "take-profit-limit", px("91.5"))
    spec = target_order(msgspec.structs.replace(SELL, take_profit=target), BTC, "t", qty(1), rest=True)
    assert (spec.side, spec.trigger_price, spec.limit_price) == ("buy", 90, 91)
    assert target_prices(msgspec.structs.replace(SELL, take_profit=target), BTC) == [90]
    assert target_prices(msgspec.structs.replace(BUY, take_profit=target), BTC) == [91]


def test_close_at_market_or_at_a_limit() -> None:
    """At a limit it trades at once or not at all."""
    assert close_order(BTC, "c", "sell", qty(1)) == NewOrder(
        "c", "BTC/USD", "sell", "market", qty(1), stp_type="cancel_oldest"
    )
    assert close_order(BTC, "c", "sell", qty(1), px(99), leverage=2) == NewOrder(
        "c", "BTC/USD", "sell", "limit", qty(1), px(99), time_in_force="ioc", stp_type="cancel_oldest", leverage=2,
        reduce_only=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("step", "key"),
    [(PlaceStop(qty("2.00")), ("place_stop", "2")), (CancelExit("x", "why"), ("cancel", "x")),
     (CancelEntry("why"), ("cancel_entry",)), (AmendStop("x", qty("1.50")), ("amend", "x", "1.5")),
     (AmendStop("x", qty(1), px("95.0"), px("94.0")), ("amend", "x", "1", "95", "94")),
     (PlaceTarget(qty(1)), ("place_target", "1")), (PlaceTarget(qty(1), 1), ("place_target", "1", "1", "now")),
     (PlaceTarget(qty(1), 0, rest=True), ("place_target", "1", "0", "rest")),
     (PlaceClose(qty(1), "sell", "why"), ("place_close", "sell", "1")),
     (PlaceClose(qty(1), "sell", "why", px("99.0")), ("place_close", "sell", "1", "99"))],
)  # fmt: skip
def test_command_is_named_by_what_it_asks(step: Step, key: tuple[str, ...]) -> None:
    """Digits and reasons apart: refused once, exactly that is not sent again."""
    assert step.key() == key
