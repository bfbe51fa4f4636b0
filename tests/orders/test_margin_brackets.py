"""Brackets on margin: every exit can only reduce, whatever was filled, lost, or closed by others."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.orders.claims import Found, as_order, claim, claim_bare
from engine.orders.commands import NewOrder
from engine.orders.endings import POSITION_GONE
from engine.orders.reports import OrderReport, ReportType
from engine.orders.specs import (
    close_order,
    entry_order,
    liquidation_order,
    made_by_venue,
    stop_order,
    target_order,
)
from engine.orders.steps import PlaceClose
from engine.orders.terms import StopLoss, Trail
from tests.orders.conftest import px, qty
from tests.orders.desk import BTC, BUY, SELL, Desk, touched

LONG = msgspec.structs.replace(BUY, leverage=3)
SHORT = msgspec.structs.replace(SELL, leverage=3)
EITHER = pytest.mark.parametrize("signal", [LONG, SHORT], ids=["long", "short"])


def exits_of(desk: Desk) -> list[NewOrder]:
    """Every exit that was ever decided."""
    return [order.spec for order in desk.orders.values() if order.role != "entry"]


@EITHER
def test_every_exit_is_a_margin_order_that_can_only_reduce(signal):
    """Stop, trailing stop, target of either kind, close: of the entry's leverage, and reduce-only."""
    trailing = msgspec.structs.replace(signal, stop_loss=StopLoss(px(90), trail=Trail(distance=qty("5"))))
    side = "sell" if signal.side == "buy" else "buy"
    made = [
        stop_order(signal, BTC, "x", qty(1)),
        stop_order(trailing, BTC, "x", qty(1)),
        target_order(signal, BTC, "x", qty(1)),
        target_order(signal, BTC, "x", qty(1), rest=True),
        close_order(BTC, "x", side, qty(1), leverage=signal.leverage),
    ]
    assert {(one.leverage, one.reduce_only, one.side) for one in made} == {(3, True, side)}
    entry = entry_order(signal, BTC, "x")
    assert (entry.leverage, entry.reduce_only) == (3, False)


def test_exits_of_coins_carry_neither():
    """A spot order with these flags would be refused."""
    plain = [entry_order(BUY, BTC, "x"), stop_order(BUY, BTC, "x", qty(1)), close_order(BTC, "x", "sell", qty(1))]
    assert {(one.leverage, one.reduce_only) for one in plain} == {(None, False)}


def test_excess_of_exits_is_told_and_not_traded_back():
    """Buying back what exits have closed too much would open a position: the bracket ends, with an alarm."""
    desk = Desk(LONG)
    desk.accept("entry")
    desk.fill("entry", "2")
    (stop,) = [cl for cl, order in desk.orders.items() if order.role == "stop"]
    desk.accept(stop)
    desk.open(target_order(LONG, BTC, "x9", qty(2)), "target")
    desk.accept("x9")
    desk.fill("x9", "2")
    desk.fill(stop, "2")
    desk.end(stop)
    assert desk.bracket.exposure == -2
    assert not [step for step in desk.steps if isinstance(step, PlaceClose) and step.side == "buy"]
    assert (desk.bracket.state, desk.events[-1].alarm) == ("flat", "EXITS_EXCEEDED")


def test_refusal_for_want_of_a_position_lets_go_only_by_the_position_itself():
    """The refusal makes somebody look; who looks lets go, and nothing is tried after that."""
    desk = Desk(LONG)
    desk.accept("entry")
    desk.fill("entry", "2")
    (stop,) = [cl for cl, order in desk.orders.items() if order.role == "stop"]
    desk.refuse(stop, "REDUCE_ONLY_NO_POSITION")
    assert desk.bracket.short_of_coins_ns() is not None
    desk.bracket.let_go()
    desk.after(1)
    assert (desk.bracket.state, desk.bracket.closing) == ("taken_over", POSITION_GONE)


def test_liquidation_is_an_exit_that_the_venue_has_made():
    """Its fills shrink what is held; the stop follows."""
    desk = Desk(LONG)
    desk.accept("entry")
    desk.fill("entry", "2")
    report = OrderReport(ReportType.STATUS, "rest", "OX", "filled", 3, order_qty=qty("0.5"), cum_qty=qty("0.5"))
    spec = liquidation_order(LONG, BTC, "liq", report)
    assert spec is not None
    assert (spec.side, spec.order_qty, spec.reduce_only, made_by_venue(spec)) == ("sell", qty("0.5"), True, True)
    assert not made_by_venue(close_order(BTC, "x", "sell", qty(1), leverage=3))
    desk.open(spec, "close")
    desk.accept("liq")
    desk.fill("liq", "0.5")
    assert desk.bracket.exposure == qty("1.5")


def found(**changes: object) -> Found:
    """A stop that rests and carries our mark."""
    given: dict[str, object] = {
        "cl_ord_id": "o", "order_id": "OX", "symbol": "BTC/USD", "side": "sell", "order_type": "stop-loss",
        "order_qty": qty(2), "cum_qty": qty(0), "limit_price": None, "trigger_price": px(90), "resting": True,
    }  # fmt: skip
    return Found(**(given | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("signal", "margin", "fits"),
    [(BUY, None, True), (BUY, False, True), (BUY, True, False), (LONG, True, True), (LONG, False, False)],
)
def test_orphaned_exit_goes_only_to_a_bracket_of_its_kind(signal, margin, fits):
    """A spot stop protects no margin position, whatever its terms."""
    desk = Desk(signal)
    desk.accept("entry")
    desk.fill("entry", "2")
    for cl, order in list(desk.bracket.orders.items()):
        if order.role == "stop":
            del desk.bracket.orders[cl]
    orphan = found(margin=margin, reduce_only=margin is True)
    assert (claim(desk.bracket, orphan) is not None) == fits
    assert (claim_bare(desk.bracket, orphan) is not None) == fits


def test_orphan_without_a_told_leverage_stays_on_margin():
    """The stream says only that it borrows: its exits must know that it does."""
    spec = as_order(found(margin=True, reduce_only=True))
    assert (spec.leverage, spec.reduce_only) == (5, True)
    assert as_order(found(margin=True, leverage=2)).leverage == 2
    assert as_order(found(margin=False)).leverage is None


EVENTS = st.lists(
    st.tuples(st.sampled_from(["fill", "end", "refuse", "touch", "liquidate", "accept", "wait"]), st.integers(0, 5)),
    max_size=12,
)


@given(EVENTS)
def test_no_exit_is_ever_planned_that_could_open(events):
    """Over any story of fills, ends, refusals and liquidations: each exit reduces only, against the entry's side."""
    desk = Desk(LONG)
    desk.accept("entry")
    for number, (what, which) in enumerate(events):
        live = [cl for cl, order in desk.orders.items() if not order.ended]
        name = live[which % len(live)] if live else ""
        if what == "fill" and name and desk.orders[name].leaves_qty >= qty("0.5"):
            desk.fill(name, "0.5")
        elif what == "end" and name and desk.orders[name].state in ("open", "partial"):
            desk.end(name)
        elif what == "refuse" and name and desk.orders[name].state == "pending" and name != "entry":
            desk.refuse(name, "REDUCE_ONLY_NO_POSITION")
        elif what == "accept" and name and desk.orders[name].state == "pending":
            desk.accept(name)
        elif what == "touch":
            desk.market = touched("9")
            desk.after(1)
        elif what == "liquidate" and desk.bracket.exposure >= 1:
            report = OrderReport(ReportType.STATUS, "rest", f"OL{number}", "filled", 3, order_qty=qty(1))
            spec = liquidation_order(LONG, BTC, f"l{number}", report)
            assert spec is not None
            desk.open(spec, "close")
            desk.accept(f"l{number}")
            desk.fill(f"l{number}", "1")
        else:
            desk.after(1)
    assert all(one.reduce_only and one.leverage == 3 and one.side == "sell" for one in exits_of(desk))
