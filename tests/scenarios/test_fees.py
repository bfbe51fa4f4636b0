"""Stories of fees taken in the base asset: what they took cannot be sold, what is too little to sell is dust."""

from __future__ import annotations

from engine.sim import ScriptedFaults, SimSettings
from tests.scenarios.story import d

NO_COINS = SimSettings(accounts={"client": {"USD": d("100000")}})
"""An account that holds nothing but what the story buys: selling more than that is refused."""


async def test_fees_in_base_shrink_what_is_protected_and_sold(open_story, autojump_clock):
    """The stop covers what is left after the fee, and the target sells exactly that."""
    async with open_story(sim=NO_COINS) as story:
        story.take_fees_in_base()
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.resting("entry"))
        story.ask("50000", "0.02")
        await story.until(lambda: case.covered("0.01995"))  # 0.25 % maker
        story.market("51000", "51010")
        await story.ended(case)
    assert case.outcome == "target"
    assert story.truth.balances()["BTC"] == 0
    assert case.closed.net_qty == 0


async def test_fees_in_base_with_parts_never_sell_more_than_is_held(open_story, autojump_clock):
    """Parts with odd fees are covered in whole lots below what is held."""
    async with open_story(sim=NO_COINS) as story:
        story.take_fees_in_base()
        story.market()
        case = await story.submit(qty="0.01")
        await story.until(lambda: case.resting("entry"))
        for part in ("0.00123457", "0.00333331", "0.00543212"):
            story.ask("50000", part)
            await story.wait(1)
            assert case.phase == "covered"
        story.market("48990", "49010")
        story.print("48990")
        await story.ended(case)
    assert case.outcome == "stop"
    assert [s.status for s in case.sent("stop")].count("filled") >= 1


async def test_dust_left_by_a_fee_in_base_is_reported(open_story, autojump_clock):
    """A fee finer than a lot leaves dust: the bracket ends flat and says how much is left."""
    async with open_story(sim=NO_COINS) as story:
        story.take_fees_in_base()
        story.market()
        case = await story.submit(qty="0.00012345")
        await story.until(lambda: case.resting("entry"))
        story.ask("50000", "0.00012345")
        await story.until(lambda: case.phase == "covered")
        story.market("48990", "49010")
        story.print("48990")
        await story.ended(case)
    dust = story.truth.balances()["BTC"]
    assert 0 < dust < d("0.00000001")
    assert case.closed.net_qty == dust
    assert case.outcome == "stop"


async def test_entry_eaten_below_the_minimum_by_its_fee_is_dust(open_story, autojump_clock):
    """An entry of exactly the minimum cannot be sold after its fee: no stop, no endless retry, the dust is told."""
    async with open_story(sim=NO_COINS) as story:
        story.take_fees_in_base()
        story.market()
        case = await story.submit(qty="0.00005")
        await story.until(lambda: case.resting("entry"))
        story.ask("50000", "0.00005")
        await story.ended(case)
    assert case.sent("stop") == case.sent("close") == []
    assert case.closed.net_qty == story.truth.balances()["BTC"] == d("0.000049875")


async def test_fee_in_base_that_rest_alone_tells_leaves_the_position_true(open_story, autojump_clock):
    """Storm 217: a row of TradesHistory does not name the fee's asset, and a fee taken for dollars is held coins."""
    async with open_story(sim=NO_COINS, orders_via="rest") as story:
        story.take_fees_in_base()
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.resting("entry"))
        faults = ScriptedFaults()
        for number in range(1, 100):
            faults.at_frame("executions", number, "drop")
        story.world.exchange.faults = faults
        story.ask("50000", "0.02")
        await story.until(lambda: case.entry().cum_qty == d("0.02"), within_s=60)
        assert case.entry().fills.fees == {"BTC": d("0.00005")}
        story.world.exchange.faults = ScriptedFaults()
        await story.until(lambda: case.covered("0.01995"), within_s=30)
