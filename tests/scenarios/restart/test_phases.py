"""Killed in every phase of a bracket while the market goes on: protection is back in time, nothing twice or lost."""

from __future__ import annotations

import pytest

from tests.scenarios.restart.lives import Act, back, kill, to_the_end
from tests.scenarios.story import Case, Story, d

POWER = pytest.mark.parametrize("power_loss", [False, True], ids=["process", "power"])


# --- how far the bracket has come


async def decided(story: Story, case: Case) -> None:
    """The signal is durable, nothing is sent."""


async def entering(story: Story, case: Case) -> None:
    """The entry rests."""
    await story.until(lambda: case.entry_is("open"))


async def sent(story: Story, case: Case) -> None:
    """The entry has reached the venue, its answer has not come back."""
    await story.until(lambda: bool(case.resting("entry")))


async def canceling(story: Story, case: Case) -> None:
    """The user's cancel is on the way."""
    await entering(story, case)
    story.engine.cancel(case.signal_id, "changed my mind")
    await story.until(lambda: case.entry_is("pending_cancel"))


async def covering(story: Story, case: Case) -> None:
    """Half has filled, its stop is not sent yet."""
    await entering(story, case)
    story.ask("50000", "0.01")
    await story.until(lambda: case.entry_is("partial"))


async def stop_sent(story: Story, case: Case) -> None:
    """All has filled, its stop has reached the venue, unanswered."""
    await entering(story, case)
    story.ask("50000", "0.02")
    await story.until(lambda: bool(case.resting("stop")))


async def half_covered(story: Story, case: Case) -> None:
    """Half has filled and is covered, the other half still rests."""
    await covering(story, case)
    await story.until(lambda: case.covered("0.01"))


async def amending(story: Story, case: Case) -> None:
    """The stop is being amended up to the second half."""
    await half_covered(story, case)
    await story.wait(20)
    story.ask("50000", "0.01")
    await story.until(lambda: any(stop.state == "pending_amend" for stop in case.stops()))


async def covered(story: Story, case: Case) -> None:
    """All has filled and rests under its stop."""
    await entering(story, case)
    story.ask("50000", "0.02")
    await story.until(lambda: case.covered("0.02"))


async def swap_begun(story: Story, case: Case) -> None:
    """The target is touched, the stop's cancel is on the way."""
    await covered(story, case)
    story.market("51000", "51010")
    await story.until(lambda: any(stop.state == "pending_cancel" for stop in case.stops()))


async def swap_bare(story: Story, case: Case) -> None:
    """The stop is gone, the target has not arrived."""
    await swap_begun(story, case)
    await story.until(lambda: not case.resting("stop"))


async def swap_sent(story: Story, case: Case) -> None:
    """The target has traded, and nobody here knows yet."""
    await swap_begun(story, case)
    await story.until(lambda: bool(case.sent("target")))


async def fired(story: Story, case: Case) -> None:
    """The stop has fired into a market that takes only half of it."""
    await covered(story, case)
    story.house.clear("BTC/USD")
    story.ask("49010", "1")
    story.bid("48990", "0.01")
    story.print("48995")


async def closing(story: Story, case: Case) -> None:
    """The stop was taken away below its trigger, the market close is on the way."""
    await covered(story, case)
    story.market("48900", "48910")
    await story.wait(0.3)
    story.house.cancel_client(case.resting("stop")[0].order_id)
    await story.until(lambda: bool(case.closes()))


# --- what happens while nobody watches


async def nothing(story: Story, case: Case) -> None:
    """The world stands still."""


async def fills(story: Story, case: Case) -> None:
    """Somebody sells into our entry."""
    story.ask("50000", "0.02")


async def part_fills(story: Story, case: Case) -> None:
    """Somebody sells a little into our entry."""
    story.ask("50000", "0.004")


async def person_cancels(story: Story, case: Case) -> None:
    """Somebody takes back everything of ours that rests."""
    for order in [order for order in story.truth.orders.values() if order.is_open]:
        story.house.cancel_client(order.order_id)


async def falls(story: Story, case: Case) -> None:
    """The price goes through the stop."""
    story.market("48900", "48910")
    story.print("48900")


async def fills_and_falls(story: Story, case: Case) -> None:
    """Our entry fills, and the price goes through where its stop would be."""
    await fills(story, case)
    await falls(story, case)


async def rises(story: Story, case: Case) -> None:
    """The price reaches the target and stays."""
    story.market("51000", "51010")


async def rises_and_returns(story: Story, case: Case) -> None:
    """The price reaches the target and leaves it again."""
    story.market("51000", "51010")
    await story.wait(0.2)
    story.market()


async def thins(story: Story, case: Case) -> None:
    """The rest of the market comes back."""
    story.market("48990", "49010")


LIVES: list[tuple[Act, Act]] = [
    (decided, nothing),
    (sent, nothing), (sent, fills), (sent, fills_and_falls), (sent, person_cancels),
    (entering, nothing), (entering, part_fills), (entering, fills), (entering, fills_and_falls),
    (entering, person_cancels), (entering, falls),
    (canceling, nothing), (canceling, fills),
    (covering, nothing), (covering, fills), (covering, falls),
    (stop_sent, nothing), (stop_sent, falls), (stop_sent, rises), (stop_sent, person_cancels),
    (half_covered, nothing), (half_covered, fills), (half_covered, falls),
    (amending, nothing), (amending, falls), (amending, person_cancels),
    (covered, nothing), (covered, falls), (covered, rises), (covered, rises_and_returns), (covered, person_cancels),
    (swap_begun, nothing), (swap_begun, rises_and_returns), (swap_begun, falls),
    (swap_bare, nothing), (swap_bare, rises_and_returns), (swap_bare, falls),
    (swap_sent, nothing), (swap_sent, falls),
    (fired, thins),
    (closing, nothing), (closing, thins),
]  # fmt: skip


@POWER
@pytest.mark.parametrize(("phase", "off"), LIVES, ids=lambda act: act.__name__)
async def test_killed_engine_comes_back(open_story, autojump_clock, phase, off, power_loss):
    """After the restart what is held is protected within ten seconds, and the bracket ends in order."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await phase(story, case)
        kill(story, power_loss=power_loss)
        await story.wait(0.5)
        await off(story, case)
        await story.wait(3)
        await back(story, case)
        await to_the_end(story, case)
    assert story.truth.balances()["BTC"] == d("2")
    assert len(case.sent("entry")) <= 1
