"""Stories of fills that are told after the end of their order: they count, and are undone or protected."""

from __future__ import annotations

from typing import Any

from engine.sim import ScriptedFaults, SimSettings, lose_request
from tests.scenarios.honesty import arrived
from tests.scenarios.restart.lives import back, kill
from tests.scenarios.story import Case, Story, d


async def half_entered(story: Story) -> Case:
    """Half of an entry has filled and is covered; the other half was taken back when its time was over."""
    story.market()
    case = await story.submit(qty="0.02", entry_timeout_s=5)
    await story.until(lambda: case.resting("entry"))
    story.ask("50000", "0.01")
    await story.until(lambda: case.entry_is("settled") and case.covered("0.01"))
    return case


async def test_late_fill_reopens_an_abandoned_bracket_and_is_covered(open_story, autojump_clock):
    """A fill told after cancel and settlement is booked on the canceled entry and gets its stop."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02", entry_timeout_s=5)
        await story.ended(case)
        assert case.outcome == "abandoned"
        await story.wait(3)
        story.fill_late(case.sent("entry")[0], "0.01", "50000")
        await story.until(lambda: case.covered("0.01"), within_s=2)
        story.market("48990", "49010")
        story.print("48990")
        await story.until(lambda: case.outcome == "stop")
    assert case.entry().states()[-2:] == ("canceled", "settled")
    assert case.entry().cum_qty == d("0.01")
    (late,) = story.of(case, "trade", "entry")
    assert (late.ord_status, late.reason) == ("canceled", "late fill")
    assert case.longest_bare_s() < 0.3


async def test_late_fill_whose_stop_is_lost_with_the_engine_is_not_left_bare_by_the_next(open_story, autojump_clock):
    """The bracket was over, and the fill has reopened it: after the kill it is known to live, and soon safe again."""
    async with open_story() as story:
        story.world.exchange.faults = ScriptedFaults().at("add_order", 2, lose_request())
        story.market()
        case = await story.submit(qty="0.02", entry_timeout_s=5)
        await story.ended(case)
        await story.wait(3)
        story.fill_late(case.sent("entry")[0], "0.01", "50000")
        await story.until(lambda: arrived(story, "new") == 2)
        kill(story)
        await back(story, case)
        await story.until(lambda: case.outcome == "flattened")
    assert case.walk()[:2] == ["abandoned", "covering"]
    assert story.truth.balances()["BTC"] == d("2")


async def test_late_fill_of_a_live_bracket_is_added_to_its_cover(open_story, autojump_clock):
    """A fill told after the entry's time-out widens the protection of what had filled before."""
    async with open_story() as story:
        case = await half_entered(story)
        await story.wait(20)
        story.fill_late(case.sent("entry")[0], "0.005", "50000")
        await story.until(lambda: case.covered("0.015"), within_s=2)
    assert case.entry().cum_qty == d("0.015")


async def test_late_fill_of_a_swapped_out_stop_is_traded_back(open_story, autojump_clock):
    """Stop and target both sold: the excess is detected and bought back, and the bracket ends flat."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.market("51000", "51010")
        await story.until(lambda: case.outcome == "target")
        await story.wait(1)
        story.fill_late(case.sent("stop")[0], "0.02", "49000")
        await story.until(lambda: bool(case.closes()) and case.phase == "flat", within_s=5)
        await story.wait(1)
    (close,) = case.sent("close")
    assert (close.side, close.cum_qty) == ("buy", d("0.02"))
    assert story.truth.balances()["BTC"] == d("2")
    assert case.closed.net_qty == 0


def hold_back(story: Story) -> None:
    """Look a late report up in the moment in which its bracket writes that it has ended, and no sooner."""
    services, brackets, held = story.engine.services, story.engine.brackets, []
    reopen = brackets.reopen

    def on_row(kind: str, *_: object) -> None:
        if kind == "closed" and held:
            brackets.reopen = reopen
            reopen(*held.pop())

    brackets.reopen = lambda *news: held.append(news)
    services.journal.taps.append(on_row)


async def test_late_fill_told_while_its_bracket_writes_its_end_is_not_lost(open_story, autojump_clock):
    """Squall 1200485: its bracket has looked at its inbox for the last time, and is not gone yet."""
    async with open_story() as story:
        case = await half_entered(story)
        hold_back(story)
        story.fill_late(case.sent("entry")[0], "0.005", "50000")
        await story.wait(1)
        story.market("48990", "49010")
        story.print("48990")
        await story.until(lambda: case.entry().cum_qty == d("0.015"), within_s=5)
        await story.until(lambda: case.phase == "flat", within_s=5)
    assert story.truth.balances()["BTC"] == d("2")


async def test_late_fill_told_to_a_full_inbox_is_not_lost(open_story, autojump_clock):
    """Everything that a bracket must hear comes in one turn, and more than it has room for."""
    async with open_story() as story:
        case = await half_entered(story)
        reopen, scope = story.engine.brackets.reopen, story.engine.brackets.active[case.signal_id]

        def drowned(*news: Any) -> None:
            for _ in range(2 * story.engine.services.settings.bracket_inbox):
                scope.end_entry("asked too often")
            reopen(*news)

        story.engine.brackets.reopen = drowned
        story.fill_late(case.sent("entry")[0], "0.005", "50000")
        await story.until(lambda: case.entry().cum_qty == d("0.015") and case.covered("0.015"), within_s=5)


async def test_bracket_that_writes_its_end_takes_no_order_in(open_story, autojump_clock):
    """It has looked into its inbox for the last time: what was forgotten is for the next one."""
    taken: list[object] = []
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        scope = story.engine.brackets.active[case.signal_id]
        (stop,) = [order.spec for order in scope.bracket.orders.values() if order.role == "stop"]

        def on_row(kind: str, *_: object) -> None:
            if kind == "closed":
                taken.append(scope.adoption.order(stop, "stop", 0))

        story.engine.services.journal.taps.append(on_row)
        story.market("51000", "51010")
        await story.until(lambda: case.phase == "flat", within_s=5)
    assert taken == [None]


async def told_by_the_balance_alone(story: Story) -> Case:
    """An entry that has ended, and then a fill of it whose frame is the last before a silence, and is lost."""
    story.market()
    case = await story.submit(qty="0.02", entry_timeout_s=5)
    await story.ended(case)
    await story.wait(20)
    story.world.exchange.faults = ScriptedFaults().at_frame("executions", 1, "drop")
    story.house.late_fill(case.sent("entry")[0].order_id, d("0.01"), d("50000"))
    return case


async def stopped_out(story: Story, case: Case) -> None:
    """The stop sells what came late, and in the end the balances say what the books say."""
    story.market("48990", "49010")
    story.print("48990")
    await story.until(lambda: case.outcome == "stop")
    await story.wait(30)
    assert story.engine.services.money.mismatch == {}


async def test_late_fill_whose_frame_is_lost_before_a_silence_is_covered(open_story, autojump_clock):
    """No later frame shows the gap and nobody asks for an order that has ended: the balance tells of it."""
    async with open_story() as story:
        case = await told_by_the_balance_alone(story)
        await story.until(lambda: case.covered("0.01"), within_s=10)
        await stopped_out(story, case)
    (late,) = story.of(case, "trade", "entry")
    assert (late.ord_status, late.reason) == ("canceled", "late fill")


async def test_late_fill_whose_frame_is_lost_is_found_by_rest_that_lags(open_story, autojump_clock):
    """REST does not know it when it is asked first: it is asked again, and the books agree in the end."""
    async with open_story(sim=SimSettings(rest_lag_s=20)) as story:
        case = await told_by_the_balance_alone(story)
        await story.until(lambda: case.covered("0.01"), within_s=35)
        await stopped_out(story, case)


async def test_late_fill_whose_frame_is_lost_with_the_engine_is_covered_by_the_next(open_story, autojump_clock):
    """Killed before it asks: the next engine's snapshot shows the fill."""
    async with open_story() as story:
        case = await told_by_the_balance_alone(story)
        await story.wait(1)
        kill(story)
        await back(story, case)
        await story.until(lambda: case.covered("0.01"), within_s=5)
        await stopped_out(story, case)
