"""Stories of signals that never become orders: every denial has a code and names its numbers."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from engine.runtime.settings import EngineSettings
from tests.scenarios.story import Case, Story, d


def denied(case: Case, code: str, *words: str) -> None:
    """The signal was refused with this code, and the reason names these words."""
    assert (case.submitted.status, case.submitted.code) == ("denied", code), case.submitted
    for word in words:
        assert word in case.submitted.reason


def never_seen(story: Story) -> None:
    """Nothing reached the exchange."""
    assert story.truth.requests == []
    assert list(story.truth.orders) == []


BY_CONTENT: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("SYMBOL_UNKNOWN", {"symbol": "DOGE/EUR"}, ("DOGE/EUR",)),
    ("SIGNAL_EXPIRED", {"valid_until": "2025-12-31T23:59:59Z"}, ("2025-12-31T23:59:59", "2026-01-01T00:00:0")),
    ("PRICES_OUT_OF_ORDER", {"stop": "50000.1"}, ("stop < entry", "50000.1", "50000")),
    ("PRICES_OUT_OF_ORDER", {"target": "49999"}, ("entry < target", "50000", "49999")),
    ("PRICES_OUT_OF_ORDER", {"side": "sell", "stop": "49000", "target": "48000"}, ("stop > entry", "49000")),
    ("PRICES_OUT_OF_ORDER", {"limit": None, "stop": "50010"}, ("stop < entry", "50010")),
    ("PRICES_OUT_OF_ORDER", {"stop": "50000"}, ("stop < entry",)),
    ("STOP_LIMIT_OUT_OF_ORDER", {"stop_limit": "49000.1"}, ("49000.1", "49000")),
    ("BELOW_MINIMUM_QTY", {"qty": "0.00004999"}, ("0.00004999", "0.00005", "BTC")),
    ("BELOW_MINIMUM_COST", {"limit": "1000", "stop": "900", "qty": "0.0004"}, ("0.4 USD", "0.5")),
]


@pytest.mark.parametrize(("code", "members", "words"), BY_CONTENT)
async def test_signal_is_denied_by_its_content(open_story, autojump_clock, code, members, words):
    """What the signal itself makes impossible is denied before the wire, with the numbers."""
    async with open_story() as story:
        story.market(ask="50010")
        case = await story.submit(**members)
        denied(case, code, *words)
        assert story.engine.active() == []
    never_seen(story)
    assert [row.kind for row in story.journal.rows(signal_id=case.signal_id)] == ["denied"]


async def test_signal_for_a_market_that_is_not_online_is_denied(open_story, autojump_clock):
    """While the venue only takes cancels no entry is sent."""
    async with open_story() as story:
        story.market()
        story.world.exchange.set_status("cancel_only")
        await story.wait(1)
        denied(await story.submit(), "SYMBOL_NOT_ONLINE", "BTC/USD", "cancel_only")
        story.world.exchange.set_status("online")
        await story.wait(1)
        case = await story.submit()
        assert case.submitted.status == "accepted"
        await story.until(lambda: case.resting("entry"))
    assert len(story.truth.orders) == 1


async def test_signal_without_a_fresh_book_is_denied(open_story, autojump_clock):
    """While the public feed is away no entry is sent: its market cannot be judged."""
    async with open_story(settings=EngineSettings(book_wait_s=3)) as story:
        story.market()
        story.world.wire.refuse(60)
        story.connection("instrument").reset()
        began_s = trio.current_time()
        denied(await story.submit(), "BOOK_NOT_FRESH", "BTC/USD")
        assert trio.current_time() - began_s == pytest.approx(3, abs=0.01)
    never_seen(story)


async def test_market_signal_into_an_empty_book_is_denied(open_story, autojump_clock):
    """Nobody sells: a market entry has no price to be judged by."""
    async with open_story() as story:
        story.bid("49990", "1")
        denied(await story.submit(limit=None), "BOOK_EMPTY", "nobody sells BTC/USD")
    never_seen(story)


async def test_signal_that_expires_while_it_waits_for_the_book_is_denied(open_story, autojump_clock):
    """Validity is judged again when the book has come, not only when the signal came."""
    async with open_story() as story:
        story.market()
        story.world.wire.refuse(4)
        story.connection("instrument").reset()
        denied(await story.submit(valid_until="2026-01-01T00:00:02Z"), "SIGNAL_EXPIRED", "2026-01-01T00:00:02")
    never_seen(story)


async def test_signal_whose_time_is_over_by_the_venues_clock_is_denied(open_story, autojump_clock):
    """The engine's own clock stood still while its machine slept for an hour."""
    async with open_story() as story:
        story.market()
        story.world.exchange.clock.skew_ns += 3600 * 10**9
        await trio.sleep(31)  # the venue's clock is read with what it says anyway
        denied(await story.submit(valid_until="2026-01-01T00:30:00Z"), "SIGNAL_EXPIRED", "the venue's clock is beyond")
    never_seen(story)


async def test_repeat_of_a_signal_is_one_order(open_story, autojump_clock):
    """The same id with the same content starts nothing: in any spelling of the symbol, before and after its end."""
    async with open_story() as story:
        story.market()
        first = await story.submit(entry_timeout_s=5)
        one_id: dict[str, Any] = {"signal_id": first.signal_id, "entry_timeout_s": 5}
        assert (await story.submit(**one_id)).submitted.status == "repeat"
        assert (await story.submit(**one_id, symbol="XBTUSD")).submitted.status == "repeat"
        await story.ended(first)
        assert (await story.submit(**one_id)).submitted.status == "repeat"
    assert len(story.truth.orders) == 1


async def test_conflict_of_content_under_one_id_is_denied(open_story, autojump_clock):
    """The same id with other content is denied and leaves the first order alone."""
    async with open_story() as story:
        story.market()
        first = await story.submit(qty="0.02")
        denied(await story.submit(qty="0.03", signal_id=first.signal_id), "SIGNAL_CONFLICT", first.signal_id)
        await story.until(lambda: first.resting("entry"))
    assert [order.order_qty for order in story.truth.orders.values()] == [d("0.02")]


async def test_repeat_of_a_denied_signal_is_denied_the_same_way(open_story, autojump_clock):
    """A denial is remembered: the same signal gets the same answer although the market has changed."""
    async with open_story() as story:
        first = await story.submit(limit=None)
        denied(first, "BOOK_EMPTY")
        story.market()
        again = await story.submit(limit=None, signal_id=first.signal_id)
        assert again.submitted == first.submitted
    never_seen(story)
