"""Killed while an answer is out or an order is unknown: the next engine knows what may have been sent, and asks."""

from __future__ import annotations

import pytest

from engine.runtime.attempts import read_attempts
from engine.sim import ScriptedFaults, SimSettings
from engine.sim.faults import Action, http_error, lose_answer, lose_request
from engine.values.time import NS
from tests.scenarios.honesty import BROKEN_LAG_S, SETTLES_S, arrived, come, covered_or_flat, safe
from tests.scenarios.restart.lives import at_market, back, by_a_person, kill, open_cut_story, to_the_end
from tests.scenarios.story import Case, Story, d

TAKEN = pytest.mark.parametrize("taken", [True, False], ids=["taken", "not_taken"])


def fate(taken: bool) -> Action:
    """Carry the request out and never answer, or do neither."""
    return lose_answer() if taken else lose_request()


@TAKEN
async def test_entry_unanswered_at_the_kill_is_unknown_until_proved(open_story, autojump_clock, taken):
    """Its request row stands alone: found on the venue it goes on, else it is proved dead before another is sent."""
    async with open_story() as story:
        faults = ScriptedFaults().at("add_order", 1, fate(taken))
        for number in range(1, 4):
            faults.at_frame("executions", number, "drop")
        story.world.exchange.faults = faults
        story.market()
        case = await story.submit()
        await story.until(lambda: arrived(story, "new") == 1)
        await story.wait(0.2)
        kill(story)
        await story.wait(1)
        story.world.exchange.faults = ScriptedFaults()
        await back(story, case)
        (attempt,) = read_attempts(story.journal.rows()).attempts
        assert attempt.sent == ("sent" if taken else "maybe_sent")
        await come(story, lambda: case.resting("entry"), within_s=SETTLES_S + BROKEN_LAG_S)
        assert len(case.orders("entry")) == (1 if taken else 2)
        await to_the_end(story, case)
    assert case.outcome == "abandoned"


async def test_entry_decided_and_not_sent_is_certainly_not_sent(open_story, autojump_clock):
    """Killed before its request row: nothing is asked, the next attempt follows at once."""
    async with open_story() as story:
        story.market()
        case = await story.submit()
        await story.until(lambda: bool(case.orders("entry")))
        kill(story)
        await back(story, case)
        await story.until(lambda: case.resting("entry"), within_s=3)
        await to_the_end(story, case)
    assert arrived(story, "new") == len(case.sent("entry")) == 1


async def test_unknown_entry_blocks_its_symbol_after_the_restart_too(open_story, autojump_clock):
    """The doubt is journalled: the next engine denies entries on the symbol until it is resolved."""
    async with open_story() as story:
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, lose_request())
        story.market()
        case = await story.submit()
        await story.wait(8)
        assert case.entry_is("unknown")
        kill(story)
        await back(story, case)
        other = await story.submit(limit="49980")
        assert other.submitted.code == "SYMBOL_IN_DOUBT"
        await to_the_end(story, case)
    assert case.outcome == "abandoned"


async def killed_amid_a_cancel(story: Story, fault: Action) -> Case:
    """An entry rests, its cancel has met this fault, and the engine dies before any answer."""
    story.world.exchange.faults = ScriptedFaults().at("cancel_order", 1, fault)
    story.market()
    case = await story.submit()
    await story.until(lambda: case.entry_is("open"))
    story.engine.cancel(case.signal_id, "changed my mind")
    await story.until(lambda: arrived(story, "cancel") == 1)
    kill(story)
    return case


@TAKEN
async def test_cancel_unanswered_at_the_kill_is_finished(open_story, autojump_clock, taken):
    """The entry was unwanted before the kill: it is gone after it, whether or not the cancel had arrived."""
    async with open_story() as story:
        case = await killed_amid_a_cancel(story, fate(taken))
        await back(story, case)
        await come(story, lambda: case.outcome, within_s=SETTLES_S + BROKEN_LAG_S + 5)
    assert (case.outcome, case.sent("entry")[0].status) == ("abandoned", "canceled")


async def test_cancel_lost_with_the_killed_engine_is_asked_again_as_soon_as_the_order_shows(open_story, autojump_clock):
    """Mixed 1401596: nobody could hear its answer any more, and its deadline and REST's lag were waited out first."""
    async with open_story() as story:
        case = await killed_amid_a_cancel(story, lose_request())
        await story.boot()
        await come(story, lambda: case.sent("entry")[0].status == "canceled", within_s=4)
        await come(story, lambda: case.outcome)


@TAKEN
async def test_amend_unanswered_at_the_kill_ends_covered(open_story, autojump_clock, taken):
    """The stop's new total may stand or not: in the end exactly what is held rests under stops."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: bool(case.resting("entry")))
        story.ask("50000", "0.01")
        await story.until(lambda: case.covered("0.01"))
        await story.wait(20)
        story.world.exchange.faults = ScriptedFaults().at("amend_order", 1, fate(taken))
        story.ask("50000", "0.01")
        await story.until(lambda: arrived(story, "amend") == 1)
        kill(story)
        await story.boot()
        await come(story, lambda: safe(story, case))  # what is in doubt beyond the cover bound is closed
        assert case.covered("0.02") or not taken
        await to_the_end(story, case)
    assert story.truth.balances()["BTC"] == d("2")


async def test_stop_taken_and_unanswered_at_the_kill_is_found(open_story, autojump_clock):
    """The stop rests, only its answer is missing: found at once, there is one."""
    async with open_story() as story:
        story.world.exchange.faults = ScriptedFaults().at("add_order", 2, lose_answer())
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: bool(case.resting("entry")))
        story.ask("50000", "0.02")
        await story.until(lambda: arrived(story, "new") == 2)
        kill(story)
        await back(story, case)
        await to_the_end(story, case)
    assert len(case.sent("stop")) == 1


@pytest.mark.parametrize("after_s", [0.0, 0.5, 20.0])
async def test_stop_lost_with_the_killed_engine_is_replaced_in_ten_seconds(open_story, autojump_clock, after_s):
    """Request and sender gone at once: alarm, and safe again as soon as the new snapshot shows that it never was."""
    async with open_story() as story:
        await stop_lost_at_the_kill(story)
        (case,) = story.cases
        await story.wait(after_s)
        await story.boot()
        await come(story, lambda: covered_or_flat(story, case), within_s=10)
        if not case.outcome:
            await to_the_end(story, case)
    assert story.truth.balances()["BTC"] == d("2")


async def test_stop_lost_before_more_fills_than_a_snapshot_shows_is_looked_for_in_the_history(
    open_story, autojump_clock
):
    """Fifty fills since the send could hide the stop's own; a list that reaches from them to before the send rules."""
    async with open_story() as story:
        case = await stop_lost_behind_fifty_fills(story)
        await story.boot()
        await come(story, lambda: covered_or_flat(story, case), within_s=10)
        if not case.outcome:
            await to_the_end(story, case)


async def test_stop_lost_behind_a_history_that_cannot_be_read_waits_for_rest(open_story, autojump_clock):
    """Neither snapshot nor history reaches back to the send: its death waits for the long lag."""
    async with open_story() as story:
        case = await stop_lost_behind_fifty_fills(story)
        faults = ScriptedFaults()
        for number in range(1, 60):
            faults.at("TradesHistory", number, http_error(502))
        story.world.exchange.faults = faults
        await story.boot()
        await come(story, lambda: "NAKED" in case.alarms(), within_s=4 + 5)
        await story.wait(BROKEN_LAG_S - 15)
        assert [order.state for order in case.stops()] == ["unknown"]
        await come(story, lambda: covered_or_flat(story, case), within_s=30)
        story.world.exchange.faults = ScriptedFaults()
        await come(story, lambda: case.outcome)


async def stop_lost_behind_fifty_fills(story: Story) -> Case:
    """Lose the stop with its engine, and let a person trade more than a snapshot shows before the next engine."""
    await stop_lost_at_the_kill(story)
    (case,) = story.cases
    story.ask("52000", "1")
    for _ in range(50):
        at_market(story, "buy", "0.001")
    return case


async def stop_lost_at_the_kill(story: Story) -> None:
    """Buy 0.02 and lose the stop's request together with the engine that sent it."""
    story.world.exchange.faults = ScriptedFaults().at("add_order", 2, lose_request())
    story.market()
    case = await story.submit(qty="0.02")
    await story.until(lambda: bool(case.resting("entry")))
    story.ask("50000", "0.02")
    await story.until(lambda: arrived(story, "new") == 2)
    kill(story)
    story.world.exchange.faults = ScriptedFaults()  # what the kill itself has lost takes no other request along


async def test_stop_filled_at_once_between_two_lives_is_not_dead(open_story, autojump_clock):
    """Taken, fired and filled while no engine lived, and REST is blind for a minute: the snapshot's fill tells."""
    async with open_story(sim=SimSettings(rest_lag_s=50)) as story:
        story.world.exchange.faults = ScriptedFaults().at("add_order", 2, lose_answer())
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: bool(case.resting("entry")))
        story.ask("50000", "0.02")
        await story.until(lambda: bool(case.resting("stop")))
        kill(story)
        story.market("48000", "48010")
        at_market(story, "sell", "0.001")
        await story.boot()
        await come(story, lambda: case.outcome, within_s=20)
    assert (case.outcome, len(case.sent("stop")), len(case.closes())) == ("stop", 1, 0)


@TAKEN
async def test_target_unanswered_at_the_kill_sells_once(open_story, autojump_clock, taken):
    """The target may have traded: the rest is protected, and everything is sold once."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, fate(taken))
        story.market("51000", "51010")
        await story.until(lambda: arrived(story, "new") == 3)
        kill(story)
        await story.wait(1)
        await back(story, case)
        await to_the_end(story, case)
    assert story.truth.balances()["BTC"] == d("2")


async def test_target_of_before_has_no_longer_because_our_clock_was_stepped_back(seed, autojump_clock):
    """Squall 1340256: its bound ran from a send in the future, and what had been freed for it stood bare until then."""
    async with open_cut_story(seed, clock_skew_bound_s=7200) as story:
        story.market()
        case = await story.bought("0.02")
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, lose_request())
        story.market("51000", "51010")
        await story.until(lambda: arrived(story, "new") == 3)
        kill(story)
        story.world.clock.skew_ns -= 3600 * NS
        story.market()
        await story.boot()
        await story.until(lambda: bool(case.resting("stop")), within_s=3)


async def test_entry_whose_time_ran_out_while_the_engine_was_off_is_canceled(open_story, autojump_clock):
    """The time-out counts from the send, not from the restart."""
    async with open_story() as story:
        story.market()
        case = await story.submit(entry_timeout_s=30)
        await story.until(lambda: case.entry_is("open"))
        kill(story)
        await story.wait(40)
        await back(story, case)
        await story.ended(case, within_s=2)
    assert case.sent("entry")[0].status == "canceled"


@pytest.mark.parametrize("after_s", [0.05, 0.1, 0.15, 0.2, 0.3, 1.0])
async def test_killed_again_during_recovery(open_story, autojump_clock, after_s):
    """The second life dies while it asks, the third life ends the work of both."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        story.ask("50000", "0.01")
        await story.until(lambda: case.entry_is("partial"))
        kill(story)
        story.ask("50000", "0.004")
        story.world._nursery.start_soon(story.world.boot)
        await story.wait(after_s)
        kill(story, power_loss=True)
        story.ask("50000", "0.002")
        await back(story, case)
        assert sum(order.leaves_qty for order in case.resting("stop")) == d("0.016")
        await to_the_end(story, case)
    assert story.truth.balances()["BTC"] == d("2")


async def test_rest_is_down_at_the_restart(open_story, autojump_clock):
    """REST does not answer for orders: the stream's snapshot must do, and protection is back in time."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        kill(story)
        story.ask("50000", "0.01")
        faults = ScriptedFaults()
        for number in range(1, 60):
            for endpoint in ("OpenOrders", "QueryOrders", "TradesHistory", "ClosedOrders"):
                faults.at(endpoint, number, http_error(502))
        story.world.exchange.faults = faults
        await back(story, case)
        story.world.exchange.faults = ScriptedFaults()
        await to_the_end(story, case)
    assert story.truth.balances()["BTC"] == d("2")


async def test_persons_trade_before_the_send_is_not_its_trace_after_a_restart_either(open_story, autojump_clock):
    """The request row tells when it was let go: a very same order of a person, 20 s before, is no trace of it."""
    async with open_story() as story:
        story.market()
        by_a_person(story, "buy", "50000", "0.02")
        story.ask("50000", "0.02")
        await story.wait(20)
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, lose_request())
        case = await story.submit()
        await story.until(lambda: arrived(story, "new") == 1)
        await story.wait(0.2)
        kill(story)
        story.world.exchange.faults = ScriptedFaults()
        await back(story, case)
        await come(story, lambda: case.resting("entry"), within_s=SETTLES_S + BROKEN_LAG_S)
        assert len(case.orders("entry")) == 2
        await to_the_end(story, case)


async def test_cancel_that_waits_for_an_answer_outlives_the_machine(open_story, autojump_clock):
    """A person's cancel of an entry whose answer is still out: what was promised is carried out by the next engine."""
    async with open_story() as story:
        story.world.exchange.faults = (
            ScriptedFaults().at("add_order", 1, lose_answer()).at_frame("executions", 1, "drop")
        )
        story.market()
        case = await story.submit()
        await story.until(lambda: arrived(story, "new") == 1)
        assert story.engine.cancel(case.signal_id, "changed my mind", urgent=True)
        await story.engine.noted()
        kill(story, power_loss=True)
        story.world.exchange.faults = ScriptedFaults()
        await back(story, case)
        await come(story, lambda: case.outcome, within_s=SETTLES_S)
    assert (case.outcome, case.sent("entry")[0].status) == ("abandoned", "canceled")
