"""Fills that a ledger entry names and executions does not tell: asked for by their ids, and seldom."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
import trio

from engine.accounts.movement import Movement
from engine.errors import VenueRefused, VenueUnavailable
from engine.kraken.fill_memory import FillMemory
from engine.kraken.untold import ATTEMPTS, MOST_AWAITED, MOST_PAUSE_S, PATIENCE_S, Untold
from engine.orders.reports import Fill, OrderReport, ReportType
from engine.sim import ScriptedFaults
from tests.kraken.test_lost_fills import check, fill, rest_an_order


class Counted(ScriptedFaults):
    """Faults by plan, and how often fills were asked for by their ids."""

    asked = 0

    async def on_request(self, transport, method, phase, number):
        """Count, then judge."""
        self.asked += method == "QueryTrades" and phase == "before"
        return await super().on_request(transport, method, phase, number)


async def test_last_fill_before_a_silence_is_asked_for(stage, autojump_clock):
    """Its frame is lost and none follows: its ledger entries name it, and one question brings it, with its name.

    The stream that has left it out is given up, once.
    """
    async with stage.link() as link:
        await rest_an_order(link)
        await trio.sleep(1)
        stage.exchange.faults = faults = Counted().at_frame("executions", 1, "drop")
        fill(stage, 1)
        await trio.sleep(PATIENCE_S + 1)
        assert [r.cl_ord_id for r in stage.sink.reports if r.fill is not None] == ["c-1"]
        await trio.sleep(60)
        assert (faults.asked, link.links()[1].attempts) == (1, 2)
    assert check(stage) == 1


async def test_many_lost_fills_are_one_question(stage, autojump_clock):
    """Nine fills, not one frame: the first that is found proves the gap, and the next snapshot shows the others."""
    async with stage.link() as link:
        await rest_an_order(link)
        await trio.sleep(1)
        stage.exchange.faults = faults = Counted().frames_during("executions", 0, 2, "drop")
        fill(stage, 9)
        await trio.sleep(60)
    assert faults.asked == 1
    assert check(stage) == 9


async def test_fills_that_are_told_ask_nothing(stage, autojump_clock):
    """Our fills and a person's trades by hand come over executions: no question costs anything."""
    async with stage.link() as link:
        await rest_an_order(link)
        stage.exchange.faults = faults = Counted()
        fill(stage, 5)
        stage.exchange.house.quote("BTC/USD", "sell", Decimal(50001), Decimal(1))
        stage.exchange.house.place_client("BTC/USD", "buy", Decimal("0.01"))
        await trio.sleep(60)
    assert faults.asked == 0
    assert check(stage) == 6


async def test_fill_that_rest_does_not_know_yet_is_asked_for_again(stages, autojump_clock):
    """REST lags by half a minute: four questions with growing pauses, and the fill is told."""
    async with stages(rest_lag_s=30) as stage, stage.link() as link:
        await rest_an_order(link)
        await trio.sleep(1)
        stage.exchange.faults = faults = Counted().at_frame("executions", 1, "drop")
        fill(stage, 1)
        await trio.sleep(60)
        assert faults.asked == 4
    assert check(stage) == 1


async def test_stream_that_comes_back_tells_it_itself(stage, autojump_clock):
    """The connection goes right after the fill: the snapshot shows it, and nobody asks by id."""
    async with stage.link() as link:
        await rest_an_order(link)
        await trio.sleep(1)
        stage.exchange.faults = faults = Counted().at_frame("executions", 1, "drop")
        fill(stage, 1)
        await trio.sleep(0.5)
        stage.exchange.kick(private=True)
        await trio.sleep(60)
    assert faults.asked == 0
    assert check(stage) == 1


# --- the rule alone


class Rest:
    """Knows some fills; a question with any other id is refused as a whole. ``down``: it does not answer."""

    def __init__(self, *known: str) -> None:
        self.known, self.down, self.on_question = set(known), False, lambda: None
        self.questions: list[tuple[float, list[str]]] = []

    async def query_trades(self, exec_ids: Sequence[str], _urgency: object) -> list[OrderReport]:
        """Answer, or refuse."""
        await trio.lowlevel.checkpoint()
        self.questions.append((trio.current_time(), list(exec_ids)))
        self.on_question()
        if self.down:
            raise VenueUnavailable("down")
        if set(exec_ids) - self.known:
            raise VenueRefused(["EQuery:Invalid trade"])
        return [trade(exec_id) for exec_id in exec_ids]


def trade(exec_id: str) -> OrderReport:
    """Write a fill as REST tells it."""
    filled = Fill(exec_id, Decimal(1), Decimal(1), Decimal(1), (), "maker", 5)
    return OrderReport(ReportType.TRADE, "rest", "O-1", "partially_filled", 5, fill=filled)


def entry(ref_id: str, kind: str = "trade", wallet: str = "spot") -> Movement:
    """Write a ledger entry."""
    return Movement(f"L-{ref_id}", ref_id, kind, "BTC", Decimal(1), Decimal(0), 5, wallet)


class Bench:
    """The rule with a stream that can be away; ``told`` are the fills handed over."""

    def __init__(self, rest: Rest) -> None:
        self.rest, self.memory, self.up, self.told = rest, FillMemory(), True, []
        self.untold, self.given_up = Untold(rest, self.memory, self._tell), []

    async def _tell(self, found: Sequence[OrderReport]) -> None:
        for report in found:
            if self.memory.hear(report.fill):
                self.told.append(report.fill.exec_id)


@asynccontextmanager
async def running(rest: Rest):
    """Run the rule."""
    bench = Bench(rest)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.untold.run, lambda: bench.up, bench.given_up.append)
        yield bench
        nursery.cancel_scope.cancel()


async def test_entry_ahead_of_its_fill_asks_nothing(autojump_clock):
    """The two channels are not in step: a fill that comes within three seconds was not lost."""
    async with running(Rest("T-1")) as bench:
        bench.untold.hear(entry("T-1"))
        await trio.sleep(PATIENCE_S - 0.1)
        bench.memory.hear(trade("T-1").fill)
        await trio.sleep(60)
    assert bench.rest.questions == []


@pytest.mark.parametrize(
    "movement", [entry("R-1", "deposit"), entry("T-0", "rollover"), entry("R-2", "staking"), entry("T-2", wallet="x")]
)
async def test_what_no_fill_has_made_asks_nothing(autojump_clock, movement):
    """Deposits, rewards, other wallets, and rollovers, which name the fill that once opened the position."""
    async with running(Rest()) as bench:
        bench.untold.hear(movement)
        await trio.sleep(60)
    assert bench.rest.questions == []


async def test_id_that_rest_does_not_know_keeps_no_other_from_being_told(autojump_clock):
    """One refuses the whole question: then they are asked for apart, and it is given up after a minute and a half."""
    async with running(Rest("T-2", "T-3")) as bench:
        for name in ("X-1", "T-2", "T-3"):
            bench.untold.hear(entry(name))
        await trio.sleep(5 * PATIENCE_S)
        assert sorted(bench.told) == ["T-2", "T-3"]
        await trio.sleep(600)
        assert [ids for _, ids in bench.rest.questions].count(["X-1"]) == ATTEMPTS
        assert 60 < bench.rest.questions[-1][0] < 150
        bench.untold.hear(entry("T-2"))
        await trio.sleep(60)
        assert bench.rest.questions[-1][1] == ["X-1"]
    assert len(bench.given_up) == 2


async def test_entries_that_name_no_fill_cost_little(autojump_clock):
    """However many come: a point every three seconds at most, and every thirty when six questions were in vain."""
    async with running(Rest()) as bench:
        for number in range(40):
            bench.untold.hear(entry(f"X-{number}"))
            await trio.sleep(0.5)
        await trio.sleep(600)
    times = [at_s for at_s, _ in bench.rest.questions]
    pauses = [late - early for early, late in itertools.pairwise(times)]
    assert len(pauses) > ATTEMPTS
    assert min(pauses) >= PATIENCE_S - 1e-9
    assert min(pauses[ATTEMPTS - 1 :]) >= MOST_PAUSE_S - 1e-9


async def test_nothing_is_asked_while_no_stream_stands(autojump_clock):
    """Its next snapshot may tell; what that leaves out is asked for then."""
    async with running(Rest("T-1", "T-2")) as bench:
        bench.up = False
        bench.untold.hear(entry("T-1"))
        bench.untold.hear(entry("T-2"))
        await trio.sleep(300)
        assert (bench.rest.questions, bench.given_up) == ([], [])
        bench.memory.hear(trade("T-1").fill)
        bench.up = True
        await trio.sleep(PATIENCE_S)
        assert (bench.told, len(bench.rest.questions)) == (["T-2"], 1)


async def test_question_that_fails_is_put_again(autojump_clock):
    """An outage of REST, however long, is not the venue's word that there is no such fill."""
    async with running(Rest("T-1", "T-2")) as bench:
        bench.rest.down = True
        bench.untold.hear(entry("T-1"))
        bench.untold.hear(entry("T-2"))
        await trio.sleep(900)
        assert {tuple(ids) for _, ids in bench.rest.questions} == {("T-1", "T-2")}
        assert len(bench.rest.questions) < 40
        bench.rest.down = False
        await trio.sleep(MOST_PAUSE_S)
        assert bench.told == ["T-1", "T-2"]


async def test_stream_that_went_while_the_question_was_out_is_not_given_up_again(autojump_clock):
    """Another one is on its way up: its snapshot will tell."""
    async with running(Rest("T-1")) as bench:
        bench.untold.hear(entry("T-1"))
        bench.rest.on_question = lambda: setattr(bench, "up", False)
        await trio.sleep(60)
    assert (bench.told, bench.given_up) == (["T-1"], [])


async def test_more_than_can_be_awaited_lets_the_oldest_go(autojump_clock):
    """What is kept has a bound."""
    async with running(Rest()) as bench:
        bench.rest.known = {f"T-{number}" for number in range(MOST_AWAITED + 1)}
        for number in range(MOST_AWAITED + 1):
            bench.untold.hear(entry(f"T-{number}"))
        await trio.sleep(600)
    assert set(bench.told) == bench.rest.known - {"T-0"}
