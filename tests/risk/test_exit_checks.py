"""The checks of an exit: it opens nothing, reduces, on tick, on lot, above the minima; and what no entry may exceed."""

from __future__ import annotations

import msgspec
import pytest

from engine.orders.commands import AmendOrder, NewOrder
from engine.orders.specs import close_order, stop_order
from engine.risk.entry_quantity import check_entry_quantity
from engine.risk.exit_checks import check_exit
from engine.risk.in_flight import InFlight, commitment_of
from engine.values.money import other_side
from tests.orders.conftest import px, qty
from tests.orders.desk import BTC, BUY, SELL, START, Desk

NOW = START


def held(amount: str = "2", signal=BUY) -> Desk:
    """A bracket whose entry has filled; the planner has placed its stop."""
    desk = Desk(signal)
    desk.accept("entry")
    desk.fill("entry", amount)
    return desk


def stop_of(desk: Desk, amount: str, **terms) -> NewOrder:
    """A stop for so much."""
    made = stop_order(desk.bracket.signal, BTC, "new-stop", qty(amount))
    return msgspec.structs.replace(made, **terms)


@pytest.mark.parametrize("signal", [BUY, SELL], ids=["long", "short"])
def test_exit_up_to_what_no_other_exit_may_sell_passes(signal):
    """Two are held and one and a half rest under a stop: half a one more passes, any more does not."""
    desk, side = held("2", signal), other_side(signal.side)
    bracket = desk.bracket
    stop = next(o for o in bracket.orders.values() if o.role == "stop")
    bracket.orders[stop.cl_ord_id] = msgspec.structs.replace(stop, least=qty(0), most=qty("1.5"))
    assert check_exit(bracket, stop_of(desk, "0.5"), side, NOW) is None
    denial = check_exit(bracket, stop_of(desk, "0.51"), side, NOW)
    assert denial is not None
    assert denial.numbers is not None
    assert (denial.code, denial.numbers.limit) == ("EXIT_EXCEEDS_POSITION", 2)
    assert (denial.numbers.observed, denial.numbers.in_flight) == (qty("2.01"), qty("1.5"))


@pytest.mark.parametrize(
    ("leverage", "exit_leverage", "reduce_only", "fits"),
    [
        (None, None, False, True),
        (None, 5, True, False),
        (5, 5, True, True),
        (5, 5, False, False),
        (5, None, False, False),
    ],
)
def test_exit_is_of_its_entrys_kind_and_on_margin_reduces_only(leverage, exit_leverage, reduce_only, fits):
    """A spot sell closes no margin position, and a margin sell that is not reduce-only may open one."""
    desk = Desk(msgspec.structs.replace(BUY, leverage=leverage, stop_loss=None, take_profit=None))
    desk.accept("entry")
    desk.fill("entry", "2")
    made = close_order(BTC, "out", "sell", qty(2))
    made = msgspec.structs.replace(made, leverage=exit_leverage, reduce_only=reduce_only)
    denial = check_exit(desk.bracket, made, "sell", NOW)
    assert (denial.code if denial is not None else "") == ("" if fits else "EXIT_MAY_OPEN")


def test_exit_without_a_position_is_denied():
    """Nothing is held: a sale would be an entry."""
    desk = Desk()
    denial = check_exit(desk.bracket, stop_of(desk, "1"), "sell", NOW)
    assert denial is not None
    assert denial.code == "EXIT_EXCEEDS_POSITION"


def test_buying_back_an_excess_is_an_exit_too():
    """Sold more than was held: the way back is on the entry's side, and no further."""
    desk = held("2")
    bracket = desk.bracket
    stop = next(o for o in bracket.orders.values() if o.role == "stop")
    bracket.orders[stop.cl_ord_id] = msgspec.structs.replace(stop, state="filled", done_qty=qty("2.5"), most=qty(0))
    assert bracket.exposure == qty("-0.5")
    assert check_exit(bracket, close_order(BTC, "back", "buy", qty("0.5")), "buy", NOW) is None
    assert check_exit(bracket, close_order(BTC, "back", "buy", qty("0.51")), "buy", NOW) is not None
    assert check_exit(bracket, close_order(BTC, "back", "sell", qty("0.1")), "sell", NOW) is not None


def test_shrinking_amend_always_passes_and_a_growing_one_is_judged():
    """To stop a stop from getting smaller would help nobody."""
    desk = held("2")
    bracket = desk.bracket
    stop = next(o for o in bracket.orders.values() if o.role == "stop")
    entry = bracket.orders["entry"]
    bracket.orders["entry"] = msgspec.structs.replace(entry, done_qty=qty("1"))
    shrink, grow = (AmendOrder(stop.cl_ord_id, "O", BTC.symbol, qty(amount)) for amount in ("1.5", "2.1"))
    assert check_exit(bracket, shrink, "sell", NOW) is None
    assert check_exit(bracket, grow, "sell", NOW) is not None


def test_of_two_that_rest_beside_each_other_only_a_sibling_shares_the_quantity():
    """Both-rest: a stop beside the target, a target beside the stop; what trades at once shares with neither."""
    desk = held("2", msgspec.structs.replace(BUY, exits="both-rest"))
    bracket = desk.bracket
    stop = next(o for o in bracket.orders.values() if o.role == "stop")
    resting = msgspec.structs.replace(stop.spec, cl_ord_id="T", order_type="limit", time_in_force="gtc")
    target = msgspec.structs.replace(stop, cl_ord_id="T", role="target", spec=resting, most=qty(2))
    bracket.orders = {"entry": bracket.orders["entry"], "T": target}
    assert check_exit(bracket, stop_of(desk, "2"), "sell", NOW) is None
    for name, role, spec in (
        ("now", "target", msgspec.structs.replace(resting, cl_ord_id="now", time_in_force="ioc")),
        ("out", "close", close_order(BTC, "out", "sell", qty(2))),
    ):
        view = msgspec.structs.replace(target, cl_ord_id=name, role=role, spec=spec, state="new", most=qty(0))
        bracket.orders[name] = view
        denial = check_exit(bracket, spec, "sell", NOW)
        assert denial is not None, name
        assert denial.code == "EXIT_EXCEEDS_POSITION"
        del bracket.orders[name]


def test_immediate_exit_past_its_bound_does_not_count():
    """Its wire deadline is long past: it cannot rest, and the stop goes back."""
    desk = held("2")
    bracket = desk.bracket
    stop = next(o for o in bracket.orders.values() if o.role == "stop")
    spec = msgspec.structs.replace(stop.spec, order_type="limit", time_in_force="ioc")
    target = msgspec.structs.replace(stop, role="target", spec=spec, state="unknown", dispatched_ns=NOW, most=qty(2))
    bracket.orders[stop.cl_ord_id] = target
    bound_ns = round(bracket.policy.swap_bound_s * 1e9)
    assert check_exit(bracket, stop_of(desk, "2"), "sell", NOW + bound_ns - 1) is not None
    assert check_exit(bracket, stop_of(desk, "2"), "sell", NOW + bound_ns) is None


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"trigger_price": px("90.5")}, "EXIT_OFF_TICK"),
        ({"limit_price": px("90.5")}, "EXIT_OFF_TICK"),
        ({"order_qty": qty("0.005")}, "EXIT_OFF_LOT"),
        ({"order_qty": qty("0.09")}, "EXIT_BELOW_MINIMUM"),
        ({"trigger_price": px("1"), "order_qty": qty("0.1")}, "EXIT_BELOW_MINIMUM"),
        ({"order_qty": qty("0.1")}, ""),
    ],
)
def test_tick_lot_and_minima(terms, code):
    """Each at its edge: a tenth is the least, half a dollar the least cost."""
    desk = held("2")
    bracket = desk.bracket
    for name, view in list(bracket.orders.items()):
        if view.role == "stop":
            del bracket.orders[name]
    denial = check_exit(bracket, stop_of(desk, "1", **terms), "sell", NOW)
    assert (denial.code if denial else "") == code


def test_entries_of_a_signal_never_exceed_it():
    """Live and filled together, at the edge and beyond; the one being sent counts once."""
    desk = Desk()
    bracket = desk.bracket
    entry = bracket.orders["entry"]
    assert check_entry_quantity(bracket, entry) is None
    second = msgspec.structs.replace(entry, cl_ord_id="second", order_qty=qty("0.01"), most=qty("0.01"))
    denial = check_entry_quantity(bracket, second)
    assert denial is not None
    assert denial.numbers is not None
    assert (denial.code, denial.numbers.limit, denial.numbers.observed) == ("ENTRY_EXCEEDS_SIGNAL", 2, qty("2.01"))
    bracket.orders["entry"] = msgspec.structs.replace(entry, state="canceled", most=qty(0), done_qty=qty("1.99"))
    assert check_entry_quantity(bracket, second) is None


def test_in_flight_sums_are_exact_whatever_comes_and_goes():
    """What is put and dropped leaves nothing behind; a bracket counts with its entry from its decision on."""
    sums, desk = InFlight(), Desk()
    fresh = Desk()
    fresh.bracket.orders.clear()
    for name, one in (("a", desk), ("b", fresh)):
        sums.put(name, commitment_of(one.bracket, qty(100)))
    assert (sums.flow("BTC/USD").buying, sums.flow("BTC/USD", BUY.strategy_id).buying) == (4, 4)
    assert (sums.orders(), sums.bound("USD")) == (2, 400)
    desk.accept("entry")
    desk.fill("entry", "2")
    sums.put("a", commitment_of(desk.bracket, qty(100)))
    assert (sums.flow("BTC/USD").buying, sums.bound("BTC"), sums.bound("USD")) == (2, 2, 200)
    sums.drop("a")
    sums.drop("b")
    sums.drop("b")
    assert (sums.flow("BTC/USD").buying, sums.orders(), sums.symbols(), sums.bound("USD")) == (0, 0, [], 0)
