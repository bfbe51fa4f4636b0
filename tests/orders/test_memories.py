"""What a bracket remembers between thoughts: refused steps, bare quantity, swaps, lost stops. To the nanosecond."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.orders.bracket_events import Policy
from engine.orders.cover_watch import CoverWatch
from engine.orders.events import OrderEvent
from engine.orders.losses import ONE_LOSS_NS, Losses
from engine.orders.signal import Signal, StopLoss, TakeProfit, protecting
from engine.orders.step_memory import FUNDS_PAUSE_NS, UNSENT_PAUSE_NS, StepMemory
from engine.orders.steps import AmendStop, CancelEntry, CancelExit, PlaceClose, PlaceStop, PlaceTarget, Step
from engine.orders.swap_watch import SwapWatch
from tests.orders.conftest import px, qty
from tests.orders.desk import NS

STOP, CLOSE, TARGET = PlaceStop(qty(2)), PlaceClose(qty(2), "sell", "why"), PlaceTarget(qty(1))


def refusal(code: str) -> OrderEvent:
    return OrderEvent("reject", "pending", "rejected", 0, code=code)


def refused(step: Step, code: str, now_ns: int = 0, memory: StepMemory | None = None) -> StepMemory:
    memory = memory or StepMemory(Policy())
    memory.asked("x", step)
    memory.refused("x", refusal(code), now_ns)
    return memory


# --- refused steps ----------------------------------------------------------------------------------------------------


def test_final_refusal_blocks_for_good() -> None:
    """No moment ends it."""
    memory = refused(STOP, "INVALID_PRICE")
    memory.expire(10**18)
    assert (memory.blocked, memory.deferred, memory.moments()) == ({STOP.key()}, frozenset(), [])


def test_refusal_for_now_ends_with_its_pause() -> None:
    """At that moment, not before."""
    memory = refused(STOP, "RATE_LIMIT", 5)
    assert (memory.deferred, memory.moments()) == ({STOP.key()}, [5 + NS])
    memory.expire(5 + NS - 1)
    assert memory.blocked == {STOP.key()}
    memory.expire(5 + NS)
    assert memory.blocked == frozenset()


def test_final_refusal_is_not_softened_by_a_later_one() -> None:
    """Not now after never is never."""
    memory = refused(STOP, "RATE_LIMIT", 5, refused(STOP, "INVALID_PRICE"))
    assert memory.deferred == frozenset()


def test_close_without_funds_is_tried_again_late() -> None:
    """What holds the coins may let go of them; a stop without funds is not tried again."""
    assert refused(CLOSE, "INSUFFICIENT_FUNDS", 5).moments() == [5 + FUNDS_PAUSE_NS]
    assert refused(STOP, "INSUFFICIENT_FUNDS", 5).deferred == frozenset()
    assert refused(CLOSE, "INVALID_PRICE", 5).deferred == frozenset()


def test_freed_funds_unblock_what_lacked_them_and_nothing_else() -> None:
    """Once: refused again for another reason it stays."""
    memory = refused(TARGET, "INVALID_PRICE", 5, refused(STOP, "INSUFFICIENT_FUNDS"))
    memory.funds_freed()
    assert memory.blocked == {TARGET.key()}
    refused(STOP, "INVALID_PRICE", 6, memory)
    memory.funds_freed()
    assert memory.blocked == {TARGET.key(), STOP.key()}


def test_commands_are_unblocked_by_their_kind() -> None:
    """A moved stop helps stops alone."""
    memory = refused(TARGET, "INVALID_PRICE", 5, refused(STOP, "INVALID_PRICE"))
    memory.unblock("place_stop")
    assert memory.blocked == {TARGET.key()}
    memory.unblock("place_stop", "place_target")
    assert memory.blocked == frozenset()


@pytest.mark.parametrize("step", [CancelExit("x", "why"), CancelEntry("why")])
def test_refused_cancel_is_not_ours_any_more(step: Step) -> None:
    """Its order's end would be somebody else's."""
    memory = StepMemory(Policy())
    memory.asked("x", step)
    assert memory.asked_to_cancel == {"x"}
    memory.refused("x", refusal("INVALID_PRICE"), 0)
    assert memory.asked_to_cancel == set()
    memory.asked("x", STOP)
    assert memory.asked_to_cancel == set()


def test_refusal_of_what_nobody_asked_blocks_nothing() -> None:
    """An entry's refusal is not a step's."""
    memory = StepMemory(Policy())
    memory.refused("entry", refusal("INVALID_PRICE"), 0)
    assert memory.blocked == frozenset()


def test_step_that_never_left_is_tried_ever_later_up_to_the_pause() -> None:
    """Doubling while it goes on; a while without trouble begins anew."""
    memory, now, pauses = StepMemory(Policy()), 1_000 * NS, []
    for _ in range(7):
        refused(STOP, "NOT_SENT", now, memory)
        pauses.append(memory.moments()[0] - now)
        now = memory.moments()[0]
        memory.expire(now)
    assert pauses == [UNSENT_PAUSE_NS << n for n in range(5)] + [NS, NS]
    refused(STOP, "NOT_SENT", now + 2 * NS - 1 - NS, memory)
    assert memory.moments()[0] - (now + NS - 1) == NS
    refused(STOP, "NOT_SENT", now + NS - 1 + 2 * NS, memory)
    assert memory.moments()[0] - (now + 3 * NS - 1) == UNSENT_PAUSE_NS


@pytest.mark.parametrize(
    ("step", "pauses"),
    [(AmendStop("s1", qty(2)), [1, 2, 4, 8, 16, 16]), (CancelExit("s1", "why"), [1, 1, 1, 1, 1, 1])],
    ids=["change", "cancel"],
)
def test_change_of_a_stop_that_the_venue_does_not_know_is_tried_ever_later(step: Step, pauses: list[int]) -> None:
    """Storm 1200289: one every two seconds by REST took each call that the stream's token needed, for good."""
    memory, now, waited = StepMemory(Policy()), 1_000 * NS, []
    for _ in pauses:
        refused(step, "UNKNOWN_ORDER", now, memory)
        waited.append(memory.moments()[0] - now)
        now = memory.moments()[0]
        memory.expire(now)
    assert waited == [seconds * NS for seconds in pauses]
    refused(step, "UNKNOWN_ORDER", now + 32 * NS, memory)
    assert memory.moments()[0] - (now + 32 * NS) == NS


def test_steps_that_never_left_count_each_for_itself() -> None:
    """Another command has its own pauses."""
    memory = refused(STOP, "NOT_SENT", 1_000 * NS)
    refused(STOP, "NOT_SENT", 1_000 * NS, memory)
    refused(TARGET, "NOT_SENT", 1_000 * NS, memory)
    assert sorted(memory.moments()) == [1_000 * NS + UNSENT_PAUSE_NS, 1_000 * NS + 2 * UNSENT_PAUSE_NS]


# --- bare quantity ----------------------------------------------------------------------------------------------------


def test_bound_and_window_run_from_when_they_were_first_seen() -> None:
    """Seen again they go on; gone they begin anew."""
    watch = CoverWatch(Policy())
    assert (watch.gathered(0), watch.too_long(0), watch.moments()) == (False, False, [])
    watch.see(qty(2), qty(2), 10, bare=True, missing=True, surplus=False)
    watch.see(qty(2), qty(2), 20, bare=True, missing=True, surplus=False)
    assert watch.moments() == [10 + NS // 5, 10 + NS, 10 + 2 * NS]
    assert (watch.gathered(9 + NS // 5), watch.gathered(10 + NS // 5)) == (False, True)
    assert (watch.gathered(9 + NS, crowded=True), watch.gathered(10 + NS, crowded=True)) == (False, True)
    assert (watch.too_long(9 + 2 * NS), watch.too_long(10 + 2 * NS)) == (False, True)
    watch.see(qty(2), qty(2), 30, bare=True, missing=False, surplus=False)
    assert watch.moments() == [10 + 2 * NS]
    watch.begin_anew()
    assert (watch.moments(), watch.too_long(10**12)) == ([], False)
    watch.see(qty(0), qty(2), 40, bare=False, missing=True, surplus=False)
    assert watch.moments() == [40 + NS // 5, 40 + NS]
    watch.see(qty(0), qty(2), 50, bare=False, missing=False, surplus=True)
    watch.see(qty(0), qty(2), 60, bare=False, missing=False, surplus=True)
    assert watch.moments() == [50 + NS // 5, 50 + NS]
    assert (watch.trims(49 + NS // 5), watch.trims(50 + NS // 5)) == (False, True)
    assert (watch.trims(49 + NS, crowded=True), watch.trims(50 + NS, crowded=True)) == (False, True)
    watch.see(qty(0), qty(2), 70, bare=False, missing=False, surplus=False)
    assert (watch.moments(), watch.trims(10**12)) == ([], False)


def test_each_quantity_has_the_bound_for_itself() -> None:
    """Fills trickle in and stops follow: something is always bare, and nothing for long. What lost its cover begins."""
    watch = CoverWatch(Policy())
    for number in range(40):  # of what is held one unit is always without a stop
        watch.see(qty(1), qty(number + 1), number * NS // 10, bare=True, missing=True, surplus=False)
        assert not watch.too_long(number * NS // 10)
    watch.see(qty(3), qty(40), 4 * NS, bare=True, missing=False, surplus=False)
    assert not watch.too_long(5 * NS)
    watch.see(qty(1), qty(40), 5 * NS, bare=True, missing=False, surplus=False)
    assert watch.too_long(6 * NS)
    watch.see(qty(0), qty(40), 6 * NS, bare=False, missing=False, surplus=False)
    watch.see(qty(40), qty(40), 7 * NS, bare=True, missing=False, surplus=False)
    assert (watch.too_long(8 * NS), watch.too_long(9 * NS)) == (False, True)


def test_quantity_that_is_covered_to_the_last_unit_is_bare_no_more() -> None:
    """The stop covers just what came first; the bound is that of what came then."""
    watch = CoverWatch(Policy())
    watch.see(qty(1), qty(1), 10, bare=True, missing=False, surplus=False)
    watch.see(qty(1), qty(2), 20, bare=True, missing=False, surplus=False)
    assert watch.moments() == [20 + 2 * NS]


def test_gauge_counts_from_the_first_look() -> None:
    """Quantity times seconds, nine digits fine; time does not run backwards."""
    watch = CoverWatch(Policy())
    watch.see(qty(2), qty(2), 0, bare=True, missing=False, surplus=False)
    assert watch.gauge(5 * NS) == 0
    watch.run(5 * NS)
    assert (watch.gauge(6 * NS), watch.gauge(4 * NS)) == (2, 0)
    watch.run(6 * NS)
    watch.see(qty("0.5"), qty(2), 6 * NS, bare=True, missing=False, surplus=False)
    watch.run(7 * NS)
    assert watch.qty_s == Decimal("2.5")
    assert str(watch.gauge(7 * NS)) == "2.500000000"
    watch.restore(qty(1), Decimal(3), 8 * NS)
    assert (watch.qty, watch.gauge(10 * NS)) == (1, 5)


# --- swaps and losses -------------------------------------------------------------------------------------------------


def test_swaps_that_trade_nothing_pause_twice_as_long_each_time() -> None:
    """Up to eight times; one that traded waits for its book alone, and begins anew."""
    pauses = SwapWatch(Policy())
    assert pauses.ready_ns == 0
    waited = []
    for _ in range(6):
        pauses.after(100, traded=False)
        waited.append((pauses.ready_ns - 100) // NS)
    assert waited == [5, 10, 20, 40, 40, 40]
    pauses.after(100, traded=True)
    assert pauses.ready_ns == 100 + NS // 5
    pauses.after(100, traded=False)
    assert pauses.ready_ns == 100 + 5 * NS


def test_stops_lost_within_ten_seconds_are_one_loss() -> None:
    """Each counts the ten seconds anew; at ten it is the second."""
    losses = Losses()
    losses.lose("a", 0)
    losses.lose("b", ONE_LOSS_NS - 1)
    losses.lose("c", 2 * ONE_LOSS_NS - 2)
    assert (losses.times, losses.final) == (1, False)
    losses.lose("d", 3 * ONE_LOSS_NS - 2)
    assert (losses.times, losses.final) == (2, True)


def test_stop_that_was_put_back_is_lost_a_second_time_at_once() -> None:
    """Only one placed after the loss."""
    losses = Losses()
    losses.placed("a")
    losses.lose("a", 0)
    losses.lose("a", 1)
    assert losses.times == 1
    losses.placed("b")
    losses.lose("b", 2)
    assert losses.times == 2


# --- coins that are there already -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("worth", "kind"), [(None, "market"), (px(100), "limit")])
def test_signal_of_held_coins_buys_nothing(worth: object, kind: str) -> None:
    """Its quantity is held from the start, counted from what it is worth."""
    stop, target = StopLoss(px(90)), TakeProfit(px(110))
    signal = protecting("s", "mine", "BTC/USD", "buy", qty(2), stop, target, worth)  # type: ignore[arg-type]
    assert signal == Signal(
        "s", "BTC/USD", "buy", kind, qty(2), stop, "mine", worth, target, entered=False  # type: ignore[arg-type]
    )  # fmt: skip
