"""What a bracket remembers of its orders: doubt, losses, refusals, which target is next, children to be seen."""

from __future__ import annotations

import msgspec
import pytest

from engine.orders.events import OrderEvent
from engine.orders.reports import Outcome, ReportType
from engine.orders.specs import stop_order
from engine.orders.steps import SHRUNK, AmendStop, CancelExit, PlaceClose, PlaceStop, PlaceTarget
from tests.orders.conftest import px, qty
from tests.orders.desk import BTC, BUY, NS, Desk, covered_desk, touched
from tests.orders.test_bracket_rows import ALERT, HALVES, bare_desk


def test_commanded_stop_is_in_doubt_before_its_order_looks() -> None:
    """The least and the most it may be until the answer; a cancel leaves nothing sure."""
    desk = covered_desk()
    desk.bracket.commanded("x1", AmendStop("x1", qty("1.5")))
    view = desk.bracket.orders["x1"]
    assert (view.busy, view.least, view.most) == (True, qty("1.5"), 2)
    desk.bracket.commanded("x1", AmendStop("x1", qty(3)))
    assert (desk.bracket.orders["x1"].least, desk.bracket.orders["x1"].most) == (qty("1.5"), 3)
    desk.bracket.commanded("x1", CancelExit("x1", ""))
    assert (desk.bracket.orders["x1"].least, desk.bracket.orders["x1"].busy) == (0, True)


def test_amend_of_a_stop_that_has_traded_counts_what_is_left() -> None:
    """The total is with its fills."""
    desk = covered_desk()
    desk.fill("x1", "0.5")
    desk.bracket.commanded("x1", AmendStop("x1", qty("1.2")))
    assert (desk.bracket.orders["x1"].least, desk.bracket.orders["x1"].most) == (qty("0.7"), qty("1.5"))


def test_answer_of_another_kind_leaves_doubt_as_it_is() -> None:
    """A new stop that was not answered is not widened by any command."""
    desk = Desk()
    desk.accept("entry")
    desk.fill("entry", "2")
    view = desk.orders["x1"].view()
    desk.bracket.learn(msgspec.structs.replace(view, least=qty(1)), [], desk.now)
    assert desk.bracket.orders["x1"].least == 1


def test_stop_that_expires_unasked_is_lost() -> None:
    """The venue's end of it is no less than a person's."""
    desk = covered_desk()
    assert desk.tell("x1", ReportType.EXPIRED, "expired") == [PlaceStop(qty(2))]
    assert desk.bracket.vanished == 1


def two_stops() -> Desk:
    """Stops x1 and x2 rest for 1 each; the entry still works."""
    desk = Desk(msgspec.structs.replace(BUY, order_qty=qty(4)))
    desk.accept("entry")
    for stop in ("x1", "x2"):
        desk.fill("entry", "1")
        desk.after(0.2)
        desk.accept(stop)
    desk.now += 60 * NS
    return desk


def test_stops_that_go_together_are_one_loss() -> None:
    """What else is told of the second in between does not make it one that was put back."""
    desk = two_stops()
    desk.end("x1")
    order = desk.orders["x2"]
    desk.bracket.learn(order.view(), [OrderEvent("", "open", "open", desk.now, why="told")], desk.now)
    desk.end("x2")
    assert desk.bracket.vanished == 1


def test_stop_that_was_amended_after_a_loss_was_put_back() -> None:
    """Taken again: that is the second time."""
    desk = two_stops()
    desk.end("x1")
    amended = OrderEvent("amended", "pending_amend", "open", desk.now, order_qty=qty(2))
    desk.bracket.learn(desk.orders["x2"].view(), [amended], desk.now)
    desk.end("x2")
    assert (desk.bracket.vanished, desk.bracket.taken) == (2, True)


@pytest.mark.parametrize("move", ["reject", "deny", "not_sent"])
def test_whoever_refuses_the_stop_it_is_not_repeated_unchanged(move: str) -> None:
    """The venue, we ourselves, or the way there."""
    desk = Desk(policy=ALERT)
    desk.accept("entry")
    desk.fill("entry", "2")
    dead = msgspec.structs.replace(desk.orders["x1"].view(), state="rejected", most=qty(0), busy=False)
    desk.bracket.learn(dead, [OrderEvent(move, "pending", "rejected", desk.now, code="INVALID_PRICE")], desk.now)
    assert ("place_stop", "2") in desk.bracket._steps.blocked
    assert desk.after(10) == []


def test_noted_refusal_of_a_change_blocks_it_for_its_pause() -> None:
    """It fell before it was written: the order never left its state."""
    desk = covered_desk()
    desk.bracket.commanded("x1", AmendStop("x1", qty("1.5")))
    desk.bracket.learn(
        desk.orders["x1"].view(), [OrderEvent("", "open", "open", desk.now, code="RATE_LIMIT")], desk.now
    )
    assert desk.bracket._steps.blocked == {("amend", "x1", "1.5")}


def test_change_that_the_venue_made_itself_is_no_refusal() -> None:
    """Its code says who cut the order, and blocks nothing."""
    desk = covered_desk()
    desk.bracket.commanded("x1", AmendStop("x1", qty("1.5")))
    cut = OrderEvent("amended", "open", "open", desk.now, code=SHRUNK, order_qty=qty(1))
    desk.bracket.learn(desk.orders["x1"].view(), [cut], desk.now)
    assert desk.bracket._steps.blocked == frozenset()


@pytest.mark.parametrize("end", ["cancel", "expire"])
def test_close_into_an_empty_book_pauses_before_the_next(end: str) -> None:
    """Whatever the venue calls it."""
    desk = covered_desk()
    desk.trigger("x1")
    desk.end("x1")
    assert desk.orders["x2"].role == "close"
    kind, status = (ReportType.CANCELED, "canceled") if end == "cancel" else (ReportType.EXPIRED, "expired")
    assert desk.tell("x2", kind, status) == []  # type: ignore[arg-type]  # drawn from the literals
    assert desk.after(1) == [PlaceClose(qty(2), "sell", "stop ended with quantity left")]


def test_refused_stop_is_tried_again_once_it_has_moved() -> None:
    """With another trigger it is another command; a moved target is not."""
    desk = bare_desk()
    desk.bracket.move_exits(None, px(115))
    assert desk.think() == []
    desk.bracket.move_exits(px(92), None)
    assert desk.think() == [PlaceStop(qty(2))]


def test_refused_target_is_tried_again_once_it_has_moved() -> None:
    """A moved stop does not help it."""
    desk = covered_desk()
    desk.sees(touched("2"))
    desk.end("x1")
    desk.refuse("x2", "INVALID_PRICE")
    assert ("place_target", "2") in desk.bracket._steps.blocked
    desk.bracket.move_exits(px(92), None)
    assert ("place_target", "2") in desk.bracket._steps.blocked
    desk.bracket.move_exits(None, px(115))
    assert ("place_target", "2") not in desk.bracket._steps.blocked


def test_market_without_an_index_gets_stops_by_the_last_price() -> None:
    """Refused once for that, it is another command; refused again it is not repeated."""
    stop = msgspec.structs.replace(BUY.stop_loss, reference="index")  # type: ignore[type-var]  # BUY has one
    desk = Desk(msgspec.structs.replace(BUY, stop_loss=stop), ALERT)
    assert desk.bracket.terms.stop_loss == stop
    desk.accept("entry")
    desk.fill("entry", "2")
    assert desk.orders["x1"].spec.trigger_reference == "index"
    assert desk.refuse("x1", "INDEX_UNAVAILABLE") == [PlaceStop(qty(2))]
    assert desk.orders["x2"].spec.trigger_reference == "last"
    assert desk.refuse("x2", "INDEX_UNAVAILABLE") == []


# --- which target is next ---------------------------------------------------------------------------------------------


def test_nearest_target_is_watched_before_anything_has_filled() -> None:
    """Then the one whose share is still to take, and at last the last."""
    desk = Desk(HALVES)

    def watched() -> object:
        target = desk.bracket.watched.take_profit
        return target and target.price

    assert (watched(), desk.bracket.watched.more_targets) == (110, ())
    desk.accept("entry")
    desk.fill("entry", "2")
    desk.accept("x1")
    assert watched() == 110
    desk.fill("x1", "1")
    assert watched() == 120
    desk.fill("x1", "1")
    assert watched() == 120


def test_touch_sends_the_target_that_is_next() -> None:
    """For its own share."""
    desk = covered_desk(HALVES)
    desk.sees(touched("5"))
    desk.accept("x1")
    assert [step for step in desk.steps if isinstance(step, PlaceTarget)] == [PlaceTarget(qty(1), 0)]


# --- attempts to come, children to be seen ----------------------------------------------------------------------------


def test_bracket_waits_for_an_attempt_that_is_still_to_be_made() -> None:
    """Its first entry was proved dead; the next is on its way: it is not abandoned."""
    desk = Desk()
    desk.bracket.entry_pending = True
    desk.refuse("entry")
    assert desk.bracket.state == "entering"
    desk.bracket.entry_pending = False
    desk.think()
    assert desk.bracket.state == "abandoned"


def test_attempt_that_is_still_to_be_made_is_taken_back_too() -> None:
    """The first has ended, and nothing of the entry is left but the wish."""
    desk = Desk()
    desk.bracket.entry_pending = True
    desk.refuse("entry")
    desk.bracket.unwant_entry("a person")
    assert desk.bracket.unwanted == "a person"


def test_what_has_filled_is_unseen_until_the_venue_was_asked_for_its_stops() -> None:
    """A conditional close makes them; when the last fill was told is known beside it."""
    desk = Desk(msgspec.structs.replace(BUY, exits="conditional-close"))
    assert not desk.bracket.unseen
    desk.accept("entry")
    desk.fill("entry", "0.5")
    assert desk.bracket.unseen == qty("0.5")
    assert desk.bracket.fill_known == (qty("0.5"), desk.now)
    desk.bracket.prove_childless(qty("0.5"))
    assert not desk.bracket.unseen


def test_proof_counts_only_what_has_no_child() -> None:
    """Of 2 entered one half has its stop: the proof is of the other half."""
    desk = Desk(msgspec.structs.replace(BUY, exits="conditional-close"))
    desk.accept("entry")
    desk.fill("entry", "1")
    spec = msgspec.structs.replace(stop_order(BUY, BTC, "c1", qty(1)), stp_type="cancel_newest")
    desk.open(spec, "stop")
    desk.accept("c1")
    desk.fill("entry", "1")
    assert desk.bracket.unseen == 1
    desk.bracket.prove_childless(qty(2))
    assert (desk.bracket.unseen, desk.bracket._entry.childless) == (0, 1)


def test_unknown_target_in_time_excuses_what_it_leaves_bare() -> None:
    """Until its bound it may trade; then it is no excuse any more."""
    desk = covered_desk(policy=ALERT)
    desk.sees(touched("2"))
    desk.end("x1")
    desk.answer("x2", Outcome.UNKNOWN)
    assert desk.bracket._swaps.targets_in_time(desk.bracket.orders.values(), desk.now)
    assert not desk.bracket._swaps.targets_in_time(desk.bracket.orders.values(), desk.now + 2 * NS)
