"""Stories of the stop: it rests on the venue, it wins over our own entry, and it is never placed in vain."""

from __future__ import annotations

from tests.scenarios.story import Case, Story, d


async def test_stop_path_ends_flat_with_the_loss(open_story, autojump_clock):
    """The resting stop fires and sells everything without the engine's help."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.market("48990", "49010")
        story.print("48990")
        await story.ended(case)
    assert case.outcome == "stop"
    assert case.walk() == ["covering", "covered", "exiting", "flat"]
    (stop,) = case.sent("stop")
    assert (stop.status, stop.triggered, stop.avg_price) == ("filled", True, d("48990"))
    assert (case.targets(), case.closes()) == ([], [])
    assert story.truth.balances()["BTC"] == d("2")
    assert len(story.of(case, "triggered", "stop")) <= 1


async def test_stop_sweeping_several_bids_is_counted_in_full(open_story, autojump_clock):
    """A stop that takes three bids gives three fills and one flat bracket."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.market("48990", "49010", qty="0.007")
        story.print("48990")
        await story.ended(case)
    assert case.outcome == "stop"
    assert [r.last_qty for r in story.of(case, "trade", "stop")] == [d("0.007"), d("0.007"), d("0.006")]


async def test_stop_limit_path_ends_flat(open_story, autojump_clock):
    """A stop-loss-limit fires and sells at its limit or better."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02", stop_limit="48900")
        story.market("48950", "48960")
        story.print("48950")
        await story.ended(case)
    (stop,) = case.sent("stop")
    assert (stop.order_type, stop.status, stop.avg_price) == ("stop-loss-limit", "filled", d("48950"))
    assert case.outcome == "stop"


async def test_stop_limit_jumped_over_waits_and_sells_when_the_price_returns(open_story, autojump_clock):
    """Below its limit a fired stop-loss-limit rests: told to, the engine waits beside it and does not sell twice."""
    async with open_story() as story:
        story.market()
        patient = {"trigger_price": "49000", "limit_price": "48900", "watchdog_s": 60}
        case = await story.bought("0.02", stop_loss=patient)
        story.market("48500", "48950")
        story.print("48500")
        await story.until(lambda: case.phase == "exiting")
        await story.wait(30)
        assert [stop.triggered for stop in case.resting("stop")] == [True]
        story.bid("48900", "0.5")
        await story.ended(case)
    assert case.outcome == "stop"
    assert case.closes() == []


async def test_stop_fires_into_our_own_resting_entry_and_wins(open_story, autojump_clock):
    """The fired stop meets our own entry: the venue cancels the entry, the stop sells to the next bid."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.resting("entry"))
        story.ask("50000", "0.01")
        await story.until(lambda: case.covered("0.01"))
        story.print("48990")  # the book has not moved: our entry is the best bid
        await story.ended(case)
    (entry,), (stop,) = case.sent("entry"), case.sent("stop")
    assert (entry.status, entry.reason, entry.cum_qty) == ("canceled", "Self trade prevention", d("0.01"))
    assert (stop.status, stop.avg_price) == ("filled", d("49990"))
    assert case.outcome == "stop"


async def test_fired_stop_ends_the_entry(open_story, autojump_clock):
    """A stop that fires elsewhere in the book takes the rest of its own entry back."""
    async with open_story() as story:
        story.market(bid="50005")
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.resting("entry"))
        story.house.clear("BTC/USD")
        story.ask("50000", "0.01")
        story.market(bid="50005")
        await story.until(lambda: case.covered("0.01"))
        story.print("48990")
        await story.ended(case)
    assert case.sent("entry")[0].status == "canceled"
    assert case.sent("stop")[0].avg_price == d("50005")
    assert case.outcome == "stop"


async def test_stop_in_an_empty_market_is_closed_when_buyers_return(open_story, autojump_clock):
    """A fired stop that found no buyer is not placed again: the engine sells at market once there is one."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.house.clear("BTC/USD")
        story.print("48990")
        await story.until(lambda: case.sent("stop")[0].status == "canceled")
        await story.wait(10)
        assert case.phase in ("exiting", "naked")
        story.market("48000", "48010")
        await story.ended(case)
    assert len(case.sent("stop")) == 1
    assert case.outcome == "stop"
    assert case.sent("close")[-1].cum_qty == d("0.02")


async def test_trigger_passed_when_cover_is_due_closes_at_market(open_story, autojump_clock):
    """The market has fallen through the stop when the fill is told: it is sold, no stop is placed in vain."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        story.connection("executions").stall(1)
        story.ask("50000", "0.02")
        story.market("48500", "48510")
        await story.ended(case)
    assert case.sent("stop") == []
    assert [c.cum_qty for c in case.sent("close")] == [d("0.02")]
    assert case.outcome == "stop"
    assert case.longest_bare_s() < 1.2


async def test_stop_refused_because_its_trigger_is_passed_closes_at_market(open_story, autojump_clock):
    """Only the last price is through the stop: the venue will not have it, so the engine sells at market."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.resting("entry"))
        story.ask("50000", "0.02")
        story.print("48990")
        await story.ended(case)
    assert [s.reason for s in case.sent("stop")] == ["Order would trigger immediately"]
    assert [c.cum_qty for c in case.sent("close")] == [d("0.02")]
    assert case.outcome == "stop"


async def test_person_cancels_the_stop_once_and_it_is_put_back(open_story, autojump_clock):
    """A stop that vanishes once is taken for an accident."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.house.cancel_client(case.resting("stop")[0].order_id)
        await story.until(lambda: case.covered("0.02"), within_s=1)
        await story.wait(60)
        assert case.covered("0.02")
    assert [s.status for s in case.sent("stop")] == ["canceled", "new"]


async def test_person_cancels_the_stop_twice_and_has_taken_over(open_story, autojump_clock):
    """The second time a person means it: alarm, no tug-of-war, the position is theirs."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        for _ in range(2):
            story.house.cancel_client(case.resting("stop")[0].order_id)
            await story.until(lambda: case.outcome or case.covered("0.02"), within_s=1)
        await story.ended(case)
        await story.wait(60)
    assert case.outcome == "taken_over"
    assert "TAKEN_OVER" in case.alarms()
    assert len(case.sent("stop")) == 2
    assert case.closed.net_qty == d("0.02")
    assert story.truth.balances()["BTC"] == d("2.02")


async def test_all_stops_canceled_at_once_are_one_loss(open_story, autojump_clock):
    """A person cancels everything once: three stops are gone, and the position is covered again."""
    async with open_story() as story:
        case = await _covered_by_three_stops(story)
        for stop in case.resting("stop"):
            story.house.cancel_client(stop.order_id)
        await story.until(lambda: case.covered("0.03"), within_s=2)
        await story.wait(60)
        assert case.covered("0.03")
        story.house.cancel_client(case.resting("stop")[0].order_id)
        await story.ended(case)
    assert case.outcome == "taken_over"


async def test_stops_that_fired_into_an_empty_market_unheard_are_not_taken_over(open_story, autojump_clock):
    """Three stops fire and find nobody while our stream is away: what is left is closed, nobody has taken over."""
    async with open_story() as story:
        case = await _covered_by_three_stops(story)
        story.world.wire.refuse(3)
        story.connection("executions").reset()
        story.house.clear("BTC/USD")
        story.bid("48990", "0.005")
        story.print("48990")
        await story.wait(5)
        story.market("48500", "48510")
        await story.ended(case)
    assert case.outcome == "stop"
    assert case.closed.net_qty == 0


async def _covered_by_three_stops(story: Story) -> Case:
    story.market()
    case = await story.submit(qty="0.03")
    await story.until(lambda: case.resting("entry"))
    for held in ("0.01", "0.02", "0.03"):
        story.ask("50000", "0.01")
        await story.until(lambda held=held: case.covered(held))
        await story.wait(1)
    assert len(case.resting("stop")) == 3
    return case
