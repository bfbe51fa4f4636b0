"""Stories of many brackets at once."""

from __future__ import annotations

import trio

from tests.scenarios.story import BTC, ETH, Case, Story, d


async def test_twenty_brackets_over_two_symbols(open_story, autojump_clock):
    """Ten brackets on each of two symbols, half of them sold at the target, half stopped: no two are confused."""
    async with open_story() as story:
        story.market("49990", "50010", "5")
        story.market("2499", "2503", "50", symbol=ETH)
        cases = await _submit_twenty(story)
        await story.until(lambda: all(case.resting("entry") for case in cases))
        story.ask("50000", "0.2", symbol=BTC)
        story.ask("2500", "2", symbol=ETH)
        await story.until(lambda: all(case.phase == "covered" for case in cases))
        assert sum(len(case.resting("stop")) for case in cases) == 20
        await story.wait(300)  # the venue's rate counters are back at zero
        story.market("51000", "51010", "5")
        story.market("2600", "2605", "50", symbol=ETH)
        near, far = cases[0::2], cases[1::2]
        await story.ended(*near, within_s=120)
        assert all(case.phase == "covered" for case in far)
        story.market("48990", "49010", "5")
        story.market("2390", "2410", "50", symbol=ETH)
        story.print("48990")
        story.print("2390", symbol=ETH)
        await story.ended(*far)
    assert [case.outcome for case in near] == ["target"] * 10
    assert [case.outcome for case in far] == ["stop"] * 10
    assert all(case.closed.net_qty == 0 for case in cases)
    assert (story.truth.balances()["BTC"], story.truth.balances()["ETH"]) == (d("2"), d("20"))


async def _submit_twenty(story: Story) -> list[Case]:
    cases: dict[int, Case] = {}

    async def submit(number: int) -> None:
        far = "99999" if number % 2 else None
        if number < 10:
            case = await story.submit(qty="0.02", target=far or "51000")
        else:
            case = await story.submit(symbol=ETH, qty="0.2", limit="2500", stop="2400", target=far or "2600")
        cases[number] = case

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(submit, number)
    return [cases[number] for number in range(20)]


async def test_two_brackets_of_one_symbol_do_not_sell_each_others_coins(open_story, autojump_clock):
    """One bracket's stop fires; the other keeps its position and its own stop."""
    async with open_story() as story:
        story.market()
        tight = await story.bought("0.02", stop="49500")
        wide = await story.bought("0.03", stop="48000")
        story.market("49490", "49510")
        story.print("49490")
        await story.ended(tight)
        await story.wait(10)
        assert wide.covered("0.03")
    assert tight.outcome == "stop"
    assert story.truth.balances()["BTC"] == d("2.03")
