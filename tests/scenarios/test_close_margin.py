"""Stories of what a close may call flat on margin: what the venue's own list of positions says, asked late enough."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
import trio

from engine.errors import EngineError
from engine.risk.limits import Limits
from engine.runtime.close_report import CLOSED_ROW, CloseReport
from engine.runtime.settings import EngineSettings
from engine.sim import ScriptedFaults, SimSettings, answer_late, http_error
from engine.values.time import NS, rfc3339
from tests.scenarios.margin_story import LENT, SETTLED_S, at_venue, by_hand, lending, lent
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import BTC, d

PARTS = pytest.mark.parametrize("dead", [False, True], ids=["alive", "restarted"])
SHORT_BOUND = EngineSettings(limits=Limits(leverage_most=5), close_bound_s=12)


async def test_flat_on_margin_is_proved_by_the_venues_positions_asked_after_the_last_fill(open_story, autojump_clock):
    """REST may lag by five seconds: an older reading proves nothing, so the report waits for a younger one."""
    async with open_story(**lending()) as story:
        await lent(story)
        report = await story.engine.close(BTC)
        (proof,) = report.positions
        assert (report.flat, proof.symbol, proof.books, proof.at_venue) == (True, BTC, 0, 0)
        last = max(trade.ts_ns for trade in story.truth.trades)
        assert proof.asked_at >= rfc3339(last + 5 * NS)
        assert "BTC/USD on margin: 0 by the venue's own list, 0 by our books" in "\n".join(report.lines())


@PARTS
async def test_position_that_the_venue_still_shows_is_not_flat(open_story, autojump_clock, dead):
    """Our books are flat and an order of ours has left something there: the report says how much, and whose."""
    async with open_story(settings=SHORT_BOUND) as story:
        story.may_exceed = True
        case = await lent(story)
        assert (await story.engine.close(BTC)).flat
        by_hand(story, "buy", "0.01")
        account = story.world.exchange._venue.core.accounts["client"]
        ((name, rest),) = account.positions.items()
        account.positions[name] = replace(rest, order_id=case.entry().order_id)
        if dead:
            kill(story)
            await story.wait(2)
            await story.boot()
            await story.wait(SETTLED_S)
        report = await story.engine.close(BTC)
        assert not report.flat
        assert [(one.symbol, one.qty, one.code) for one in report.not_flat] == [(BTC, d("0.01"), "POSITION_THERE")]
        assert "the venue holds 0.01 on margin, our books 0" in report.not_flat[0].reason
        assert (await story.submit()).submitted.code == "NOT_FLAT"


async def test_persons_position_is_named_and_does_not_keep_ours_from_being_flat(open_story, autojump_clock):
    """Opened by an order that is none of ours: it stays theirs, and the report tells of it."""
    async with open_story(**lending()) as story:
        await lent(story)
        story.market()
        by_hand(story, "buy", "0.01")
        report = await story.engine.close(BTC)
        assert (report.flat, at_venue(story)) == (True, d("0.01"))
        (proof,) = report.positions
        assert (proof.books, proof.at_venue) == (0, d("0.01"))


async def test_close_of_one_signal_leaves_the_others_position_and_proves_it(open_story, autojump_clock):
    """What another signal holds is there, by the venue's list and by our books alike."""
    async with open_story(**lending()) as story:
        first = await lent(story)
        story.market()
        await story.bought("0.01", leverage="5")
        report = await story.engine.close(signal_id=first.signal_id)
        assert report.flat
        assert [(one.books, one.at_venue) for one in report.positions] == [(d("0.01"), d("0.01"))]


@pytest.mark.parametrize("sold", [False, True], ids=["at-once", "sold"])
async def test_close_that_a_kill_interrupts_is_proved_by_the_next_engine(open_story, autojump_clock, sold):
    """Killed in the middle: the next start trades the rest away and asks the venue before it says flat."""
    async with open_story(**lending()) as story:
        case = await lent(story)

        async def press() -> None:
            with contextlib.suppress(EngineError):
                await story.engine.close(BTC, reason="enough")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(press)
            await story.until(lambda: sold or bool(case.resting("close")) or at_venue(story) == 0)
            if sold:
                await story.until(lambda: at_venue(story) == 0)
            kill(story)
            nursery.cancel_scope.cancel()
        await story.wait(1)
        await story.boot()
        await story.until(lambda: bool(list(story.journal.rows(kind=CLOSED_ROW))), within_s=60)
        report = list(story.journal.rows(kind=CLOSED_ROW))[-1].decode(CloseReport)
        assert (report.flat, [one.at_venue for one in report.positions]) == (True, [0])


async def test_positions_that_are_not_told_are_not_flat(open_story, autojump_clock):
    """No stream tells positions: without the venue's answer nothing is proved, whatever our fills say."""
    async with open_story(settings=SHORT_BOUND) as story:
        await lent(story)
        await story.wait(SETTLED_S)
        story.world.exchange.faults = ScriptedFaults().always("OpenPositions", http_error(503))
        report = await story.engine.close(BTC)
        assert at_venue(story) == 0
        assert [one.code for one in report.not_flat] == ["POSITIONS_NOT_TOLD"]
        story.world.exchange.faults = ScriptedFaults()
        await story.wait(SETTLED_S)
        assert (await story.engine.close(BTC)).flat


async def test_venue_that_answers_nothing_holds_no_close_beyond_its_bound(open_story, autojump_clock):
    """Three questions end it, and each may cost three seconds: they go side by side."""
    async with open_story(settings=SHORT_BOUND) as story:
        await lent(story)
        await story.wait(SETTLED_S)
        faults = ScriptedFaults()
        for method in ("OpenOrders", "BalanceEx", "OpenPositions"):
            faults.always(method, answer_late(30))
        story.world.exchange.faults = faults
        report = await story.engine.close(BTC)
        assert (report.flat, report.took_s <= SHORT_BOUND.close_bound_s) == (False, True)


async def test_stale_positions_are_not_believed(open_story, autojump_clock):
    """REST lags by three seconds: the old reading still shows what was sold, and nobody calls that a rest."""
    async with open_story(settings=LENT, sim=SimSettings(rest_lag_s=3)) as story:
        await lent(story)
        await story.wait(SETTLED_S)
        report = await story.engine.close(BTC)
        assert report.flat, "\n".join(report.lines())


async def test_close_of_coins_asks_for_no_positions(open_story, autojump_clock):
    """Where nothing was ever traded on margin its list is not asked for."""
    async with open_story() as story:
        story.market()
        await story.bought()
        story.world.exchange.faults = ScriptedFaults().always("OpenPositions", http_error(503))
        report = await story.engine.close(BTC)
        assert (report.flat, report.positions) == (True, ())


async def test_person_who_closed_our_position_leaves_nothing_to_be_flat_of(open_story, autojump_clock):
    """Taken over and closed there by hand: the venue holds nothing, and nothing is what flat means."""
    async with open_story(**lending()) as story:
        story.may_exceed = True
        case = await lent(story)
        by_hand(story, "sell", "0.02")
        await story.ended(case, within_s=300)
        report = await story.engine.close(BTC)
        assert (report.flat, report.positions[0].at_venue) == (True, 0)
