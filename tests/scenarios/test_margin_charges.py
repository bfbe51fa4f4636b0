"""Stories of what margin costs beside the fees of fills: whose loss it is, told once, also over restarts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.accounts.charges import UNATTRIBUTED
from engine.cli.money import _quality_lines
from engine.control.money import QualityList
from engine.risk.limits import Limits, StrategyLimits
from engine.runtime.ledger_rows import CHARGE_ROW, charge_words, read_ledger
from engine.runtime.money_events import ForeignMovement, MarginCharged
from engine.runtime.settings import EngineSettings
from engine.sim import ScriptedFaults, SimSettings, http_error
from tests.scenarios.margin_story import LENT, by_hand, lent
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import ETH, Story, d

ROLLS_S = 30
ASKED_S = 75
"""So long after a start the venue's ledger has been asked for what the stream has not told."""


killed_asking = pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")
"""Margin is asked for right after a fill: killed within that, httpx leaves its request where it stood."""


def charging(open_fee: str = "0.02", rollover: str = "0.02", **how: Any) -> dict[str, Any]:
    """Open a story in which margin has its price: percent of the cost at once, and every ROLLS_S."""
    members = {"margin_open_fee_pct": d(open_fee), "margin_rollover_fee_pct": d(rollover), **how}
    return {"settings": LENT, "sim": SimSettings(margin_rollover_s=ROLLS_S, **members)}


def charged(story: Story) -> dict[tuple[str, str], Decimal]:
    """What the books say that margin took in USD, by strategy and market."""
    results = story.engine.services.accounts.ledger.results.values()
    return {(one.strategy_id, one.symbol): one.charges["USD"] for one in results if one.charges}


def taken(story: Story) -> Decimal:
    """What the exchange's own ledger has taken from the account in all, beside profits."""
    return sum((row.fee for row in story.world.exchange._venue.core.accounts["client"].ledger.rows), Decimal(0))


def fees(story: Story) -> Decimal:
    """All fees in USD by our books."""
    results = story.engine.services.accounts.ledger.results.values()
    return sum((one.fees.get("USD", Decimal(0)) for one in results), Decimal(0))


@pytest.mark.parametrize("told_in", ["entry", "fill", "own_entry"])
async def test_opening_fee_is_a_loss_of_its_strategy_wherever_the_venue_tells_it(open_story, autojump_clock, told_in):
    """A thousand dollars at two hundredths of a percent, beside the fee of the trade: counted once."""
    async with open_story(**charging(rollover="0", margin_open_fee_in=told_in)) as story:
        before = story.truth.balances()["USD"]
        await lent(story, strategy_id="a")
        await story.wait(2)
        (row,) = story.engine.money.pnl("strategy").rows
        assert (row.name, row.realized) == ("a", story.truth.balances()["USD"] - before)
        assert row.fees == {"USD": taken(story)}
        assert row.charges == ({} if told_in == "fill" else {"USD": d("0.2")})
        assert (await story.engine.money.balances()).reconciled in (True, None)
        said = [charge_words(row) for row in story.journal.rows(kind=CHARGE_ROW)]
        if told_in != "fill":
            assert f"0.2 USD opening fee of {story.truth.trades[0].exec_id}: a loss of a in BTC/USD" in said


async def test_quality_tells_what_a_signals_position_cost_on_margin(open_story, autojump_clock):
    """Opening and two rollovers, beside the fees of its fills, which the profit of the signal holds."""
    async with open_story(**charging()) as story:
        case = await lent(story)
        await story.wait(2 * ROLLS_S + 2)
        one = await story.engine.money.quality(case.signal_id)
        assert one.charges == {"USD": d("0.6")}
        (line,) = [line for line in _quality_lines(QualityList((one,))) if "margin took" in line]
        assert line.endswith("margin took 0.6 USD beside")


async def test_rollovers_are_losses_of_the_strategy_and_market_whose_position_they_belong_to(
    open_story, autojump_clock
):
    """Two strategies, two markets, three positions: each pays for its own, and the events tell it."""
    async with open_story(**charging(open_fee="0")) as story:
        story.market("2499", "2501", "3", ETH)
        with story.engine.money.read((MarginCharged,)) as events:
            await lent(story, strategy_id="a")
            story.market()
            await story.bought("0.01", leverage="5", strategy_id="b")
            await story.bought("0.1", symbol=ETH, limit="2500", stop="2400", target=None, leverage="5", strategy_id="b")
            await story.wait(ROLLS_S + 2)
            told = [await anext(events) for _ in range(events.waiting)]
        assert charged(story) == {("a", "BTC/USD"): d("0.2"), ("b", "BTC/USD"): d("0.1"), ("b", ETH): d("0.05")}
        assert {(one.strategy_id, one.symbol, one.qty) for one in told} == {
            (strategy, symbol, qty) for (strategy, symbol), qty in charged(story).items()
        }
        assert fees(story) == taken(story)
        assert [row.charges for row in story.engine.money.pnl("symbol").rows] == [
            {"USD": d("0.3")},
            {"USD": d("0.05")},
        ]


@killed_asking
@pytest.mark.parametrize("power_loss", [False, True])
@pytest.mark.parametrize("ref", ["position", "order"])
async def test_rollovers_while_the_engine_was_off_are_booked_once(open_story, autojump_clock, ref, power_loss):
    """The next start asks the venue's ledger; the start after it finds nothing new, and a replay has the same books."""
    async with open_story(**charging(margin_rollover_ref=ref)) as story:
        await lent(story)
        await story.wait(ROLLS_S + 2)
        for _ in range(3):
            kill(story, power_loss=power_loss)
            await story.wait(3 * ROLLS_S)
            await story.boot()
            await story.wait(ASKED_S)
        await story.wait(10)
        assert fees(story) == taken(story)
        rows = list(story.journal.rows(kind=CHARGE_ROW))
        assert len(rows) == len({row.body for row in rows})
        folded, _ = read_ledger(story.journal, {"USD": Decimal(1)})
        assert folded.results == story.engine.services.accounts.ledger.results
        assert (await story.engine.money.balances()).reconciled


@killed_asking
async def test_charges_told_between_fill_and_kill_are_found_by_the_next_start(open_story, autojump_clock):
    """Killed in the tick of the entry's fill: its opening fee was told to nobody."""
    async with open_story(**charging(rollover="0")) as story:
        story.market()
        case = await story.submit(leverage="5")
        await story.until(lambda: bool(case.resting("entry")))
        story.ask("50000", "0.02")
        await story.until(lambda: case.entry().cum_qty == d("0.02"))
        kill(story)
        await story.boot()
        await story.wait(ASKED_S)
        assert fees(story) == taken(story)
        assert charged(story)


async def test_books_in_the_journal_carry_what_was_charged(open_story, autojump_clock, monkeypatch):
    """A start on the journalled books books no entry again, and knows whose later rollovers are."""
    monkeypatch.setattr("engine.runtime.account_desk.SNAPSHOT_FILLS", 2)
    async with open_story(**charging()) as story:
        await lent(story)
        await story.wait(ROLLS_S + 2)
        assert list(story.journal.rows(kind="ledger"))
        kill(story)
        await story.boot()
        await story.wait(3 * ROLLS_S + 4)
        assert fees(story) == taken(story)


async def test_rollover_of_a_position_that_only_the_venue_remembers_is_asked_for(open_story, autojump_clock):
    """The books have forgotten the fill: the position's order, and the journal's intent for it, tell whose it is."""
    async with open_story(**charging(open_fee="0")) as story:
        await lent(story, strategy_id="a")
        await story.wait(2)
        story.engine.services.accounts.ledger.charges.lots.clear()
        story.engine.services.balance_desk.reconciliation._lent.clear()
        with story.engine.money.read((ForeignMovement,)) as events:
            await story.wait(ROLLS_S + 15)
            assert events.waiting == 0
        assert charged(story) == {("a", "BTC/USD"): d("0.2")}


@killed_asking
async def test_rollover_of_an_ended_bracket_of_an_earlier_process_is_found_by_its_order(
    open_story, autojump_clock, monkeypatch
):
    """No book and no living bracket knows the fill: the venue names its order, and the journal whose that is."""
    monkeypatch.setattr("engine.accounts.charges.LOTS_MOST", 1)
    async with open_story(**charging(open_fee="0")) as story:
        story.market()
        bare = {"stop": None, "target": None, "leverage": "5"}
        first = await story.submit(limit="50010", strategy_id="a", **bare)
        await story.ended(first)
        story.market("2499", "2501", "3", ETH)
        await story.ended(await story.submit(symbol=ETH, qty="0.1", limit="2501", strategy_id="b", **bare))
        await story.wait(2)
        kill(story)
        await story.wait(1)
        await story.boot()
        await story.wait(2 * ROLLS_S + 15)
        assert [story.engine.services.desk.name_of(first.entry().order_id), charged(story).keys()] == [
            None,
            {("a", "BTC/USD"), ("b", ETH)},
        ]
        assert fees(story) == taken(story)


async def test_a_persons_rollover_is_shown_as_foreign_and_costs_no_strategy_anything(open_story, autojump_clock):
    """Their position beside ours: each entry goes where its position was opened."""
    async with open_story(**charging(open_fee="0")) as story:
        await lent(story, strategy_id="a")
        story.market()
        by_hand(story, "buy", "0.01")
        await story.wait(ROLLS_S + 15)
        assert charged(story) == {("a", "BTC/USD"): d("0.2")}
        found = await story.engine.money.balances()
        assert [one.kind for one in found.movements if one.kind == "rollover"] == ["rollover"]


@killed_asking
async def test_rollover_that_names_nothing_is_unattributed_and_in_the_profit(open_story, autojump_clock):
    """Every open position is ours, so the loss is: a line of its own, no strategy's, and the sum is exact."""
    async with open_story(**charging(margin_rollover_ref="own")) as story:
        before = story.truth.balances()["USD"]
        await lent(story, strategy_id="a")
        await story.wait(ROLLS_S + 5)
        assert charged(story) == {("a", "BTC/USD"): d("0.2"), (UNATTRIBUTED, UNATTRIBUTED): d("0.2")}
        assert {row.name for row in story.engine.money.pnl("strategy").rows} == {"a", UNATTRIBUTED}
        (row,) = story.engine.money.pnl().rows
        assert row.realized == story.truth.balances()["USD"] - before
        kill(story)
        await story.boot()
        await story.wait(5)
        assert charged(story)[UNATTRIBUTED, UNATTRIBUTED] == d("0.2")


async def test_rollover_that_names_nothing_is_foreign_beside_a_persons_position(open_story, autojump_clock):
    """It may be theirs: it is shown, and nobody of ours is charged by a guess."""
    async with open_story(**charging(open_fee="0", margin_rollover_ref="own")) as story:
        await lent(story, strategy_id="a")
        story.market()
        by_hand(story, "buy", "0.01")
        await story.wait(ROLLS_S + 15)
        assert charged(story) == {}
        found = await story.engine.money.balances()
        assert [one.kind for one in found.movements if one.kind == "rollover"] == ["rollover"] * 2


async def test_profit_says_so_while_the_ledger_cannot_be_asked(open_story, autojump_clock):
    """A key without that permission, or no answer: what may be missing is told, and booked when it can be had."""
    async with open_story(**charging()) as story:
        await lent(story)
        await story.wait(2)
        kill(story)
        await story.wait(3 * ROLLS_S)
        story.world.exchange.faults = ScriptedFaults().always("Ledgers", http_error(503))
        await story.boot()
        await story.wait(2)
        assert story.engine.money.pnl().charges_why.endswith("are still to be asked for")
        await story.wait(ASKED_S)
        assert "still to be asked for: " in story.engine.money.pnl().charges_why
        assert fees(story) < taken(story)
        story.world.exchange.faults = ScriptedFaults()
        await story.wait(140)
        assert story.engine.money.pnl().charges_why == ""
        assert fees(story) == taken(story)


async def test_rollovers_reach_the_strategys_loss_limit(open_story, autojump_clock):
    """No fill, no price move: what keeping the position costs halts the strategy that holds it, and no other."""
    limits = Limits(leverage_most=5, strategy={"a": StrategyLimits(daily_realized_loss_most=d("5"))})
    how = charging(open_fee="0", rollover="0.3")
    how["settings"] = EngineSettings(limits=limits)
    async with open_story(**how) as story:
        await lent(story, strategy_id="a")
        await story.wait(2)
        assert story.engine.trading_state("a") == "ACTIVE"
        await story.wait(ROLLS_S + 5)
        assert story.engine.trading_state("a") != "ACTIVE"
        assert story.engine.trading_state("b") == "ACTIVE"


@killed_asking
async def test_stream_that_flaps_does_not_put_the_question_off_for_ever(open_story, autojump_clock):
    """Killed with rollovers to come, then broken every forty seconds: they are asked for all the same."""
    async with open_story(**charging()) as story:
        await lent(story)
        await story.wait(2)
        kill(story)
        await story.wait(3 * ROLLS_S)
        await story.boot()
        off = fees(story)
        for _ in range(4):
            await story.wait(40)
            for connection in story.world.wire.connections:
                connection.reset()
        assert fees(story) >= off + 7 * d("0.2")  # five since the start, and more of those while it was off
        await story.wait(100)
        assert (story.engine.money.pnl().charges_why, fees(story)) == ("", taken(story))
