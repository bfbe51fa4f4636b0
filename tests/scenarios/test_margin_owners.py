"""Stories of rollovers whose owner has to be asked for: none is lost by the waiting, and nobody is asked in vain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from engine.errors import VenueUnavailable
from engine.orders.reports import OrderReport
from engine.sim import ScriptedFaults, answer_late, refuse_with
from engine.values.time import NS
from tests.scenarios.margin_story import by_hand, lent
from tests.scenarios.restart.lives import at_market, kill
from tests.scenarios.story import BTC, ETH, Case, Story
from tests.scenarios.test_margin_charges import ASKED_S, ROLLS_S, charged, charging, fees, killed_asking, taken

DENIED = refuse_with("EGeneral:Permission denied")


def asked(story: Story, method: str) -> int:
    """How often the venue was asked since the faults were set."""
    faults = story.world.exchange.faults
    assert isinstance(faults, ScriptedFaults)
    return faults._seen.get(method, 0)


async def bare(story: Story, strategy_id: str, symbol: str = BTC) -> Case:
    """Buy on margin without exits: the bracket ends, the position stays."""
    prices = ("2499", "2501", "3") if symbol == ETH else ("49990", "50010", "1")
    story.market(*prices, symbol)
    how = {"qty": "0.1", "limit": "2501"} if symbol == ETH else {"limit": "50010"}
    case = await story.submit(symbol=symbol, strategy_id=strategy_id, stop=None, target=None, leverage="5", **how)
    await story.ended(case)
    return case


async def test_rollover_of_a_fill_that_the_books_have_forgotten_is_booked(open_story, autojump_clock, monkeypatch):
    """More fills came since than are known by their names: the stream names one of ours all the same."""
    monkeypatch.setattr("engine.accounts.charges.LOTS_MOST", 1)
    async with open_story(**charging(open_fee="0")) as story:
        await bare(story, "a")
        await bare(story, "b", ETH)
        await story.wait(ROLLS_S + 5)
        assert charged(story).keys() == {("a", BTC), ("b", ETH)}
        assert fees(story) == taken(story)


@killed_asking
async def test_rollover_whose_owner_is_not_told_is_said_and_found_by_the_next_start(
    open_story, autojump_clock, monkeypatch
):
    """What came after it was booked meanwhile: it is asked for again, and nothing of that is booked twice."""
    monkeypatch.setattr("engine.accounts.charges.LOTS_MOST", 1)
    async with open_story(**charging(open_fee="0")) as story:
        await bare(story, "a")
        await bare(story, "b", ETH)
        kill(story)
        await story.boot()
        await story.wait(2)
        story.world.exchange.faults = ScriptedFaults().always("QueryTrades", DENIED)
        await story.wait(8 * ROLLS_S)
        assert "whose they are: " in story.engine.money.pnl().charges_why
        assert charged(story).keys() == {("b", ETH)}
        kill(story)
        story.world.exchange.faults = ScriptedFaults()
        await story.boot()
        await story.wait(ASKED_S)
        assert charged(story).keys() == {("a", BTC), ("b", ETH)}
        assert (story.engine.money.pnl().charges_why, fees(story)) == ("", taken(story))


@killed_asking
async def test_owner_that_cannot_be_told_keeps_no_other_waiting(open_story, autojump_clock, monkeypatch):
    """The venue fails at one reference, always: the other's rollovers are booked."""
    async with open_story(**charging(open_fee="0")) as story:
        case = await bare(story, "a")
        await bare(story, "b", ETH)
        kill(story)
        await story.boot()
        story.engine.services.accounts.ledger.charges.lots.clear()
        story.engine.services.balance_desk.reconciliation._lent.clear()
        link = story.engine.services.link
        ask: Callable[[str], Awaitable[OrderReport | None]] = link.order_of
        poisoned = {case.entry().order_id} | {one.exec_id for one in story.truth.trades if one.symbol == BTC}

        async def order_of(ref_id: str) -> OrderReport | None:
            if ref_id in poisoned:
                raise VenueUnavailable("it fails at this one")
            return await ask(ref_id)

        monkeypatch.setattr(link, "order_of", order_of)
        await story.wait(ROLLS_S + 150)
        assert charged(story).keys() == {("b", ETH)}


async def test_persons_rollovers_are_asked_about_once_and_never_where_nothing_of_ours_was_on_margin(
    open_story, autojump_clock
):
    """A person's position beside an engine that trades coins only, then beside one that trades on margin too."""
    async with open_story(**charging()) as story:
        story.world.exchange.faults = ScriptedFaults()
        story.market()
        by_hand(story, "buy", "0.01")
        await story.wait(ROLLS_S + 10)
        assert (asked(story, "QueryTrades"), asked(story, "OpenPositions")) == (0, 0)
        await lent(story)
        await story.wait(3 * ROLLS_S + 10)
        assert asked(story, "QueryTrades") <= 2  # its position, and the order that opened it


async def test_ledger_that_is_refused_is_asked_ever_more_seldom(open_story, autojump_clock):
    """A key without that permission: an hour of questions would cost others their points."""
    async with open_story(**charging(rollover="0")) as story:
        await lent(story)
        story.world.exchange.faults = ScriptedFaults().always("Ledgers", DENIED)
        story.connection("executions").reset()
        await story.wait(900)
        assert 3 <= asked(story, "Ledgers") <= 5
        assert "Permission denied" in story.engine.money.pnl().charges_why


async def test_stream_that_tells_its_balances_before_its_fills_counts_as_whole(open_story, autojump_clock):
    """Else nothing would ever be known for certain again, and each gap would have months to be asked for."""
    async with open_story(**charging()) as story:
        await lent(story)
        await story.wait(2)
        story.world.exchange.faults = ScriptedFaults().always("TradesHistory", answer_late(5))
        story.connection("executions").reset()
        for _ in range(60):  # more than a snapshot tells
            at_market(story, "buy", "0.0001")
        await story.until(lambda: not story.engine.services.stream_up())
        gone_s = trio.current_time()
        await story.until(story.engine.services.stream_up)
        assert trio.current_time() - gone_s > 5
        await story.wait(2 * ASKED_S)
        known_ns = story.engine.services.accounts.ledger.charges.known_ns
        assert story.engine.services.clock.now_ns() - known_ns < 65 * NS
