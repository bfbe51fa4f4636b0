"""Stories of entries as stop or take-profit, of every time in force, for a quote quantity; of plans that are dust."""

from __future__ import annotations

import json

import pytest

from engine.orders.signal import parse_signal
from engine.values.time import rfc3339
from tests.scenarios.story import d


@pytest.mark.parametrize(("side", "kind", "trigger", "limit"), [
    ("buy", "stop-loss", "50100", None), ("buy", "stop-loss-limit", "50100", "50200"),
    ("buy", "take-profit", "49900", None), ("buy", "take-profit-limit", "49900", "49950"),
    ("sell", "stop-loss", "49900", None), ("sell", "take-profit", "50100", None),
])  # fmt: skip
async def test_entry_waits_for_its_trigger(open_story, autojump_clock, side, kind, trigger, limit):
    """It rests outside the book, fires at the last price, and what it fills is covered."""
    stop, target = ("49000", "51000") if side == "buy" else ("51000", "49000")
    async with open_story() as story:
        story.market()
        case = await story.submit(
            side=side, order_type=kind, trigger_price=trigger, limit=limit, stop=stop, target=target
        )
        await story.until(lambda: case.entry_is("open"))
        (entry,) = case.resting("entry")
        assert (entry.order_type, entry.trigger_price) == (kind, d(trigger))
        await story.wait(5)
        assert case.phase == "entering"
        story.market(str(int(trigger) - 10), str(int(trigger) + 10))
        story.print(trigger)
        await story.until(lambda: case.covered("0.02"))
        assert case.longest_bare_s() < 0.3
    assert case.entry().state == "settled"


async def test_triggered_entry_that_is_taken_back_leaves_nothing(open_story, autojump_clock):
    """It times out before its price comes."""
    async with open_story() as story:
        story.market()
        case = await story.submit(order_type="stop-loss", trigger_price="50100", limit=None, entry_timeout_s=5)
        await story.ended(case, within_s=10)
    assert case.outcome == "abandoned"


async def test_fill_or_kill_fills_nothing_where_not_all_is_there(open_story, autojump_clock):
    """All or nothing: no part of it is ever held."""
    async with open_story() as story:
        story.market(ask="50000", qty="0.005")
        case = await story.submit(limit="50001", time_in_force="fok")
        await story.ended(case)
    assert case.outcome == "abandoned"
    assert case.entry().cum_qty == 0


async def test_good_till_date_expires_on_the_venue(open_story, autojump_clock):
    """The venue ends it, whether or not we live; what had filled stays protected."""
    async with open_story() as story:
        now_s = story.world.clock.now_ns() // 10**9
        story.market()
        case = await story.submit(time_in_force="gtd", expire_time=rfc3339((now_s + 20) * 10**9, 0))
        await story.until(lambda: case.resting("entry"))
        story.ask("50000", "0.01")
        await story.wait(25)
        assert case.covered("0.01")
        assert case.sent("entry")[0].status == "expired"


async def test_post_only_entry_never_takes(open_story, autojump_clock):
    """It would cross: the venue refuses it, and nothing is bought."""
    async with open_story() as story:
        story.market(ask="50000")
        case = await story.submit(limit="50000", post_only=True)
        await story.ended(case)
        assert case.outcome == "abandoned"
        rests = await story.submit(limit="49995", post_only=True)
        await story.until(lambda: rests.resting("entry"))
        assert rests.resting("entry")[0].post_only


async def test_quote_quantity_buys_at_most_that_much(open_story, autojump_clock):
    """1000 USD over two levels of the book; the same line again is a repeat."""
    async with open_story() as story:
        story.market(ask="50000", qty="0.01")
        text = {
            "signal_id": "00000000-0000-4000-8000-00000000cafe", "symbol": "BTC/USD", "side": "buy",
            "order_type": "market", "cash_order_qty": "1000", "stop_loss": {"trigger_price": "49000"},
        }  # fmt: skip
        signal = parse_signal(json.dumps(text))
        case = await story.hand_in(signal)
        await story.until(lambda: case.phase == "covered")
        (entry,) = case.sent("entry")
        assert d("999.99") < entry.cum_cost <= d("1000")
        assert entry.order_qty == d("0.01999980")
        assert (await story.engine.submit(signal)).status == "repeat"


@pytest.mark.parametrize(("members", "code"), [
    ({"qty": "0.00009", "take_profit": [{"price": "51000", "share": "0.5"}, {"price": "52000", "share": "0.5"}]},
     "EXIT_BELOW_MINIMUM"),
    ({"take_profit": [{"price": "51000", "share": "0.999"}, {"price": "52000", "share": "0.001"}]},
     "EXIT_BELOW_MINIMUM"),
    ({"take_profit": [{"price": "49500", "share": "0.5"}, {"price": "52000", "share": "0.5"}]},
     "PRICES_OUT_OF_ORDER"),
    ({"order_type": "stop-loss", "trigger_price": "48000", "limit": None}, "PRICES_OUT_OF_ORDER"),
])  # fmt: skip
async def test_plan_that_cannot_leave_again_is_denied(open_story, autojump_clock, members, code):
    """Dust is planned for before the entry: denied, with the numbers, and nothing is sent."""
    async with open_story() as story:
        story.market()
        case = await story.submit(**members)
        assert (case.submitted.status, case.submitted.code) == ("denied", code)
        assert case.sent() == []
