"""Stories of the entry: how it fills, and how what filled is protected."""

from __future__ import annotations

from engine.sim import SimSettings
from tests.scenarios.story import d


async def test_market_entry_is_covered_at_once(open_story, autojump_clock):
    """A market entry fills at the ask and its stop rests a moment later."""
    async with open_story() as story:
        story.market(ask="50010")
        case = await story.submit(limit=None)
        await story.until(lambda: case.covered("0.02"))
    (entry,) = case.sent("entry")
    assert (entry.order_type, entry.status, entry.avg_price) == ("market", "filled", d("50010"))
    (stop,) = case.resting("stop")
    assert (stop.order_type, stop.side, stop.trigger_price, stop.stp) == (
        "stop-loss",
        "sell",
        d("49000"),
        "cancel_oldest",
    )
    assert case.longest_bare_s() < 0.1


async def test_limit_entry_in_three_parts_is_covered_each_time(open_story, autojump_clock):
    """Every part of an entry gets its protection before the next part comes."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.resting("entry"))
        for part, held in (("0.005", "0.005"), ("0.010", "0.015"), ("0.005", "0.020")):
            story.ask("50000", part)
            await story.until(lambda held=held: case.covered(held), within_s=1)
            await story.wait(1)
    (entry,) = case.sent("entry")
    assert (entry.status, len(entry.exec_ids)) == ("filled", 3)
    assert [r.last_qty for r in story.of(case, "trade")] == [d("0.005"), d("0.010"), d("0.005")]
    assert [r.cum_qty for r in story.of(case, "trade")] == [d("0.005"), d("0.015"), d("0.020")]
    assert case.longest_bare_s() < 0.2 + 0.1  # the cover window, and the way there


async def test_parts_in_quick_succession_are_covered_together(open_story, autojump_clock):
    """Fills within one cover window get one stop, not one each."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.resting("entry"))
        for _ in range(4):
            story.ask("50000", "0.004")
            await story.wait(0.02)
        await story.until(lambda: case.covered("0.016"), within_s=1)
    assert len(case.sent("stop")) == 1


async def test_timed_out_entry_with_nothing_filled_is_abandoned(open_story, autojump_clock):
    """An entry nobody met is canceled at its time-out, and the bracket ends without a position."""
    async with open_story() as story:
        story.market()
        case = await story.submit(entry_timeout_s=5)
        await story.ended(case)
    assert case.outcome == "abandoned"
    (entry,) = case.sent()
    assert (entry.status, entry.cum_qty) == ("canceled", 0)
    (asked,) = story.of(case, "pending_cancel")
    assert asked.ts_ns - case.entry().dispatched_ns == 5_000_000_000
    assert entry.closed_ns - asked.ts_ns < 100_000_000
    assert story.truth.balances()["USD"] == d("100000")
    assert "timed out" in case.closed.reason


async def test_timed_out_entry_half_filled_keeps_its_half_protected(open_story, autojump_clock):
    """The time-out takes back the open half and leaves the filled one under its stop."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02", entry_timeout_s=5)
        await story.until(lambda: case.resting("entry"))
        story.ask("50000", "0.01")
        await story.until(lambda: not case.resting("entry"))
        await story.until(lambda: case.entry_is("settled"))
        await story.wait(60)
        assert case.covered("0.01")
    assert (case.sent("entry")[0].status, case.entry().cum_qty) == ("canceled", d("0.01"))
    assert len(case.sent("stop")) == 1
    assert case.longest_bare_s() < 0.3


async def test_entry_below_the_minimum_after_a_part_is_covered_once_it_can_be(open_story, autojump_clock):
    """A first fill too small for a stop is covered as soon as more has come."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.001")
        await story.until(lambda: case.resting("entry"))
        story.bid("50000.1", "0.00005")
        story.ask("50000", "0.00008")  # the better bid takes most of it
        await story.wait(5)
        assert case.entry().cum_qty == d("0.00003")
        assert case.resting("stop") == []
        story.ask("50000", "0.0005")
        await story.until(lambda: case.covered("0.00053"), within_s=1)


async def test_refused_entry_is_abandoned_with_the_venues_reason(open_story, autojump_clock):
    """An entry the account cannot pay for ends the bracket, and the reason is the venue's."""
    poor = SimSettings(accounts={"client": {"USD": d("10")}})
    async with open_story(sim=poor) as story:
        story.market()
        case = await story.submit()
        await story.ended(case)
    assert case.outcome == "abandoned"
    assert "Insufficient funds" in case.closed.reason
    assert case.sent() == []
    assert case.entry().states() == ("new", "pending", "rejected", "settled")


async def test_entry_canceled_by_the_venue_after_acceptance_is_abandoned(open_story, autojump_clock):
    """An immediate-or-cancel entry that meets nobody is accepted and canceled: no position, the venue's reason."""
    async with open_story() as story:
        story.market()
        case = await story.submit(time_in_force="ioc")
        await story.ended(case)
    assert case.outcome == "abandoned"
    assert "not filled" in case.closed.reason
    assert case.sent("entry")[0].status == "canceled"


async def test_cancel_by_the_user_keeps_the_filled_part_protected(open_story, autojump_clock):
    """``engine.cancel`` takes back the open rest and nothing else."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.resting("entry"))
        story.ask("50000", "0.008")
        await story.until(lambda: case.covered("0.008"))
        assert story.engine.cancel(case.signal_id)
        await story.until(lambda: case.entry_is("settled"))
        await story.wait(10)
        assert case.covered("0.008")
        assert not story.engine.cancel("00000000-0000-4000-8000-00000000ffff")
    assert case.sent("entry")[0].status == "canceled"


async def test_cancel_of_an_untouched_entry_abandons_the_bracket(open_story, autojump_clock):
    """Canceled before any fill, the bracket ends with nothing, and says who asked."""
    async with open_story() as story:
        story.market()
        case = await story.submit()
        await story.until(lambda: case.resting("entry"))
        story.engine.cancel(case.signal_id, "changed my mind")
        await story.ended(case, within_s=1)
        assert not story.engine.cancel(case.signal_id)
    assert case.outcome == "abandoned"
    assert "changed my mind" in case.closed.reason


async def test_cancel_crossing_a_fill_keeps_the_fill(open_story, autojump_clock):
    """The entry fills while its cancel is on the way: the venue knows no such order, everything is protected."""
    async with open_story(latency_s=0.1) as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        story.engine.cancel(case.signal_id)
        await story.until(lambda: case.entry_is("pending_cancel"))
        story.ask("50000", "0.02")
        await story.until(lambda: case.covered("0.02"))
    assert case.entry().states() == ("new", "pending", "open", "pending_cancel", "filled", "settled")
    assert case.sent("entry")[0].status == "filled"


async def test_cancel_crossing_a_part_keeps_the_part(open_story, autojump_clock):
    """The entry fills in part while its cancel is on the way: the rest goes, the part is protected."""
    async with open_story(latency_s=0.1) as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        story.engine.cancel(case.signal_id)
        await story.until(lambda: case.entry_is("pending_cancel"))
        story.ask("50000", "0.007")
        await story.until(lambda: case.covered("0.007"))
    assert case.sent("entry")[0].status == "canceled"
    assert case.entry().cum_qty == d("0.007")


async def test_cancel_before_the_entry_is_answered_is_remembered(open_story, autojump_clock):
    """A cancel wanted while the entry is unanswered goes out with the answer, not before."""
    async with open_story(latency_s=0.1) as story:
        story.market()
        case = await story.submit()
        await story.until(lambda: case.entry_is("pending"))
        story.engine.cancel(case.signal_id)
        await story.ended(case)
    assert case.outcome == "abandoned"
    assert [method for _, _, method, _ in story.truth.requests] == ["add_order", "cancel_order"]
