"""Stories of money: what we hold and made, what others moved, and what nobody explains."""

from __future__ import annotations

from decimal import Decimal

import trio

from engine.chaos.world import World
from engine.control.desk import Desk
from engine.control.money import list_balances, tell_pnl, tell_quality
from engine.runtime.account_desk import SNAPSHOT_FILLS
from engine.runtime.balance_views import MOVEMENT_ROW, BalanceList
from engine.runtime.ledger_rows import LEDGER_ROW, read_ledger
from engine.runtime.money_events import (
    BalanceChanged,
    BalanceMismatch,
    ForeignMovement,
    MoneyEvent,
    PositionChanged,
)
from engine.sim import ScriptedFaults, SimSettings, http_error
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import BTC, Case, Story, d

STEADY_S = 25
"""After so long without a reconnect the balances mean something."""


def moved(world: World, start: dict[str, Decimal]) -> dict[str, Decimal]:
    """What the exchange's own books say has changed."""
    now = world.exchange.truth.balances()
    return {asset: change for asset in now if (change := now[asset] - start.get(asset, Decimal(0)))}


def pay_in(story: Story, asset: str, amount: str) -> None:
    """Let a deposit arrive, or with a minus a withdrawal leave."""
    core = story.world.exchange._venue.core
    core.pay_in(core.accounts["client"], asset, d(amount))


def unexplained(found: BalanceList) -> dict[str, Decimal]:
    """What the verb calls unexplained."""
    return {one.asset: one.unexplained for one in found.balances if one.unexplained}


async def round_trip(story: Story, **members: object) -> Case:
    """Buy, and sell at the target."""
    case = await story.bought(**members)
    story.market("51000", "51010")
    await story.ended(case)
    story.market()
    return case


async def test_round_trip_makes_what_the_balances_show(open_story, autojump_clock):
    """Bought, covered, sold: profit, fees and positions are the exchange's own, and everything is reconciled."""
    async with open_story() as story:
        start = story.truth.balances()
        story.market()
        await round_trip(story, strategy_id="a")
        await story.wait(STEADY_S)
        money = story.engine.money
        (row,) = money.pnl("strategy").rows
        assert (row.name, row.quote, row.unrealized) == ("a", "USD", 0)
        assert {"USD": row.realized} == moved(story.world, start)
        assert row.fees == story.truth.fees_collected()
        assert money.positions().positions == ()
        balances = await money.balances()
        assert (balances.reconciled, unexplained(balances)) == (True, {})
        assert {one.asset: one.booked for one in balances.balances}["USD"] == row.realized


async def test_position_is_held_at_average_cost_and_valued_by_the_book(open_story, autojump_clock):
    """Two strategies in one market: each has its own, the total is the sum, the mark is what it would be sold at."""
    async with open_story() as story:
        story.market()
        await story.bought("0.02", strategy_id="a")
        story.market()
        await story.bought("0.01", strategy_id="b", limit="50000")
        story.market("50100", "50110")
        await story.wait(1)
        found = story.engine.money.positions()
        assert [(one.strategy_id, one.qty, one.avg_px, one.mark_px) for one in found.positions] == [
            ("a", d("0.02"), 50000, 50100),
            ("b", d("0.01"), 50000, 50100),
        ]
        (total,) = found.totals
        assert (total.strategy_id, total.qty, total.cost, total.unrealized) == ("", d("0.03"), 1500, 3)


async def test_holds_are_what_the_stops_bind(open_story, autojump_clock):
    """The query tells what resting orders hold; without an answer they are not known, and it says why."""
    async with open_story(sim=SimSettings(untriggered_stops_hold_funds=True)) as story:
        story.market()
        await story.bought("0.02")
        held = {one.asset: one.hold for one in (await story.engine.money.balances()).balances}
        assert held["BTC"] == story.truth.held()["BTC"] == d("0.02")
        story.world.exchange.faults = ScriptedFaults().always("BalanceEx", http_error(503))
        found = await story.engine.money.balances()
        assert found.holds_why
        assert {one.hold for one in found.balances} == {None}


async def test_deposit_and_a_persons_trade_are_shown_as_foreign(open_story, autojump_clock):
    """Both explain the balance, move no position of ours and raise no alarm; a restart has them in the journal."""
    async with open_story() as story:
        story.market()
        await story.wait(STEADY_S)
        with story.engine.money.read((ForeignMovement, BalanceMismatch)) as events:
            pay_in(story, "USD", "250.5")
            story.house.place_client(BTC, "buy", d("0.1"))
            await story.wait(STEADY_S)
            found = await story.engine.money.balances()
            kinds = [(await anext(events)).movement.kind for _ in range(events.waiting)]
        assert sorted(kinds) == ["deposit", "trade", "trade"]
        assert (found.reconciled, story.engine.money.positions().positions) == (True, ())
        lines = {one.asset: (one.booked, one.foreign) for one in found.balances}
        assert lines["BTC"] == (0, d("0.1"))
        assert lines["USD"] == (0, moved(story.world, {"USD": d("100000")})["USD"])
        assert [one.kind for one in found.movements] == ["deposit", "trade", "trade"]
        assert len(list(story.journal.rows(kind=MOVEMENT_ROW))) == 3


async def test_balance_that_nobody_explains_is_alarmed_and_stays(open_story, autojump_clock, caplog):
    """Five dollars vanish: the verb and the events say so, our books stay as they are, until it is put right."""
    async with open_story() as story:
        core = story.world.exchange._venue.core
        story.market()
        await story.wait(STEADY_S)
        before = story.engine.money.pnl().rows
        with story.engine.money.read((BalanceMismatch,)) as events:
            core.accounts["client"].move("USD", d("-5"))
            pay_in(story, "USD", "1")  # the next entry shows the balance
            await story.wait(2)
            found = await story.engine.money.balances()
            assert (found.reconciled, unexplained(found)) == (False, {"USD": -5})
            assert (await anext(events)).unexplained == {"USD": -5}
            assert story.engine.money.pnl().rows == before
            core.accounts["client"].move("USD", d("5"))
            pay_in(story, "USD", "1")
            await story.wait(2)
            assert (await anext(events)).unexplained == {}
        assert (await story.engine.money.balances()).reconciled


async def test_stop_that_fires_while_the_engine_is_dead_is_no_mismatch(open_story, autojump_clock):
    """The start's balances hold it already; it is booked as ours, once."""
    async with open_story() as story:
        start = story.truth.balances()
        story.market()
        case = await story.bought("0.02")
        kill(story)
        story.market("48990", "49010")
        story.print("48990")
        await story.wait(60)
        await story.boot()
        await story.ended(case)
        await story.wait(STEADY_S)
        found = await story.engine.money.balances()
        assert (found.reconciled, unexplained(found)) == (True, {})
        (row,) = story.engine.money.pnl().rows
        assert {"USD": row.realized} == moved(story.world, start)


async def test_fill_while_the_stream_is_away_is_explained_when_it_is_back(open_story, autojump_clock):
    """The next opening state holds the fill before its report has come; nothing is alarmed."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: bool(case.resting("entry")))
        await story.wait(STEADY_S)
        with story.engine.money.read((BalanceMismatch,)) as events:
            story.connection("executions").reset()
            story.ask("50000", "0.02")
            await story.until(lambda: case.covered("0.02"))
            await story.wait(2 * STEADY_S)
            assert events.waiting == 0
        found = await story.engine.money.balances()
        assert (found.reconciled, unexplained(found)) == (True, {})


async def test_what_a_person_did_while_the_stream_was_away_is_asked_of_the_ledger(open_story, autojump_clock):
    """The opening state alone would be a mismatch; the venue's ledger has the deposit and the trade."""
    async with open_story() as story:
        story.market()
        await story.wait(STEADY_S)
        with story.engine.money.read((ForeignMovement, BalanceMismatch)) as events:
            for connection in story.world.wire.connections:
                connection.reset()
            pay_in(story, "USD", "7")
            story.house.place_client(BTC, "buy", d("0.1"))
            await story.wait(2 * STEADY_S)
            told = [await anext(events) for _ in range(events.waiting)]
        assert [type(one) for one in told] == [ForeignMovement] * 3
        found = await story.engine.money.balances()
        assert (found.reconciled, unexplained(found)) == (True, {})
        assert {one.asset: one.foreign for one in found.balances}["BTC"] == d("0.1")


async def test_ledger_that_waits_for_room_in_the_counter_of_calls_is_still_asked(open_story, autojump_clock):
    """Four points come slowly: what the deposit could explain is alarmed meanwhile, and the question waits on."""
    async with open_story() as story:
        story.market()
        await story.wait(STEADY_S)
        with story.engine.money.read((ForeignMovement, BalanceMismatch)) as events:
            for connection in story.world.wire.connections:
                connection.reset()
            pay_in(story, "USD", "7")
            await story.wait(STEADY_S - 6)
            counter = story.engine.services.link._rest.query_key.budget.counter
            counter.charge(counter.threshold, trio.current_time())
            await story.wait(STEADY_S)
            told = [await anext(events) for _ in range(events.waiting)]
        assert [one.unexplained for one in told if isinstance(one, BalanceMismatch)] == [{"USD": d("7")}, {}]
        assert [one.movement.change for one in told if isinstance(one, ForeignMovement)] == [d("7")]


async def test_events_tell_every_fill_and_every_balance(open_story, autojump_clock):
    """One PositionChanged a fill, with what is held after it; balances as the venue tells them."""
    events: list[MoneyEvent] = []
    async with open_story() as story:
        story.market()
        with story.engine.money.read() as reader:
            await round_trip(story, strategy_id="a")
            await story.wait(1)
            while reader.waiting:
                events.append(await anext(reader))
        fills = [one for one in events if isinstance(one, PositionChanged)]
        assert [one.exec_id for one in fills] == [trade.exec_id for trade in story.truth.trades]
        assert (fills[0].qty, fills[-1].qty, fills[-1].cost) == (d("0.02"), 0, 0)
        totals = {one.asset: one.total for one in events if isinstance(one, BalanceChanged)}
        assert totals == {asset: story.truth.balances()[asset] for asset in totals}
        assert {one.kind for one in events if isinstance(one, BalanceChanged)} == {"trade"}


async def test_quality_tells_slippage_fees_and_every_stage_in_order(open_story, autojump_clock):
    """A market entry takes the ask: half the spread is lost against the middle; stages come one after another."""
    async with open_story() as story:
        story.market("49990", "50010")
        case = await story.submit(qty="0.02", limit=None)
        await story.until(lambda: case.covered("0.02"))
        story.market("48990", "49010")
        story.print("48990")
        await story.ended(case)
        one = await story.engine.money.quality(case.signal_id)
        assert one is not None
        assert (one.arrival_px, one.slippage_bps, one.outcome) == (50000, 2, "stop")
        stages = one.stages
        walk = (stages.signal, stages.journal, stages.wire, stages.open, stages.first_fill, stages.covered, stages.flat)
        assert list(walk) == sorted(walk)
        assert stages.signal
        assert stages.wire <= stages.ack < stages.flat  # the venue reports fills before it answers
        entry, stop = one.orders
        assert (entry.role, stop.role, stop.reference_px) == ("entry", "stop", 49000)
        assert stop.slippage_bps == ((49000 - stop.avg_px) / 49000 * 10000).quantize(d("0.01"))
        assert one.fees == story.truth.fees_collected()
        assert await story.engine.money.qualities(5) == [one]
        assert (await tell_quality(Desk(story.journal), {"signal": case.signal_id[:30]})).signals == (one,)


async def test_dead_engines_journal_still_tells_profit_and_its_last_balances(open_story, autojump_clock):
    """Closed in order it leaves its balances; profit is folded from the fills."""
    async with open_story() as story:
        start = story.truth.balances()
        story.market()
        await round_trip(story, strategy_id="a")
        made = moved(story.world, start)["USD"]
    desk = Desk(story.journal)
    (row,) = (await tell_pnl(desk, {"by": "day"})).rows
    assert (row.realized, row.unrealized, row.name) == (made, None, "2026-01-01")
    totals = {one.asset: one.total for one in (await list_balances(desk, {})).balances}
    assert totals["USD"] == story.truth.balances()["USD"]


async def test_day_that_ended_is_told_from_the_journal_and_a_start_folds_only_what_followed(open_story, autojump_clock):
    """Midnight writes the ledger down; a killed engine goes on from there with the same books."""
    async with open_story(limit_s=30 * 3600) as story:
        story.market()
        await round_trip(story, strategy_id="a")
        autojump_clock.jump(86_400)
        await story.wait(5)
        await story.bought("0.01", strategy_id="b")
        before = story.engine.money.pnl("day"), story.engine.services.accounts.ledger.books()
        assert [row.name for row in before[0].rows] == ["2026-01-01", "2026-01-02"]
        assert len(list(story.journal.rows(kind=LEDGER_ROW))) == 1
        kill(story)
        await story.boot()
        assert (story.engine.money.pnl("day"), story.engine.services.accounts.ledger.books()) == before
        _, folded = read_ledger(story.journal, {})
        assert folded == 1


async def test_ledger_is_journalled_after_many_fills(open_story, autojump_clock, monkeypatch):
    """Here after three: the next start folds fewer than that."""
    monkeypatch.setattr("engine.runtime.account_desk.SNAPSHOT_FILLS", 3)
    assert SNAPSHOT_FILLS > 3
    async with open_story() as story:
        story.market()
        for name in ("a", "b"):
            await round_trip(story, strategy_id=name)
            await story.wait(2)
        books = story.engine.services.accounts.ledger.books()
        assert len(list(story.journal.rows(kind=LEDGER_ROW))) == 1
        ledger, folded = read_ledger(story.journal, {"USD": Decimal(1)})
        assert folded < 3
        assert ledger.books() == books
