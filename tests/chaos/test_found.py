"""What seeds have found, each as a story of its own (see found.md): seeds rot when code changes, stories do not."""

from __future__ import annotations

from engine.sim import Refused, SimSettings
from tests.scenarios.conftest import open_story, seed
from tests.scenarios.story import Story, d

__all__ = ["open_story", "seed"]


def take_slots(story: Story) -> list[str]:
    """Let somebody else rest orders until the exchange takes no more; return their ids."""
    placed: list[str] = []
    for _ in range(200):
        try:
            placed.append(story.house.place_client("BTC/USD", "buy", d("0.001"), d("10000")))
        except Refused:
            return placed
    raise AssertionError("the exchange has no bound")


async def test_exit_refused_for_the_open_order_bound_is_sent_again(open_story, autojump_clock):
    """Other people's orders take every slot, then give them back: the bare quantity gets its stop, or is closed."""
    async with open_story(sim=SimSettings(tier="intermediate")) as story:
        story.market()
        case = await story.submit()
        await story.until(lambda: bool(case.resting("entry")))
        placed = take_slots(story)
        story.ask("50000", "0.02")
        placed += take_slots(story)  # the one that the entry's fill has set free
        await story.wait(6)
        assert not case.resting("stop")
        for order_id in placed:
            story.house.cancel_client(order_id)
        await story.until(lambda: case.outcome or case.covered("0.02"), within_s=20)
