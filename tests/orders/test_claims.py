"""Orphans: one of ours on the venue that the journal has lost goes only to a bracket it fits, terms and quantity."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.orders.brackets import Bracket
from engine.orders.claims import ORPHAN, Claim, Found, as_order, claim, claim_bare, room
from engine.orders.commands import NewOrder
from engine.orders.signal import Signal, TakeProfit
from engine.orders.specs import close_order, entry_order, stop_order, target_order
from engine.orders.terms import StopLoss, Trail
from tests.orders.conftest import px, qty
from tests.orders.desk import BTC, BUY, SELL, Desk

TWO = msgspec.structs.replace(
    BUY,
    take_profit=TakeProfit(px(110), share=Decimal("0.5")),
    more_targets=(TakeProfit(px(120), "take-profit-limit", px(119), Decimal("0.5")),),
)
LONG = msgspec.structs.replace(BUY, leverage=3)


def found(spec: NewOrder, **changes: Any) -> Found:
    """What the venue shows of an order that rests."""
    told: dict[str, Any] = {
        "cl_ord_id": spec.cl_ord_id, "order_id": "OX", "symbol": spec.symbol, "side": spec.side,
        "order_type": spec.order_type, "order_qty": spec.order_qty, "cum_qty": qty(0),
        "limit_price": spec.limit_price, "trigger_price": spec.trigger_price, "resting": True,
    }  # fmt: skip
    return Found(**(told | changes))


def holding(signal: Signal = BUY, amount: str = "2") -> Bracket:
    """A bracket whose entry has filled, and of whose exits the journal knows nothing."""
    desk = Desk(signal)
    desk.accept("entry")
    desk.fill("entry", amount)
    desk.bracket.orders = {"entry": desk.orders["entry"].view()}
    return desk.bracket


def stop(amount: str = "2", signal: Signal = BUY) -> NewOrder:
    return stop_order(signal, BTC, "o", qty(amount))


@pytest.mark.parametrize("signal", [BUY, SELL], ids=["buy", "sell"])
def test_stop_of_the_signals_terms_is_its_stop(signal: Signal) -> None:
    """Type and trigger are what the bracket would place itself; the claim is that very order."""
    spec = stop("1.5", signal)
    assert claim(holding(signal), found(spec)) == Claim("stop", spec)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("rest", [False, True])
def test_target_of_any_place_is_its_target(place: int, rest: bool) -> None:
    """Sent at once or resting, the nearest or the one beyond."""
    spec = target_order(TWO, BTC, "o", qty(1), place, rest=rest)
    claimed = claim(holding(TWO), found(spec))
    assert claimed is not None
    assert (claimed.role, claimed.spec.cl_ord_id, claimed.spec.order_qty) == ("target", "o", 1)
    assert (claimed.spec.limit_price, claimed.spec.trigger_price) == (spec.limit_price, spec.trigger_price)


def test_market_sale_is_its_close() -> None:
    """A bracket closes at market and in no other way that an orphan could show."""
    spec = close_order(BTC, "o", "sell", qty(2))
    assert claim(holding(), found(spec)) == Claim("close", spec)


def test_bounded_sale_that_has_ended_is_the_close_of_a_bracket_that_is_closed() -> None:
    """Immediate or cancel at whatever limit: of one that rests, or while nothing closes it, that is no sign."""
    bracket, sold = holding(), close_order(BTC, "o", "sell", qty(2), px(97))
    told = found(sold, resting=False, cum_qty=qty(2))
    assert claim(bracket, told) is None
    bracket.close("asked by the user")
    assert claim(bracket, told) == Claim("close", sold)
    assert claim(bracket, found(sold)) is None
    assert claim(bracket, found(sold, resting=False, cum_qty=qty("2.1"))) is None


def test_close_on_margin_stays_on_margin() -> None:
    """It only reduces, by the entry's leverage."""
    claimed = claim(holding(LONG), found(close_order(BTC, "o", "sell", qty(2)), margin=True))
    assert claimed is not None
    assert (claimed.role, claimed.spec.leverage, claimed.spec.reduce_only) == ("close", 3, True)


@pytest.mark.parametrize(
    "changes",
    [{"symbol": "ETH/USD"}, {"trigger_price": px(91)}, {"order_type": "stop-loss-limit", "limit_price": px(89)},
     {"margin": True}],
    ids=["symbol", "trigger", "type", "margin"],
)  # fmt: skip
def test_exit_of_other_terms_is_not_claimed(changes: dict[str, Any]) -> None:
    """Another market, trigger, type or kind of account: it protects something else."""
    assert claim(holding(), found(stop(), **changes)) is None


def test_limit_that_differs_is_another_target() -> None:
    """The price is part of what it is."""
    spec = target_order(BUY, BTC, "o", qty(1), rest=True)
    assert claim(holding(), found(spec)) is not None
    assert claim(holding(), found(spec, limit_price=px(111))) is None


def test_exit_needs_what_it_may_sell() -> None:
    """Equal terms alone are no proof: up to what is held, and of one that has ended what it has sold."""
    bracket = holding()
    assert claim(bracket, found(stop("2"))) is not None
    assert claim(bracket, found(stop("2.01"))) is None
    assert claim(bracket, found(stop("5"), resting=False, cum_qty=qty(2))) is not None
    assert claim(bracket, found(stop("5"), resting=False, cum_qty=qty("2.5"))) is None


def test_weight_is_what_it_may_still_trade_or_has_traded() -> None:
    """Resting all of it counts, ended only its fills."""
    assert found(stop("5"), cum_qty=qty(2)).weight == 5
    assert found(stop("5"), cum_qty=qty(2), resting=False).weight == 2


def test_moved_exits_are_known_by_where_they_stand_now() -> None:
    """The bracket's terms count, not its signal's."""
    bracket = holding()
    bracket.move_exits(px(95), px(115))
    assert claim(bracket, found(stop())) is None
    assert claim(bracket, found(stop_order(bracket.terms, BTC, "o", qty(2)))) is not None


def test_entry_is_claimed_where_none_has_lived() -> None:
    """Its quantity belongs to its terms."""
    bracket = Bracket(BUY, BTC, Desk().bracket.policy)
    spec = entry_order(BUY, BTC, "o")
    assert claim(bracket, found(spec)) == Claim("entry", spec)
    assert claim(bracket, found(spec, order_qty=qty(1))) is None
    assert claim(bracket, found(spec, limit_price=px(99))) is None


def test_entry_is_claimed_beside_one_that_ended_empty() -> None:
    """An attempt that never lived leaves room for the next."""
    desk = Desk()
    desk.refuse("entry")
    claimed = claim(desk.bracket, found(entry_order(BUY, BTC, "o")))
    assert claimed is not None
    assert claimed.role == "entry"


def test_second_entry_is_nobodys() -> None:
    """Where an entry lives or has filled, only a buying back of an excess is of its side."""
    waiting = Desk().bracket
    for bracket in (waiting, holding()):
        assert claim(bracket, found(entry_order(BUY, BTC, "o"))) is None
        back = close_order(BTC, "o", "buy", qty("0.5"))
        assert claim(bracket, found(back)) == Claim("close", back)


def test_nothing_is_bought_back_on_margin() -> None:
    """It would open a position."""
    back = found(close_order(BTC, "o", "buy", qty("0.5"), leverage=3), margin=True)
    assert claim(holding(LONG), back) is None


# --- stops that were moved since, and forgotten entries ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["stop-loss", "stop-loss-limit", "trailing-stop"])
def test_any_stop_fits_a_bracket_that_lacks_all_it_guards(kind: str) -> None:
    """Its terms were moved since: it is taken as it is."""
    orphan = found(stop(), order_type=kind, trigger_price=px(93), limit_price=px(92))
    assert claim_bare(holding(), orphan) == Claim("stop", as_order(orphan))


@pytest.mark.parametrize(
    "changes",
    [{"symbol": "ETH/USD"}, {"order_type": "limit"}, {"order_type": "take-profit"}, {"side": "buy"}, {"margin": True},
     {"order_qty": qty("2.01")}],
    ids=["symbol", "limit", "take-profit", "side", "margin", "more than lacks"],
)  # fmt: skip
def test_what_guards_nothing_of_it_is_left_alone(changes: dict[str, Any]) -> None:
    """A stop of the other side, another market, another kind, or for more than lacks one."""
    assert claim_bare(holding(), found(stop(), **changes)) is None


def test_room_is_what_no_exit_may_take() -> None:
    """Held, less all that known exits may still trade; entries are none."""
    desk = Desk()
    desk.accept("entry")
    assert room(desk.bracket) == 0
    desk.fill("entry", "2")
    assert room(desk.bracket) == 0  # its stop is on its way
    desk.bracket.orders = {"entry": desk.orders["entry"].view()}
    assert room(desk.bracket) == 2


def orphanage() -> Bracket:
    """The bracket of a forgotten entry: of its terms nothing is known."""
    return holding(msgspec.structs.replace(BUY, strategy_id=ORPHAN, stop_loss=None, take_profit=None))


@pytest.mark.parametrize(
    ("kind", "role"),
    [("stop-loss", "stop"), ("stop-loss-limit", "stop"), ("trailing-stop", "stop"), ("market", "close"),
     ("limit", "target"), ("take-profit", "target")],
)  # fmt: skip
def test_forgotten_entry_takes_any_exit_by_its_kind(kind: str, role: str) -> None:
    """What may have protected it goes on doing so."""
    orphan = found(stop(), order_type=kind)
    claimed = claim(orphanage(), orphan)
    assert claimed is not None
    assert (claimed.role, claimed.spec) == (role, as_order(orphan))


@pytest.mark.parametrize(
    "changes", [{"side": "buy"}, {"order_qty": qty("2.01")}, {"margin": True}], ids=["side", "too much", "margin"]
)
def test_forgotten_entry_leaves_what_cannot_be_its_exit(changes: dict[str, Any]) -> None:
    """More than is held protects something else that was forgotten."""
    assert claim(orphanage(), found(stop(), **changes)) is None


def test_forgotten_entry_on_margin_takes_exits_of_its_kind() -> None:
    """And no spot order."""
    on_margin = msgspec.structs.replace(LONG, strategy_id=ORPHAN, stop_loss=None, take_profit=None)
    assert claim(holding(on_margin), found(stop(), margin=True, reduce_only=True)) is not None
    assert claim(holding(on_margin), found(stop(), margin=False)) is None


def test_order_as_found_carries_what_the_venue_says() -> None:
    """Every member, and of margin the leverage that REST told or the most it may be."""
    orphan = found(stop(), limit_price=px(89), margin=True, leverage=2, reduce_only=True)
    assert as_order(orphan) == NewOrder(
        "o", "BTC/USD", "sell", "stop-loss", qty(2), px(89), px(90), leverage=2, reduce_only=True
    )  # fmt: skip
    assert as_order(msgspec.structs.replace(orphan, leverage=None)).leverage == 5
    assert as_order(msgspec.structs.replace(orphan, margin=None)).leverage is None


def test_trailing_stop_of_the_venue_fits_by_its_type() -> None:
    """It has no trigger of its own to compare."""
    trailing = msgspec.structs.replace(BUY, stop_loss=StopLoss(px(90), trail=Trail(Decimal(5))))
    spec = stop_order(trailing, BTC, "o", qty(2))
    assert claim(holding(trailing), found(spec, trigger_price=px(97))) == Claim("stop", spec)
