"""Stories of changes by command: an entry's price and quantity, a living bracket's exits."""

from __future__ import annotations

from engine.risk.limits import Limits
from engine.runtime.amending import Amended
from engine.runtime.settings import EngineSettings
from engine.sim import ScriptedFaults, SimSettings, fail_then_accept, lose_answer, refuse_with
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import Case, Story, d


async def resting(story: Story, **members: str) -> Case:
    """An entry that rests below the market."""
    case = await story.submit(**({"limit": "49900", "target": None} | members))
    await story.until(lambda: case.entry_is("open"))
    return case


async def amend(story: Story, case: Case, price: str, qty: str | None = None) -> Amended:
    """Ask for it."""
    return await story.engine.amend(case.entry().cl_ord_id, d(price), None if qty is None else d(qty))


async def test_entry_is_amended_in_place(open_story, autojump_clock):
    """Same order, new price and less quantity; what fills then is covered as ever."""
    async with open_story() as story:
        story.market()
        case = await resting(story)
        done = await amend(story, case, "49995", "0.01")
        assert (done.status, done.order.limit_price, done.order.order_qty) == ("amended", d("49995"), d("0.01"))
        (order,) = case.resting("entry")
        assert (order.limit_price, order.leaves_qty) == (d("49995"), d("0.01"))
        story.ask("49995", "0.01")
        await story.until(lambda: case.covered("0.01"))


async def test_entry_never_exceeds_its_signal(open_story, autojump_clock):
    """More than was approved is refused with the numbers, and nothing leaves."""
    async with open_story() as story:
        story.market()
        case = await resting(story)
        before = len(story.truth.requests)
        for price, qty, code in (
            ("49950", "0.021", "ENTRY_EXCEEDS_SIGNAL"),
            ("49950.05", None, "OFF_TICK"),
            ("49950", "0.000000001", "OFF_LOT"),
        ):
            done = await amend(story, case, price, qty)
            assert (done.status, done.code) == ("refused", code)
        assert len(story.truth.requests) == before


async def test_amended_entry_meets_the_checks_of_entries_again(open_story, autojump_clock):
    """Dearer than a limit allows: denied by that limit; halted: denied by the latch; the order stays as it was."""
    limits = Limits(collar_bps=d("100"))
    async with open_story(settings=EngineSettings(limits=limits)) as story:
        story.market()
        case = await resting(story)
        done = await amend(story, case, "52000")
        assert done.status == "refused"
        assert "COLLAR" in (done.code + done.reason), done
        assert case.entry_is("open")
        assert case.resting("entry")[0].limit_price == d("49900")


async def test_stop_above_the_new_entry_price_is_denied(open_story, autojump_clock):
    """An entry amended below its own stop would be sold at once."""
    async with open_story() as story:
        story.market()
        case = await resting(story)
        done = await amend(story, case, "48900")
        assert done.status == "refused"
        assert case.resting("entry")[0].limit_price == d("49900")


async def test_refused_amend_is_told_and_the_entry_stays(open_story, autojump_clock):
    """The venue says no: its word is passed on, and the entry is not canceled for it."""
    async with open_story() as story:
        story.market()
        case = await resting(story)
        story.world.exchange.faults = ScriptedFaults().at("amend_order", 1, refuse_with("EOrder:Invalid price"))
        done = await amend(story, case, "49950")
        assert done.status == "refused", done
        await story.wait(40)
        assert case.entry_is("open")


async def test_lost_answer_of_an_amend_is_looked_into(open_story, autojump_clock):
    """The frame tells or REST does: the entry stands at the new price, and no second amend was sent."""
    async with open_story() as story:
        story.market()
        case = await resting(story)
        story.world.exchange.faults = ScriptedFaults().at("amend_order", 1, lose_answer())
        done = await amend(story, case, "49950")
        assert done.status in ("amended", "unknown")
        await story.until(lambda: case.entry_is("open") and case.entry().limit_price == d("49950"))
        amends = [one for one in story.truth.requests if one[2] in ("amend_order", "AmendOrder")]
        assert len(amends) == 1


async def test_state_that_may_be_older_than_a_late_amend_does_not_decide_it(open_story, autojump_clock):
    """Done just before its deadline, and told by REST alone, which lags: it is not called undone, nor sent again."""
    async with open_story(sim=SimSettings(rest_lag_s=5)) as story:
        story.market()
        case = await resting(story)
        await story.wait(6)
        late = ScriptedFaults().at("amend_order", 1, fail_then_accept(4.5))
        story.world.exchange.faults = late.at_frame("executions", 1, "drop")
        done = await amend(story, case, "49950")
        assert done.status in ("amended", "unknown")
        await story.until(lambda: case.entry_is("open") and case.entry().limit_price == d("49950"), within_s=15)
        assert case.resting("entry")[0].limit_price == d("49950")
        amends = [one for one in story.truth.requests if one[2] in ("amend_order", "AmendOrder")]
        assert len(amends) == 1


async def test_entry_that_fills_meanwhile_is_told(open_story, autojump_clock):
    """Filled before the amend arrives: the answer says that it has ended, and what filled is covered."""
    async with open_story() as story:
        story.market()
        case = await resting(story, limit="49995")
        story.ask("49995", "0.02")
        done = await amend(story, case, "49996")
        assert (done.status, case.entry().cum_qty) == ("refused", d("0.02"))
        await story.until(lambda: case.covered("0.02"))


async def test_exits_move_in_place_and_survive_a_restart(open_story, autojump_clock):
    """The stop is amended where it rests, never bare; the next engine knows both prices."""
    async with open_story() as story:
        story.market()
        case = await story.bought()
        first = case.resting("stop")[0].order_id
        done = await story.engine.move_exits(case.signal_id, stop=d("49500"), target=d("50500"))
        assert (done.status, done.stop_price, done.target_price) == ("amended", d("49500"), d("50500"))
        (stop,) = case.resting("stop")
        assert (stop.order_id, stop.trigger_price) == (first, d("49500"))
        kill(story)
        await story.boot()
        await story.until(lambda: case.covered("0.02"))
        assert case.resting("stop")[0].trigger_price == d("49500")
        story.market("50500", "50510")
        await story.ended(case)
    assert case.outcome == "target"


async def test_exits_that_cannot_move_are_refused_with_the_reason(open_story, autojump_clock):
    """A stop beyond the market or beyond the target, a signal that has none: nothing changes."""
    async with open_story() as story:
        story.market()
        case = await story.bought()
        passed = await story.engine.move_exits(case.signal_id, stop=d("50500"))
        assert (passed.status, passed.code) == ("refused", "STOP_PASSED")
        crossed = await story.engine.move_exits(case.signal_id, target=d("48000"))
        assert (crossed.status, crossed.code) == ("refused", "CANNOT_MOVE")
        gone = await story.engine.move_exits("00000000-0000-4000-8000-00000000dead", stop=d("1"))
        assert (gone.status, gone.code) == ("refused", "NOT_ACTIVE")
        assert case.resting("stop")[0].trigger_price == d("49000")


async def test_exits_refused_by_the_venue_leave_the_stop(open_story, autojump_clock):
    """The amend of the stop is refused: it rests where it was, or anew where it was asked; never bare for long."""
    async with open_story() as story:
        story.market()
        case = await story.bought()
        story.world.exchange.faults = ScriptedFaults().at("amend_order", 1, refuse_with("EService:Busy"))
        await story.engine.move_exits(case.signal_id, stop=d("49500"))
        await story.until(lambda: [o.trigger_price for o in case.resting("stop")] == [d("49500")])
        await story.until(lambda: case.covered("0.02"))
    assert case.longest_bare_s() < 2
