"""Cut off at any moment: cancelled it leaves no entry resting, killed it buys nothing twice."""

from __future__ import annotations

import pytest

from engine.algos import Chase, ChaseTerms, Iceberg, IcebergTerms, Parent, Twap, TwapTerms
from engine.algos.stage import Algorithm
from engine.seams.chance import SeededChance
from tests.algos.working import dying, hands, parent, within_parent, working
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import Story, d

CUTS_S = (0.0, 0.005, 0.02, 0.05, 0.09, 0.15, 0.2, 0.225, 0.235, 0.24, 0.245, 0.25, 0.26, 0.3, 1.1)
"""From before the book is there to the second look at a resting entry; the first submit lies in the middle."""


def made(kind: str, story: Story, of: Parent) -> Algorithm:
    """An algorithm whose first child rests below the market."""
    if kind == "chase":
        return Chase(hands(story), of, ChaseTerms(over_s=300, every_s=1))
    if kind == "iceberg":
        return Iceberg(hands(story), of, IcebergTerms(d("0.02"), 300))
    return Twap(hands(story), of, TwapTerms(slices=3, over_s=300), chance=SeededChance(1))


@pytest.mark.parametrize("kind", ["chase", "twap", "iceberg"])
async def test_cancelled_at_any_moment_no_entry_rests(open_story, autojump_clock, kind: str):
    """The task is gone, and moments later so is whatever it had sent."""
    async with open_story() as story:
        story.market()
        for number, cut_s in enumerate(CUTS_S):
            of = parent(signal_id=f"00000000-0000-4000-8000-{number:012d}", limit_price="49985", order_qty="0.03")
            async with working(story, made(kind, story, of)) as work:
                await story.wait(cut_s)
                await work.cancel()
                await story.wait(2)
                within_parent(work)
        assert not story.engine.active()


@pytest.mark.parametrize("kind", ["chase", "iceberg"])
async def test_killed_at_any_moment_the_parent_is_bought_once(open_story, autojump_clock, kind: str):
    """A process dies at each of these moments, one after another, on one parent; the last one brings it to its end."""
    async with open_story() as story:
        story.market()
        of = parent(limit_price="49985", order_qty="0.03")
        for cut_s in CUTS_S:
            async with dying(story, made(kind, story, of)):
                await story.wait(cut_s)
                kill(story, power_loss=cut_s > 0.2)
            await story.boot()
        async with working(story, made(kind, story, of)) as work:
            for _ in range(2 if kind == "iceberg" else 1):
                await story.until(lambda: len(work.resting()) == 1, 90)
                (order,) = work.resting()
                story.house.clear("BTC/USD")
                story.ask(str(order.limit_price), str(order.leaves_qty))
                await story.until(lambda: work.bought() == work.stops() > 0)
                story.market()
            result = await work.ended(60)
        assert (result.state, result.cum_qty) == ("complete", d("0.03"))
        within_parent(work)
