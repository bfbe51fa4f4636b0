"""Stories of many brackets at once."""

from __future__ import annotations

from dataclasses import dataclass

import trio

from engine.sim import DEFAULT_ASSETS, DEFAULT_PAIRS, AssetSpec, PairSpec, SimSettings
from tests.scenarios.story import BTC, ETH, Case, Story, d

SOL, ADA = "SOL/USD", "ADA/USD"
FOUR = SimSettings(
    assets=(*DEFAULT_ASSETS, AssetSpec(name="ADA", rest_key="ADA", altname="ADA", decimals=8, display_decimals=6)),
    pairs=(
        *DEFAULT_PAIRS,
        PairSpec(
            symbol=ADA,
            altname="ADAUSD",
            rest_key="ADAUSD",
            wsname=ADA,
            base="ADA",
            quote="USD",
            price_precision=6,
            tick=d("0.000001"),
            qty_min=d("4"),
        ),
    ),
)


@dataclass(frozen=True)
class Plan:
    """Ten equal brackets of one symbol and the prices that decide them."""

    symbol: str
    qty: str
    entry: str
    stop: str
    target: str
    never: str
    at_start: tuple[str, str]
    at_target: tuple[str, str]
    at_stop: tuple[str, str]


PLANS = (
    Plan(BTC, "0.02", "50000", "49000", "51000", "99999", ("49990", "50010"), ("51000", "51010"), ("48990", "49010")),
    Plan(ETH, "0.2", "2500", "2400", "2600", "9999", ("2499", "2503"), ("2600", "2605"), ("2390", "2410")),
    Plan(SOL, "2", "150", "140", "160", "999", ("149", "152"), ("160", "163"), ("139", "142")),
    Plan(ADA, "200", "0.5", "0.4", "0.6", "9", ("0.49", "0.52"), ("0.6", "0.62"), ("0.39", "0.41")),
)


async def test_forty_brackets_over_four_symbols(open_story, autojump_clock):
    """Ten brackets on each of four symbols, half of them sold at the target, half stopped: no two are confused."""
    async with open_story(sim=FOUR) as story:
        for plan in PLANS:
            _move(story, plan, plan.at_start)
        cases = await _submit_all(story)
        await story.until(lambda: all(case.resting("entry") for case in cases), 60, every_s=0.1)
        for plan in PLANS:
            story.ask(plan.entry, str(10 * d(plan.qty)), symbol=plan.symbol)
        await story.until(lambda: all(case.phase == "covered" for case in cases), 60, every_s=0.1)
        assert sum(len(case.resting("stop")) for case in cases) == 40
        await story.wait(300)  # the venue's rate counters are back at zero
        for plan in PLANS:
            _move(story, plan, plan.at_target)
        near, far = cases[0::2], cases[1::2]
        await story.ended(*near, within_s=120)
        assert all(case.phase == "covered" for case in far)
        for plan in PLANS:
            _move(story, plan, plan.at_stop)
            story.print(plan.at_stop[0], symbol=plan.symbol)
        await story.ended(*far, within_s=120)
    assert [case.outcome for case in near] == ["target"] * 20
    assert [case.outcome for case in far] == ["stop"] * 20
    assert all(case.closed.net_qty == 0 for case in cases)
    assert {asset: story.truth.balances().get(asset, d("0")) for asset in ("BTC", "ETH", "SOL", "ADA")} == {
        "BTC": d("2"),
        "ETH": d("20"),
        "SOL": d("100"),
        "ADA": d("0"),
    }


def _move(story: Story, plan: Plan, prices: tuple[str, str]) -> None:
    """Quote enough for all brackets of the symbol on both sides."""
    story.house.clear(plan.symbol)
    for side, price in zip(("buy", "sell"), prices, strict=True):
        story.house.quote(plan.symbol, side, d(price), 100 * d(plan.qty))


async def _submit_all(story: Story) -> list[Case]:
    cases: dict[tuple[str, int], Case] = {}

    async def submit(plan: Plan, number: int) -> None:
        target = plan.never if number % 2 else plan.target
        cases[plan.symbol, number] = await story.submit(
            symbol=plan.symbol, qty=plan.qty, limit=plan.entry, stop=plan.stop, target=target
        )

    async with trio.open_nursery() as nursery:
        for plan in PLANS:
            for number in range(10):
                nursery.start_soon(submit, plan, number)
    return [cases[plan.symbol, number] for plan in PLANS for number in range(10)]


async def test_twenty_brackets_over_two_symbols(open_story, autojump_clock):
    """Ten brackets on each of two symbols, half of them sold at the target, half stopped: no two are confused."""
    async with open_story() as story:
        story.market("49990", "50010", "5")
        story.market("2499", "2503", "50", symbol=ETH)
        cases = await _submit_twenty(story)
        await story.until(lambda: all(case.resting("entry") for case in cases), every_s=0.1)
        story.ask("50000", "0.2", symbol=BTC)
        story.ask("2500", "2", symbol=ETH)
        await story.until(lambda: all(case.phase == "covered" for case in cases), every_s=0.1)
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
