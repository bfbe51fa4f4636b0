"""The entry's answer fails to come, or says nothing certain: found, or proved dead and sent anew, never twice live."""

from __future__ import annotations

import pytest
import trio

from engine.orders.replay import Requested
from engine.sim import ScriptedFaults
from engine.sim.faults import refuse_with
from tests.scenarios.honesty import (
    BROKEN_LAG_S,
    EVERY_DOUBT,
    LAG_S,
    METHODS,
    RESET,
    SETTLES_S,
    arrived,
    come,
    safe,
    was,
)

REFUSALS = [
    ("EOrder:Insufficient funds", "INSUFFICIENT_FUNDS"),
    ("EOrder:Order minimum not met", "ORDER_MINIMUM"),
    ("EOrder:Post only order", "POST_ONLY"),
    ("EGeneral:Invalid arguments:price", "INVALID_ARGUMENTS"),
    ("EGeneral:Permission denied", "PERMISSION_DENIED"),
    ("EAPI:Invalid nonce", "INVALID_NONCE"),
    ("EAPI:Rate limit exceeded", "REST_RATE_LIMIT"),
    ("EService: Throttled: 1741500000", "THROTTLED"),
    ("EService:Market in cancel_only mode", "CANCEL_ONLY"),
    ("EService:Deadline elapsed", "DEADLINE_ELAPSED"),
    ("EQuery:Unknown asset pair", "UNKNOWN_PAIR"),
    ("EAuth:Account temporary disabled", "ACCOUNT_DISABLED"),
    ("EAccount:Invalid permissions:BTC trading restricted", "INVALID_PERMISSIONS"),
    ("EBM:limit exceeded:CAL", "PURCHASE_LIMIT"),
    ("ETrade:Invalid request", "INVALID_REQUEST"),
]
"""One of each family of error string that is a certain no."""


@pytest.mark.parametrize(("way", "doubt"), EVERY_DOUBT, ids=str)
async def test_entry_taken_behind_a_doubtful_answer_is_found(open_story, autojump_clock, way, doubt):
    """The venue has the order and says nothing certain: it is found, there is one, and what it fills is protected."""
    async with open_story(orders_via=way) as story:
        story.world.exchange.faults = ScriptedFaults().at(METHODS[way]["new"], 1, doubt.action(applied=True))
        story.market()
        case = await story.submit(qty="0.02")
        await come(story, lambda: case.entry_is("open"), within_s=SETTLES_S)
        story.ask("50000", "0.02")
        await story.until(lambda: case.entry_is("settled"))
        await come(story, lambda: safe(story, case))
    assert len(case.orders("entry")) == len(case.sent("entry")) == 1
    assert "rejected" not in case.entry().states()


@pytest.mark.parametrize(("way", "doubt"), EVERY_DOUBT, ids=str)
async def test_entry_not_taken_behind_a_doubtful_answer_is_proved_dead_first(open_story, autojump_clock, way, doubt):
    """The venue has nothing: unknown until proved, no new risk on the symbol, then one further attempt."""
    broken = way == "ws" and doubt is RESET
    async with open_story(orders_via=way) as story:
        story.world.exchange.faults = ScriptedFaults().at(METHODS[way]["new"], 1, doubt.action(applied=False))
        story.market()
        case = await story.submit(qty="0.02")
        asked_s = trio.current_time()
        await come(story, lambda: case.entry_is("unknown"), within_s=8)
        denied = await story.submit(qty="0.01")
        assert (denied.submitted.status, denied.submitted.code) == ("denied", "SYMBOL_IN_DOUBT")
        await come(story, lambda: not case.entry_is("unknown"), within_s=80)
        took_s = trio.current_time() - asked_s
        assert took_s <= SETTLES_S + (BROKEN_LAG_S - LAG_S if broken else 0), story.tale()
        await come(story, lambda: bool(case.resting("entry")))
        story.ask("50000", "0.02")
        await story.until(lambda: case.covered("0.02"))
    first, second = case.orders("entry")
    assert first.states() == ("new", "pending", "unknown", "rejected", "settled")
    assert first.cl_ord_id != second.cl_ord_id
    assert "ORDER_UNKNOWN" in case.alarms()
    assert arrived(story, "new") == 3  # two entries and the stop
    rows = [row.decode(Requested).request for row in story.journal.rows(kind="request")]
    assert rows[1].deadline_ns > rows[0].deadline_ns


@pytest.mark.parametrize("way", ["ws", "rest"])
@pytest.mark.parametrize(("text", "code"), REFUSALS)
async def test_entry_refused_by_the_venue_is_rejected_at_once(open_story, autojump_clock, way, text, code):
    """A listed, certain no ends the order: nothing is investigated and nothing is repeated."""
    async with open_story(orders_via=way) as story:
        story.world.exchange.faults = ScriptedFaults().at(METHODS[way]["new"], 1, refuse_with(text))
        story.market()
        case = await story.submit()
        await story.ended(case, within_s=3)
        assert story.engine.services.desk.doubtful("BTC/USD") is False
    assert (case.outcome, case.entry().code) == ("abandoned", code)
    assert case.entry().states() == ("new", "pending", "rejected", "settled")
    assert not was(case, "unknown")
