"""Limits before the wire: what is in flight counts, numbers are told, and nothing ever stops an exit."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest
import structlog

from engine.orders.events import ExecutionReport
from engine.risk.limits import Limits, StrategyLimits, SymbolLimits
from engine.runtime.settings import EngineSettings
from engine.sim import SimSettings
from engine.values.money import Qty
from engine.values.time import NS
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import BTC, Case, Story, d
from tests.scenarios.wire_tap import WireTap


def within(**limits: object) -> EngineSettings:
    """Settings with these limits."""
    return EngineSettings(limits=Limits(**limits))  # type: ignore[arg-type]


def denied(case: Case, code: str) -> None:
    """The signal was refused with this code."""
    assert (case.submitted.status, case.submitted.code) == ("denied", code), case.submitted


def reports_of(story: Story, cases: Iterable[Case]) -> list[ExecutionReport]:
    """The denied reports that were published for these signals."""
    names = {case.signal_id for case in cases}
    return [report for report in story.reports if report.signal_id in names and report.exec_type == "denied"]


POSITION = {"each_symbol": SymbolLimits(position_qty_most=Qty(d("0.05")))}


async def test_position_counts_what_is_in_flight(open_story, autojump_clock):
    """Decided, resting and filled alike: the third signal is one too many, told with its numbers."""
    async with open_story(settings=within(**POSITION)) as story:
        story.market()
        await story.bought()
        resting = await story.submit(limit="49900")
        too_much = await story.submit(limit="49800")
        denied(too_much, "POSITION_LIMIT")
        await story.wait(1)
        (report,) = reports_of(story, [too_much])
        assert (report.code, report.ord_status, report.cl_ord_id) == ("POSITION_LIMIT", "denied", "")
        assert report.numbers is not None
        assert (report.numbers.limit, report.numbers.observed, report.numbers.in_flight) == (
            d("0.05"),
            d("0.06"),
            d("0.04"),
        )
        assert (await story.submit(limit="49800", qty="0.01")).submitted.status == "accepted"
        assert resting.resting("entry")


async def test_signals_of_one_tick_share_the_limit(open_story, autojump_clock):
    """All are judged before any is sent: those accepted count."""
    async with open_story(settings=within(**POSITION)) as story:
        story.market()
        cases = [await story.submit(limit="49900") for _ in range(4)]
        assert [case.submitted.status for case in cases] == ["accepted", "accepted", "denied", "denied"]
        await story.until(lambda: sum(len(case.resting("entry")) for case in cases) == 2)
        await story.wait(1)
    assert len(story.truth.orders) == 2


async def test_room_comes_back_when_an_entry_ends(open_story, autojump_clock):
    """A cancelled entry is in flight no more; after a kill the position is still known."""
    async with open_story(settings=within(**POSITION)) as story:
        story.market()
        held = await story.bought()
        resting = await story.submit(limit="49900")
        denied(await story.submit(limit="49800"), "POSITION_LIMIT")
        story.engine.cancel(resting.signal_id)
        await story.ended(resting)
        assert (await story.submit(limit="49800")).submitted.status == "accepted"
        kill(story)
        await story.boot()
        denied(await story.submit(limit="49700"), "POSITION_LIMIT")
        story.market(bid="51000", ask="51010")
        await story.ended(held)
        assert (await story.submit(limit="49700")).submitted.status == "accepted"


async def test_position_without_a_bracket_still_counts(open_story, autojump_clock):
    """Bought without stop or target, handed over at once: the next buy is judged by what is held."""
    async with open_story(settings=within(**POSITION)) as story:
        story.market()
        for _ in range(2):
            case = await story.submit(limit=None, stop=None, target=None)
            await story.ended(case)
            assert case.outcome == "taken_over"
        denied(await story.submit(), "POSITION_LIMIT")
        sale = await story.submit(side="sell", qty="0.04", limit=None, stop=None, target=None)
        await story.ended(sale)
        assert story.engine.services.accounts.ledger.qty(BTC) == 0
        assert (await story.submit()).submitted.status == "accepted"


async def test_what_one_bracket_holds_short_makes_no_room_for_what_others_buy(open_story, autojump_clock):
    """Mixed 35: its stop may buy it back, and then all that was bought stands alone. Its exits are let through."""
    async with open_story(settings=within(**POSITION)) as story:
        story.market()
        short = await story.bought("0.04", side="sell", limit="50000", stop="51000", target=None)
        first = await story.submit(limit="49900", qty="0.03")
        denied(await story.submit(limit="49900", qty="0.03"), "POSITION_LIMIT")
        denied(await story.submit(side="sell", limit="50500", stop="51500", target=None), "POSITION_LIMIT")
        story.market(bid="51000", ask="51010")
        story.print("51000")
        await story.ended(short)
        assert short.outcome == "stop"
        assert (await story.submit(limit="49900", qty="0.02")).submitted.status == "accepted"
        assert first.resting("entry")


async def test_market_that_moves_while_the_entry_waits_is_judged_again(open_story, autojump_clock):
    """Accepted within the collar, kept back by the link, and outside the collar when it could go: denied, not sent."""
    async with open_story(settings=within(collar_bps=d(100))) as story:
        story.market()
        await story.bought(limit="49995", stop="45000", target=None)
        story.world.wire.refuse(3)
        story.connection("executions").reset()
        await story.until(lambda: not story.engine.services.stream_up())
        case = await story.submit(limit="50000", stop="46000")
        assert case.submitted.status == "accepted"
        story.market(bid="47990", ask="48010")
        await story.ended(case)
        await story.wait(1)
        (report,) = reports_of(story, [case])
        assert report.code == "PRICE_COLLAR"
        assert case.closed.reason.startswith("PRICE_COLLAR: buy at 50000 against 48010: ")
        assert case.sent() == []


async def test_reason_that_comes_right_after_the_acceptance_keeps_the_entry_back(open_story, autojump_clock):
    """Each attempt is judged anew: nothing of it leaves, and its end names the reason."""
    async with open_story() as story:
        story.market()
        tap = WireTap(story.world)
        case = await story.submit()
        gate = story.engine.services.gate
        gate.close("LOOKED", "in the tick of its acceptance", BTC)
        await story.ended(case)
        assert tap.orders() == []
    assert case.outcome == "abandoned"
    assert "LOOKED" in case.closed.reason


async def test_entries_within_a_second_are_counted(open_story, autojump_clock):
    """The third is denied; a second later there is room."""
    async with open_story(settings=within(orders_per_second=2)) as story:
        story.market()
        cases = [await story.submit(limit="49900") for _ in range(3)]
        denied(cases[2], "ORDER_RATE_LIMIT")
        await story.wait(1.2)
        assert (await story.submit(limit="49900")).submitted.status == "accepted"


async def test_open_orders_are_counted_with_exits(open_story, autojump_clock):
    """A stop that rests takes a place, of the strategy too."""
    limits = {"open_orders_most": 3, "each_strategy": StrategyLimits(open_orders_most=2)}
    async with open_story(settings=within(**limits)) as story:
        story.market()
        await story.bought(strategy_id="a")
        assert (await story.submit(limit="49900", strategy_id="a")).submitted.status == "accepted"
        denied(await story.submit(limit="49900", strategy_id="a"), "STRATEGY_ORDERS_LIMIT")
        assert (await story.submit(limit="49900", strategy_id="b")).submitted.status == "accepted"
        denied(await story.submit(limit="49900", strategy_id="b"), "OPEN_ORDERS_LIMIT")


async def test_balance_is_what_no_order_of_ours_may_take(open_story, autojump_clock):
    """Two entries fit into the account, the third does not; one that ends makes room."""
    sim = SimSettings(accounts={"client": {"USD": d("2100"), "BTC": d(0)}})
    async with open_story(sim=sim, settings=within(check_balance=True)) as story:
        story.market()
        cases = [await story.submit(limit="49900") for _ in range(3)]
        assert [case.submitted.status for case in cases] == ["accepted", "accepted", "denied"]
        denied(cases[2], "BALANCE_SHORT")
        denied(await story.submit(side="sell", limit="50500", stop="52000", target=None), "BALANCE_SHORT")
        story.engine.cancel(cases[0].signal_id)
        await story.ended(cases[0])
        assert (await story.submit(limit="49900")).submitted.status == "accepted"


async def test_repeated_executions_throttle_a_strategy_until_a_person_rearms_it(open_story, autojump_clock):
    """The third fill within the window is the last; a kill does not help."""
    async with open_story(settings=within(repeats_most=2, repeats_window_s=60.0)) as story:
        story.market()
        for _ in range(3):
            await story.bought()
        denied(await story.submit(), "REPEATED_EXECUTIONS")
        kill(story)
        await story.boot()
        denied(await story.submit(), "REPEATED_EXECUTIONS")
        assert (await story.submit(strategy_id="other", limit="49900")).submitted.status == "accepted"
        assert not story.engine.rearm("other", "no need")
        assert story.engine.rearm("default", "looked into it")
        assert (await story.submit(limit="49900")).submitted.status == "accepted"


async def test_executions_before_a_kill_count_for_the_throttle(open_story, autojump_clock):
    """Two fills, a kill, a third: an engine that is started again and again executes no more than one that runs."""
    async with open_story(settings=within(repeats_most=2, repeats_window_s=60.0)) as story:
        story.market()
        await story.bought()
        partly = await story.submit()
        story.ask("50000", "0.01")
        await story.until(lambda: partly.covered("0.01"))
        await story.engine.journal.sync()
        kill(story)
        await story.boot()
        story.ask("50000", "0.01")
        await story.until(lambda: partly.covered("0.02"))  # the rest of the same entry is no further execution
        assert story.engine.services.risk.view().throttled == ()
        await story.bought()
        denied(await story.submit(), "REPEATED_EXECUTIONS")
        assert story.engine.rearm("default", "looked into it")
        await story.engine.journal.sync()
        kill(story)
        await story.boot()
        assert (await story.submit(limit="49900")).submitted.status == "accepted"  # what was re-armed counts no more


async def test_age_of_a_signal_counts_from_its_creation_where_it_says_so(open_story, autojump_clock):
    """Decided long ago and handed in now is stale; a clock ahead of ours makes it no younger than its arrival."""
    async with open_story(settings=within(signal_age_most_s=10.0)) as story:
        story.market()
        now_ns = story.engine.services.clock.now_ns()
        old, new = story.signal(limit="49900"), story.signal(limit="49900")
        denied(await story.hand_in(msgspec.structs.replace(old, created_ns=now_ns - 11 * NS)), "SIGNAL_STALE")
        ahead = await story.hand_in(msgspec.structs.replace(new, created_ns=now_ns + 3600 * NS))
        assert ahead.submitted.status == "accepted"


async def test_amend_by_a_person_is_as_fresh_as_the_word(open_story, autojump_clock):
    """Its signal is old by now; that is no reason to leave the entry at a price nobody wants any more."""
    async with open_story(settings=within(signal_age_most_s=10.0, collar_bps=d(100))) as story:
        story.market()
        case = await story.submit(limit="49000", stop="48000")
        await story.wait(60)
        name = case.entry().cl_ord_id
        assert (await story.engine.amend(name, d("49100"))).status == "amended"
        assert (await story.engine.amend(name, d("50900"))).code == "NOT_SENT"  # every other check still holds
        assert case.resting("entry")


async def test_coins_owed_are_bought_back_only_within_the_limits_of_entries(open_story, autojump_clock):
    """Nothing of ours proves that such an exit reduces, so it is held to what entries are; a short of ours does."""
    async with open_story(settings=within(**POSITION)) as story:
        story.market()

        async def owe(qty: str) -> str:
            return (await story.engine.protect(BTC, Qty(d(qty)), stop=d("51000"), side="sell")).code

        assert await owe("0.06") == "POSITION_LIMIT"
        story.engine.halt("enough")
        assert await owe("0.02") == "TRADING_HALTED"
        story.engine.resume_trading("go on")
        short = await story.submit(side="sell", limit=None, stop=None, target=None)
        await story.ended(short)
        story.engine.halt("enough")
        assert await owe("0.02") == ""
        assert await owe("0.02") == "TRADING_HALTED"  # the first bracket holds what was owed


async def test_stale_book_keeps_entries_back(open_story, autojump_clock):
    """Verified, but nothing has changed in it for too long."""
    async with open_story(settings=within(market_data_age_most_s=10.0)) as story:
        story.market()
        assert (await story.submit(limit="49900")).submitted.status == "accepted"
        await story.wait(11)
        denied(await story.submit(limit="49900"), "MARKET_DATA_STALE")
        story.bid("49980", "0.1")
        await story.wait(1)
        assert (await story.submit(limit="49900")).submitted.status == "accepted"


BREACHED = Limits(
    symbols=(),
    order_value_most=d("0.01"),
    collar_bps=d("0.01"),
    exposure_most=d("0.01"),
    open_orders_most=1,
    orders_per_second=1,
    repeats_most=1,
    daily_realized_loss_most=d("0.01"),
    daily_loss_most=d("0.01"),
    drawdown_most=d("0.01"),
    signal_age_most_s=0.001,
    market_data_age_most_s=0.001,
    check_balance=True,
    link_loss_halt_s=0.001,
    each_symbol=SymbolLimits(Qty(d("0.0001")), Qty(d("0.0001")), d("0.01")),
    each_strategy=StrategyLimits(d("0.01"), 1, d("0.01"), d("0.01")),
)
"""Nothing may be entered under these."""


@pytest.mark.parametrize("way", ["stop", "target"])
async def test_every_check_in_breach_at_once_and_the_exits_still_go_out(open_story, autojump_clock, way):
    """Halted, throttled, over every limit: the stop is placed, filled coins are covered, the exit trades."""
    async with open_story() as story:
        story.market()
        case = await story.submit()
        await story.until(lambda: case.entry_is("open"))
        # the limits tighten under the bracket's feet, as a restart with another file does
        risk = story.engine.services.risk
        risk._limits = story.engine.services.accounts._limits = BREACHED
        story.engine.services.gate.close("JOURNAL_STALLED", "in breach too")
        with structlog.testing.capture_logs() as logs:
            story.ask("50000", "0.02")
            await story.until(lambda: case.covered("0.02"))
            await story.until(lambda: story.engine.services.trading.view().state == "HALTED", within_s=3)
            denied(await story.submit(), "JOURNAL_STALLED")
            assert len(list(story.truth.orders)) == 2
            if way == "stop":
                story.market(bid="48900", ask="48910")
                story.print("48990")
            else:
                story.market(bid="51000", ask="51010")
            await story.ended(case)
        warned = {one["code"] for one in logs if one["event"] == "exit.warned"}
        assert {"SYMBOL_NOT_ALLOWED", "ORDER_VALUE_LIMIT", "ORDER_QTY_LIMIT"} <= warned
        assert not [one for one in logs if one["event"] == "exit.denied"]
    assert case.outcome == way


async def test_exits_are_never_denied_in_a_world_of_tight_limits(open_story, autojump_clock):
    """After a restart under limits that forbid everything the bracket is covered and closed as ever."""
    async with open_story() as story:
        story.market()
        case = await story.submit()
        await story.until(lambda: case.entry_is("open"))
        kill(story)
        story.world.settings = EngineSettings(limits=BREACHED)
        story.ask("50000", "0.02")
        await story.boot()
        await story.until(lambda: case.covered("0.02"))
        story.market(bid="51000", ask="51010")
        await story.ended(case)
    assert case.outcome == "target"
