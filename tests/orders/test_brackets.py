"""A bracket's memory: refusals, pauses, bounds, latches, and what comes back of them from the journal."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.errors import OrderInvariantError
from engine.orders.bracket_events import BracketEvent, Policy
from engine.orders.events import OrderEvent
from engine.orders.replay import Refused, Requested, rebuild_bracket, rebuild_orders
from engine.orders.reports import OrderReport, Outcome, ReportType
from engine.orders.specs import stop_order
from engine.orders.steps import CancelEntry, CancelExit, PlaceClose, PlaceStop
from tests.orders.conftest import amend, qty
from tests.orders.desk import BTC, BUY, NS, QUIET, Desk, covered_desk, touched


def filled_desk(policy: Policy | None = None) -> Desk:
    """An entry of 2 has filled; its stop x1 is on its way."""
    desk = Desk(policy=policy)
    desk.accept("entry")
    desk.fill("entry", "2")
    return desk


def test_permanently_refused_stop_is_not_repeated_and_is_closed_past_the_bound() -> None:
    """No second try of the same command; past the bound naked alarms and the market closes, in one thought."""
    desk = filled_desk()
    assert desk.refuse("x1", "INVALID_PRICE") == []
    assert desk.bracket.wake_ns(desk.now) == desk.now + 2 * NS
    (step,) = desk.after(2)
    assert step == PlaceClose(qty(2), "sell", "uncovered past its bound")
    assert [e.alarm for e in desk.events if e.alarm] == ["NAKED"]
    desk.fill("x2", "2")
    assert desk.bracket.state == "flat"


def test_naked_bracket_told_only_to_alert_keeps_trying_to_cover() -> None:
    """With naked_action alert nothing is sold; a stop that gets through ends the nakedness."""
    desk = filled_desk(Policy(naked_action="alert"))
    desk.refuse("x1", "RATE_LIMIT")
    desk.after(1)
    desk.refuse("x2", "RATE_LIMIT")
    assert desk.after(1) == [PlaceStop(qty(2))]
    assert (desk.bracket.state, desk.bracket.closing) == ("naked", "")
    desk.accept("x3")
    assert desk.bracket.state == "covered"


def test_transient_refusal_is_repeated_after_a_pause() -> None:
    """Not now is not never."""
    desk = filled_desk()
    assert desk.refuse("x1", "RATE_LIMIT") == []
    assert desk.bracket.wake_ns(desk.now) == desk.now + NS
    assert desk.after(1) == [PlaceStop(qty(2))]


def test_what_never_left_is_repeated_after_a_pause() -> None:
    """Whatever kept it from leaving, it was not refused."""
    desk = filled_desk()
    assert desk.answer("x1", Outcome.NOT_SENT, "NOT_CONNECTED") == []
    assert desk.after(1) == [PlaceStop(qty(2))]


def test_what_never_left_is_tried_again_soon_and_then_ever_later() -> None:
    """Mostly the other way is open. Where none is, it is not asked for more than once a pause."""
    desk = filled_desk(Policy(naked_action="alert"))
    pauses = []
    for number in range(1, 8):
        began = desk.now
        desk.answer(f"x{number}", Outcome.NOT_SENT, "NOT_CONNECTED")
        while not desk.after(0.01):
            pass
        pauses.append(round((desk.now - began) / NS, 2))
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_stop_proved_dead_is_placed_again_at_once() -> None:
    """It never existed: that is no refusal."""
    desk = filled_desk(Policy(naked_action="alert"))
    desk.answer("x1", Outcome.UNKNOWN)
    order = desk.orders["x1"]
    desk.bracket.learn(order.view(), order.prove_dead("all proofs", desk.now), desk.now)
    desk.bracket.learn(order.view(), [], desk.now)
    assert desk.think() == [PlaceStop(qty(2))]


def test_vanished_stop_is_put_back_once_and_the_second_time_a_person_has_taken_over() -> None:
    """No tug-of-war."""
    desk = covered_desk()
    assert desk.end("x1") == [PlaceStop(qty(2))]
    desk.accept("x2")
    assert desk.end("x2") == []
    assert desk.bracket.state == "taken_over"
    assert desk.events[-1].alarm == "TAKEN_OVER"
    assert desk.after(60) == []
    assert desk.bracket.state == "taken_over"


def test_take_over_cancels_the_entry_before_it_ends() -> None:
    """Nothing of ours trades on in a bracket a person has taken."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "1")
    desk.after(0.2)
    for stop in ("x1", "x2"):
        desk.accept(stop)
        desk.end(stop)
        desk.after(0.2)
    assert isinstance(desk.steps[-1], CancelEntry)
    assert desk.bracket.state == "exiting"
    desk.end("entry")
    assert desk.bracket.state == "taken_over"


def test_close_takes_the_stop_back_and_sells_at_market() -> None:
    """A command to close everything held: the stop's cancel is confirmed before the market order."""
    desk = covered_desk()
    desk.bracket.close("by command")
    assert desk.think() == [CancelExit("x1", "by command")]
    assert desk.end("x1") == [PlaceClose(qty(2), "sell", "by command")]
    desk.fill("x2", "2")
    assert desk.bracket.state == "flat"


def test_close_before_any_fill_ends_the_entry() -> None:
    """Nothing is held yet: the entry is what must go."""
    desk = Desk()
    desk.accept("entry")
    desk.bracket.close("by command")
    assert desk.think() == [CancelEntry("by command")]
    desk.end("entry")
    assert desk.bracket.state == "abandoned"


def test_close_that_stays_uncovered_alarms() -> None:
    """A close that is refused leaves coins bare: the bound and its alarm hold there too."""
    desk = covered_desk()
    desk.bracket.close("by command")
    desk.think()
    desk.end("x1")
    desk.refuse("x2", "INVALID_ARGUMENTS")
    desk.after(2)
    assert desk.bracket.state == "naked"


def test_gauge_counts_uncovered_quantity_times_seconds() -> None:
    """Two coins for half a second make one."""
    desk = filled_desk()
    desk.after(0.5)
    desk.accept("x1")
    desk.after(10)
    assert desk.bracket.uncovered_qty_s == Decimal(1)


def test_late_fill_reopens_a_flat_bracket() -> None:
    """Canceled and sold, and yet the entry had filled more: it is covered again."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "1")
    desk.end("entry")
    desk.accept("x1")
    desk.sees(touched("1"))
    desk.end("x1")
    desk.fill("x2", "1")
    assert desk.bracket.state == "flat"
    desk.market = QUIET
    assert desk.fill("entry", "0.5") == [PlaceStop(qty("0.5"))]
    assert desk.bracket.state == "covering"


def test_reopening_moves_on_to_where_it_stands() -> None:
    """A late fill beyond a fired stop is closed at market: reopened and exiting in one thought."""
    desk = covered_desk()
    desk.trigger("x1")
    desk.fill("x1", "2")
    desk.fill("entry", "0.5")
    assert [e.move for e in desk.events[-2:]] == ["reopen", "leave"]


def test_refused_cancel_forgets_that_it_was_asked() -> None:
    """A stop whose cancel was refused and that a stranger cancels later has vanished."""
    desk = covered_desk()
    desk.sees(touched("2"))
    desk.market = QUIET
    desk.refuse("x1", "RATE_LIMIT")
    desk.end("x1")
    assert desk.bracket.vanished == 1


def test_cancel_of_ours_that_comes_through_late_is_no_loss() -> None:
    """Lag 300048: unanswered, and not shown when asked for; yet the venue had carried it out, and nobody took it."""
    desk = covered_desk()
    desk.sees(touched("2"))
    order = desk.orders["x1"]
    rests = OrderReport(ReportType.STATUS, "rest", "O-x1", "new", desk.now, cl_ord_id="x1")
    desk.bracket.learn(order.view(), order.shown(rests), desk.now)
    assert order.state == "open"
    desk.market = QUIET
    assert desk.end("x1") == [PlaceStop(qty(2))]
    assert desk.bracket.vanished == 0


# --- from the journal -------------------------------------------------------------------------------------------------


def rebuilt(desk: Desk) -> Desk:
    bracket = rebuild_bracket(desk.facts, desk.bracket.policy)
    assert bracket is not None
    other = Desk(policy=desk.bracket.policy)
    other.bracket, other.orders, other.now = bracket, rebuild_orders(desk.facts), desk.now
    other.facts, other.market = list(desk.facts), desk.market
    return other


def test_rebuilt_bracket_knows_its_orders_state_and_walk() -> None:
    """Views, state and path are those of the life it had."""
    desk = covered_desk()
    again = rebuilt(desk)
    assert again.bracket.orders == desk.bracket.orders
    assert (again.bracket.state, again.bracket.walk) == (desk.bracket.state, desk.bracket.walk)
    assert again.think() == []


def test_rebuilt_bracket_remembers_refusals() -> None:
    """A restart does not repeat what was refused for good."""
    desk = filled_desk(Policy(naked_action="alert"))
    desk.refuse("x1", "INVALID_PRICE")
    assert rebuilt(desk).think() == []


def test_rebuilt_bracket_remembers_lost_stops_and_asked_cancels() -> None:
    """The first loss counts over a restart; our own cancel, ended after it, does not."""
    desk = covered_desk()
    desk.end("x1")
    desk.accept("x2")
    desk.sees(touched("2"))
    again = rebuilt(desk)
    again.market = QUIET
    assert again.end("x2") == [PlaceStop(qty(2))]
    assert again.bracket.vanished == 1


def test_rebuilt_bracket_remembers_that_it_closes() -> None:
    """A close outlives the process, also when it moved no state."""
    desk = covered_desk()
    desk.trigger("x1")
    desk.bracket.close("by command")
    desk.think()
    assert desk.events[-1].move == ""
    again = rebuilt(desk)
    assert (again.bracket.closing, again.bracket.close_all) == ("by command", True)


@pytest.mark.parametrize("answered", [False, True])
def test_rebuilt_in_the_middle_of_a_swap_the_stop_comes_back(answered: bool) -> None:
    """The swap itself is not remembered: its target is awaited to its bound, then what is bare is covered."""
    desk = covered_desk()
    desk.sees(touched("2"))
    desk.end("x1")
    if answered:
        desk.answer("x2", Outcome.UNKNOWN)
    again = rebuilt(desk)
    again.market = QUIET
    assert again.think() == []
    assert again.after(2) == [PlaceStop(qty(2))]


def test_denied_signal_has_no_bracket() -> None:
    """Its facts hold a refusal only."""
    assert rebuild_bracket([("", Refused(BUY, "STALE", "too late"))], Policy()) is None


def test_rows_that_do_not_fit_are_refused() -> None:
    """A request of an order without intent, an event from another state: our own broken bookkeeping."""
    with pytest.raises(OrderInvariantError, match="before its intent"):
        rebuild_orders([("c-1", Requested(amend("1"), "ws", ""))])
    with pytest.raises(OrderInvariantError, match="starts in covered"):
        Desk().bracket.apply(BracketEvent("leave", "covered", "exiting", 1, Decimal(0), qty(0)))


def test_canceled_by_the_venue_after_our_amend_below_minimum_is_our_own_doing() -> None:
    """A triggered stop that the venue expires is no theft either."""
    desk = covered_desk()
    desk.trigger("x1")
    desk.tell("x1", ReportType.EXPIRED, "expired")
    assert desk.bracket.vanished == 0


def test_final_refusal_outlives_a_later_not_now() -> None:
    """Two equal closes are out: one is refused for good, the other only for now; neither is repeated unchanged."""
    desk = covered_desk()
    desk.trigger("x1")
    desk.fill("x1", "1.8")
    desk.end("x1")
    (first,) = [cl for cl, order in desk.orders.items() if order.role == "close"]
    step = desk.bracket._steps.last[first]
    desk.refuse(first, "INVALID_PRICE")
    desk.bracket._block(desk.orders[first].view(), _refusal("RATE_LIMIT"), desk.now)
    assert not [again for again in desk.after(10) if again.key() == step.key()]


def _refusal(code: str) -> OrderEvent:
    return OrderEvent("reject", "pending", "rejected", 0, code=code)


def test_entry_that_may_live_after_its_exits_have_traded_leads_not_back() -> None:
    """Rows were lost: the journal has left entering, and knows of no fill of the entry. It ends when the entry does."""
    desk = Desk()
    desk.bracket.apply(BracketEvent("leave", "entering", "exiting", desk.now, qty(0), qty(0)))
    desk.open(stop_order(BUY, BTC, "x1", qty(2)), "stop")
    desk.accept("x1")
    assert desk.bracket.state == "exiting"
    desk.end("x1")
    desk.end("entry")
    assert desk.bracket.state == "abandoned"


@pytest.mark.parametrize(("sold", "end"), [("0", "abandoned"), ("2", "flat")])
def test_exits_alone_after_rows_were_lost_come_to_an_end(sold: str, end: str) -> None:
    """The entry's fill is forgotten and its stop adopted: what it sold is bought back, and the bracket ends."""
    desk = Desk()
    desk.open(stop_order(BUY, BTC, "x1", qty(2)), "stop")
    desk.accept("x1")
    desk.end("entry")
    assert desk.bracket.state == "exiting"
    if sold == "0":
        desk.end("x1")
    else:
        desk.fill("x1", sold)
        desk.tell("x1", ReportType.FILLED, "filled")
        desk.fill("x2", sold)
    assert desk.bracket.state == end
