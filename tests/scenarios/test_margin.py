"""Stories on margin: what is borrowed is protected by exits that can only give it back."""

from __future__ import annotations

import json

import pytest

from engine.orders.replay import Requested
from engine.risk.limits import Limits
from engine.runtime.money_events import MarginChanged
from engine.runtime.settings import EngineSettings
from engine.sim import ScriptedFaults, SimSettings, http_error
from tests.scenarios.margin_story import (
    SETTLED_S,
    accepted_unsent,
    at_venue,
    by_hand,
    during,
    lend,
    lending,
    lent,
    never_opened,
)
from tests.scenarios.restart.lives import back, forget, kill, open_cut_story
from tests.scenarios.story import BTC, d

WAYS = pytest.mark.parametrize("way", ["ws", "rest"])
SHORT = {"side": "sell", "limit": "50000", "stop": "51000", "target": "49000"}


@WAYS
async def test_long_on_margin_is_covered_and_sold_at_the_target(open_story, autojump_clock, way):
    """No coins move: the profit less the fees is what the account has more, and the venue holds nothing."""
    async with open_story(**lending(orders_via=way)) as story:
        before = story.truth.balances()
        case = await lent(story)
        assert at_venue(story) == d("0.02")
        assert story.truth.balances()["BTC"] == before["BTC"]
        story.market("51000", "51010")
        await story.ended(case)
        assert (case.outcome, at_venue(story)) == ("target", 0)
        (row,) = story.engine.money.pnl("strategy").rows
        assert row.realized == story.truth.balances()["USD"] - before["USD"]
        never_opened(story)


@WAYS
async def test_short_on_margin_is_bought_back_by_its_stop(open_story, autojump_clock, way):
    """Sold without coins; the stop above buys it back, reduce-only."""
    async with open_story(**lending(orders_via=way)) as story:
        case = await lent(story, **SHORT)
        assert at_venue(story) == d("-0.02")
        story.market("50990", "51010")
        story.print("51010")
        await story.ended(case)
        assert (case.outcome, at_venue(story)) == ("stop", 0)
        never_opened(story)
    stop = case.sent("stop")[0]
    assert (stop.side, stop.reduce_only, stop.leverage) == ("buy", True, 5)


async def test_entries_with_leverage_are_off_unless_allowed(open_story, autojump_clock):
    """Without a word in the limits nothing is borrowed, and the denial says where that word stands."""
    async with open_story() as story:
        story.market()
        case = await story.submit(leverage="2")
        assert (case.submitted.status, case.submitted.code) == ("denied", "LEVERAGE_OFF")
        assert "limits.leverage_most" in case.submitted.reason
        assert story.truth.orders == {}


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"leverage": "7"}, "BTC/USD offers leverage 2, 3, 4, 5 for a buy, asked for is 7"),
        ({"leverage": "2", "symbol": "SOL/USD", "limit": "150", "stop": "140", "target": None, "qty": "1"},
         "SOL/USD offers no margin for a buy, asked for is 2"),
    ],
)  # fmt: skip
async def test_leverage_that_the_pair_does_not_offer_is_denied_with_the_numbers(
    open_story, autojump_clock, members, said
):
    """The venue's own list judges, before anything is sent."""
    async with open_story(**lending()) as story:
        story.market()
        story.market("149", "151", symbol="SOL/USD")
        case = await story.submit(**members)
        assert (case.submitted.code, case.submitted.reason) == ("LEVERAGE_NOT_OFFERED", said)
        assert story.truth.orders == {}


async def test_leverage_above_the_limit_is_denied(open_story, autojump_clock):
    """The pair offers five, the limits allow three."""
    limits = Limits(leverage_most=3)
    async with open_story(settings=EngineSettings(limits=limits)) as story:
        story.market()
        case = await story.submit(leverage="5")
        assert case.submitted.code == "LEVERAGE_LIMIT"


async def test_leverage_below_the_pairs_highest_goes_by_rest_and_its_exits_by_websocket(open_story, autojump_clock):
    """WebSocket cannot name it: the entry goes the way that can, and at exactly what was asked for."""
    async with open_story(**lending()) as story:
        case = await lent(story, leverage="3")
        assert [o.leverage for o in case.sent("entry")] == [3]
        story.market("51000", "51010")
        await story.ended(case)
        ways = {(row.decode(Requested).transport, roles(story)[row.cl_ord_id]) for row in news(story)}
    assert {("rest", "entry"), ("ws", "stop"), ("ws", "target")} == ways


async def test_exit_asks_for_a_leverage_that_its_own_side_lists(open_story, autojump_clock):
    """The venue lends less after a restart: exits by REST take what it lists now, and the position goes."""
    async with open_story(**lending(orders_via="rest")) as story:
        case = await lent(story)
        kill(story)
        lend(story, (2, 3))
        await back(story, case)
        story.market("51000", "51010")
        await story.ended(case)
        assert (case.sent("target")[0].leverage, at_venue(story)) == (3, 0)
        again = await story.submit(leverage="5")
        assert again.submitted.code == "LEVERAGE_NOT_OFFERED"


async def test_entry_not_sent_before_a_restart_is_denied_where_the_venue_lends_no_more(open_story, autojump_clock):
    """It was accepted at five, and waits for its stream; the next start finds that no such leverage is listed."""
    async with open_story(**lending()) as story:
        story.market()
        case = await accepted_unsent(story)
        kill(story)
        story.world.exchange.refuse(0)
        lend(story, ())
        await story.boot()
        await story.ended(case)
        assert (case.outcome, case.sent()) == ("abandoned", [])
    assert "LEVERAGE_NOT_OFFERED: BTC/USD offers no margin" in case.closed.reason


async def test_margin_requirement_takes_the_place_of_the_price(open_story, autojump_clock):
    """Two thousand dollars bear ten thousand at five to one, not eleven, and not beside what is in flight."""
    sim = SimSettings(accounts={"client": {"USD": d("2100")}})
    async with open_story(**lending(sim=sim)) as story:
        story.market()
        too_much = await story.submit(qty="0.22", leverage="5")
        assert too_much.submitted.code == "MARGIN_SHORT"
        fits = await story.submit(qty="0.15", leverage="5", limit="49500")
        assert fits.submitted.status == "accepted"
        beside = await story.submit(qty="0.15", leverage="5", limit="49500")
        assert beside.submitted.code == "MARGIN_SHORT"
        assert "1485 USD of it in flight" in beside.submitted.reason


async def test_margin_use_is_limited(open_story, autojump_clock):
    """At most a tenth of the equity may be bound, entries in flight included."""
    limits = Limits(leverage_most=5, margin_use_most_pct=d("10"))
    sim = SimSettings(accounts={"client": {"USD": d("10000")}})
    async with open_story(sim=sim, settings=EngineSettings(limits=limits)) as story:
        story.market()
        assert (await story.submit(qty="0.09", leverage="5", limit="49900")).submitted.status == "accepted"
        denied = await story.submit(qty="0.09", leverage="5", limit="49900")
        assert denied.submitted.code == "MARGIN_USE_LIMIT"
        assert "the limit is 1000 USD" in denied.submitted.reason


async def test_nothing_is_borrowed_while_the_venue_does_not_tell_the_margin(open_story, autojump_clock):
    """TradeBalance fails: the entry waits for it as long as for a book, then it is denied."""
    async with open_story(**lending()) as story:
        story.market()
        story.world.exchange.faults = ScriptedFaults().always("TradeBalance", http_error(503))
        case = await story.submit(leverage="5")
        assert case.submitted.code == "MARGIN_UNKNOWN"


async def test_margin_entry_of_the_other_side_is_denied(open_story, autojump_clock):
    """It would close what the first one has opened, and nobody could tell whose."""
    async with open_story(**lending()) as story:
        case = await lent(story)
        other = await story.submit(leverage="5", **SHORT)
        assert other.submitted.code == "MARGIN_OPPOSED"
        assert case.signal_id in other.submitted.reason


async def test_margin_entry_against_a_persons_position_is_denied(open_story, autojump_clock):
    """The venue tells of it: our sell would close their long."""
    async with open_story(**lending()) as story:
        story.market()
        by_hand(story, "buy", "0.01")
        await story.wait(1)
        case = await story.submit(leverage="5", **SHORT)
        assert case.submitted.code == "MARGIN_OPPOSED"
        assert "0.01" in case.submitted.reason


async def test_coins_and_margin_stand_apart(open_story, autojump_clock):
    """One strategy buys both ways: two positions, each sold by its own kind of order."""
    async with open_story(**lending()) as story:
        lent_case = await lent(story)
        story.market()
        coins = await story.bought("0.01")
        await story.wait(SETTLED_S)
        found = story.engine.money.positions()
        assert [(one.qty, one.margin, one.leverage) for one in found.positions] == [
            (d("0.02"), True, 5),
            (d("0.01"), False, None),
        ]
        assert [(one.qty, one.signal_id) for one in found.at_venue] == [(d("0.02"), lent_case.signal_id)]
        assert (found.mismatch, found.venue_why) == ({}, "")
        story.market("51000", "51010")
        await story.ended(lent_case, coins)
        never_opened(story)
    assert {o.leverage for o in coins.sent("stop")} == {None}
    assert {o.leverage for o in lent_case.sent("stop")} == {5}


async def test_trade_balance_is_told_by_the_verb(open_story, autojump_clock):
    """Equity, margin used and free, the level: the venue's own figures, and where it would liquidate."""
    sim = SimSettings(accounts={"client": {"USD": d("1000")}})
    async with open_story(**lending(sim=sim)) as story:
        assert (await story.engine.money.balances()).margin is None
        await lent(story, "0.04")
        story.market("49500", "49510")
        story.print("49500")
        await story.wait(SETTLED_S)
        margin = (await story.engine.money.balances()).margin
        core = story.world.exchange._venue.core
        account = core.accounts["client"]
        assert (margin.equity, margin.used, margin.free) == (
            core.margin.equity(account).quantize(d("0.0001")),
            d("400"),
            core.margin.free(account).quantize(d("0.0001")),
        )
        (one,) = story.engine.money.positions().positions
        assert one.liquidation_px == one.mark_px - (margin.equity - 160) / d("0.04")


# --- liquidation


PARTS = pytest.mark.parametrize("dead", [False, True], ids=["alive", "restarted"])


@PARTS
async def test_liquidation_ends_the_bracket_and_its_stop(open_story, autojump_clock, dead):
    """The venue closes it all: its fills are booked as ours, the stop goes, nothing is opened, a person must look."""
    async with open_story(**lending()) as story:
        story.may_exceed = True  # the venue's own order asks for what our stop asks for too
        before = story.truth.balances()
        case = await lent(story)
        await during(story, dead, lambda: story.house.liquidate(BTC))
        await story.ended(case, within_s=120)
        assert (case.outcome, at_venue(story), case.resting()) == ("liquidated", 0, [])
        assert "LIQUIDATED" in case.alarms()
        (row,) = story.engine.money.pnl("strategy").rows
        assert row.realized == story.truth.balances()["USD"] - before["USD"]
        assert (await story.submit(leverage="5")).submitted.code == "LIQUIDATED"
        never_opened(story)


@PARTS
async def test_stop_shrinks_after_a_partial_liquidation_and_sells_the_rest(open_story, autojump_clock, dead):
    """What the venue has left is what the stop guards; when it fires, it is flat and nothing is opened."""
    async with open_story(**lending()) as story:
        story.may_exceed = True
        case = await lent(story)
        await during(story, dead, lambda: story.house.liquidate(BTC, d("0.008")))
        await story.until(lambda: case.covered("0.012"), within_s=120)
        assert at_venue(story) == d("0.012")
        story.market("48990", "49010")
        story.print("48990")
        await story.ended(case)
        assert (case.outcome, at_venue(story)) == ("stop", 0)
        never_opened(story)


@PARTS
async def test_stop_that_fires_right_after_a_partial_liquidation_opens_nothing(open_story, autojump_clock, dead):
    """It is still too large: the venue cuts it to what is there, and the bracket ends flat."""

    def both() -> None:
        story.house.liquidate(BTC, d("0.008"))
        story.market("48990", "49010")
        story.print("48990")

    async with open_story(**lending()) as story:
        story.may_exceed = True  # for a moment the stop asks for more than is left
        case = await lent(story)
        await during(story, dead, both)
        await story.ended(case, within_s=200)
        assert (at_venue(story), case.resting()) == (0, [])
        never_opened(story)
    assert case.sent("stop")[0].cum_qty == d("0.012")


async def test_liquidation_is_found_where_the_stream_has_not_told_it(open_story, autojump_clock):
    """The stream is away meanwhile: the venue's positions are short, its list of trades has the reason."""
    async with open_story(**lending()) as story:
        story.may_exceed = True
        case = await lent(story)
        await story.wait(SETTLED_S)
        story.connection("executions").reset()
        story.house.liquidate(BTC, d("0.008"))
        await story.until(lambda: case.covered("0.012"), within_s=120)
        never_opened(story)


async def test_liquidation_among_two_brackets_shrinks_the_one_that_the_venue_names(open_story, autojump_clock):
    """The venue's positions name the orders that opened them: no guess is needed, and none is made."""
    async with open_story(**lending()) as story:
        story.may_exceed = True
        first = await lent(story)
        story.market()
        second = await story.bought("0.01", leverage="5")
        await story.wait(SETTLED_S)
        story.house.liquidate(BTC, d("0.008"))
        await story.until(lambda: first.covered("0.012"), within_s=120)
        assert second.covered("0.01")
        await story.wait(SETTLED_S)
        assert story.engine.money.positions().mismatch == {}
        never_opened(story)


# --- races


async def test_target_and_stop_that_rest_together_open_nothing(open_story, autojump_clock):
    """Both meet their price in one moment: the second finds no position, and is canceled by the venue."""
    async with open_story(**lending()) as story:
        story.may_exceed = True
        case = await lent(story, exits="both-rest")
        await story.until(lambda: bool(case.resting("target")))
        story.house.take(BTC, "buy", d("3"))
        story.bid("51000", "0.02")
        story.market("48990", "49010")
        story.print("48990")
        await story.ended(case, within_s=120)
        assert (at_venue(story), case.resting()) == (0, [])
        never_opened(story)


async def test_fill_told_after_its_exit_was_canceled_opens_nothing(open_story, autojump_clock):
    """Half the stop was matched before its cancel: the close that followed is cut to what was left."""
    async with open_story(**lending()) as story:
        story.may_exceed = True
        case = await lent(story)
        (stop,) = case.resting("stop")
        story.house.cancel_client(stop.order_id)
        story.house.late_fill(stop.order_id, d("0.01"), d("49000"))
        await story.wait(5)
        story.market("51000", "51010")
        await story.ended(case, within_s=120)
        assert at_venue(story) == 0
        never_opened(story)


async def test_close_of_a_margin_position_is_flat_and_reduces_only(open_story, autojump_clock):
    """The verb's market orders cannot open anything either; the proof expects no coins to move."""
    async with open_story(**lending()) as story:
        case = await lent(story)
        report = await story.engine.close(BTC)
        assert (report.flat, report.not_flat) == (True, ())
        assert at_venue(story) == 0
        never_opened(story)
    assert case.outcome == "flattened"


# --- what others do


@PARTS
async def test_person_who_closes_the_position_has_taken_it_over(open_story, autojump_clock, dead):
    """The venue holds nothing any more: the bracket says so, takes its stop back and tries nothing."""
    async with open_story(**lending()) as story:
        story.may_exceed = True
        case = await lent(story)
        await during(story, dead, lambda: by_hand(story, "sell", "0.02"))
        await story.ended(case, within_s=300)
        assert (case.outcome, case.resting(), at_venue(story)) == ("taken_over", [], 0)
        never_opened(story)
    assert case.alarms()[-1] == "TAKEN_OVER"
    assert "margin position is gone" in case.closed.reason


async def test_stop_that_finds_no_position_lets_go_at_once(open_story, autojump_clock):
    """A person has closed it, then the stop fires: the venue refuses what would open, and that is told."""
    async with open_story(**lending()) as story:
        story.may_exceed = True
        case = await lent(story)
        by_hand(story, "sell", "0.02")
        story.market("48990", "49010")
        story.print("48990")
        await story.ended(case, within_s=60)
        assert (case.outcome, at_venue(story)) == ("taken_over", 0)
        never_opened(story)


async def test_part_that_a_person_closes_is_shown_and_alarmed(open_story, autojump_clock):
    """Nobody knows whose part: the stop stays whole and can only reduce, entries wait, and the verb shows it."""
    async with open_story(**lending()) as story:
        story.may_exceed = True
        case = await lent(story)
        by_hand(story, "sell", "0.005")
        await story.wait(2 * SETTLED_S)
        assert story.engine.money.positions().mismatch == {BTC: d("-0.005")}
        codes = {one.code for one in story.engine.services.margin.conditions()}
        assert codes == {"MARGIN_MISMATCH"}
        assert (await story.submit(leverage="5")).submitted.code == "MARGIN_MISMATCH"
        assert case.covered("0.02")
        story.market("48990", "49010")
        story.print("48990")
        await story.ended(case, within_s=120)
        assert at_venue(story) == 0
        never_opened(story)


async def test_target_that_the_venue_cuts_is_not_grown_again(open_story, autojump_clock):
    """A person closes a part: the resting target is cut to what is left, then watched; there is no tug of war."""
    async with open_story(**lending()) as story:
        story.may_exceed = True
        case = await lent(story, exits="both-rest")
        await story.until(lambda: bool(case.resting("target")))
        by_hand(story, "sell", "0.005")
        await story.wait(5)
        assert case.resting("target") == []
        requests = len(story.truth.requests)
        await story.wait(30)
        assert len(story.truth.requests) == requests
        assert case.covered("0.02")
        story.market("51000", "51010")
        await story.ended(case, within_s=200)
        assert (at_venue(story), case.resting()) == (0, [])
        never_opened(story)


async def test_exit_that_closes_another_brackets_position_first_is_no_mismatch(open_story, autojump_clock):
    """First in, first out at the venue: by market all agrees, and which rows are left is shown."""
    async with open_story(**lending()) as story:
        first = await lent(story, "0.02", target=None)
        story.market()
        second = await story.bought("0.02", leverage="5", target="50500")
        story.market("50500", "50510")
        await story.ended(second)
        await story.wait(SETTLED_S)
        found = story.engine.money.positions()
        assert [(one.qty, one.signal_id) for one in found.at_venue] == [(d("0.02"), second.signal_id)]
        assert (found.mismatch, first.covered("0.02")) == ({}, True)
        never_opened(story)


async def test_margin_level_and_a_near_liquidation_are_alarmed_and_end(open_story, autojump_clock):
    """The price falls: both alarms stand while it is low, and are over when it is back."""
    sim = SimSettings(accounts={"client": {"USD": d("1000")}})
    async with open_story(**lending(sim=sim)) as story:
        with story.engine.money.read((MarginChanged,)) as events:
            await lent(story, "0.08", stop="40000", target=None)
            story.market("46000", "46010")
            story.print("46000")
            await story.wait(SETTLED_S)
            codes = {one.code for one in story.engine.services.margin.conditions()}
            assert codes == {"MARGIN_LEVEL", "LIQUIDATION_NEAR"}
            story.market("54000", "54010")
            story.print("54000")
            await story.wait(SETTLED_S)
            assert list(story.engine.services.margin.conditions()) == []
            told = [(await anext(events)).alarms for _ in range(events.waiting)]
        assert told[-1] == ()
        assert any("MARGIN_LEVEL:account" in one for one in told)


# --- restarts


@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_margin_bracket_goes_on_after_a_restart(open_story, autojump_clock, side):
    """Its stop was taken away meanwhile: the next one is a margin order that can only reduce."""
    members = SHORT if side == "sell" else {}
    async with open_story(**lending()) as story:
        case = await lent(story, **members)
        (stop,) = case.resting("stop")
        kill(story)
        story.house.cancel_client(stop.order_id)
        await back(story, case)
        await story.until(lambda: case.covered("0.02"))
        story.market("51000", "51010") if side == "buy" else story.market("48990", "49000")
        await story.ended(case)
        assert (case.outcome, at_venue(story)) == ("target", 0)
        never_opened(story)


async def test_forgotten_margin_entry_is_ended_and_given_back_on_margin(open_story, autojump_clock):
    """The journal's tail is lost: the entry that rests is adopted, its fill is closed by what can only reduce."""
    async with open_cut_story(1, **lending()) as story:
        story.market()
        case = await story.submit(leverage="5", limit="49900")
        await story.until(lambda: bool(case.resting("entry")))
        kill(story)
        forget(story, "signal")
        story.ask("49900", "0.02")
        await story.boot()
        await story.wait(60)
        exits = [o for o in story.truth.orders.values() if o.side == "sell"]
        assert all(o.reduce_only and o.leverage for o in exits)
        assert at_venue(story) >= 0


async def test_positions_that_rest_shows_late_are_not_taken_for_gone(open_story, autojump_clock):
    """REST lags by half a minute, over a restart too: what it does not show yet is protected all the same."""
    async with open_story(**lending(sim=SimSettings(rest_lag_s=30))) as story:
        case = await lent(story)
        await story.wait(10)
        assert case.covered("0.02")
        kill(story)
        await story.boot()
        await story.wait(12)
        assert case.covered("0.02")
        await story.wait(120)
        assert (case.covered("0.02"), story.engine.money.positions().mismatch) == (True, {})
        never_opened(story)


async def test_liquidation_that_could_be_anybodys_is_told_and_not_guessed(open_story, autojump_clock):
    """A person holds the same market: the venue closes theirs, nothing of ours shrinks, and entries wait for a look."""
    async with open_story(**lending()) as story:
        story.market()
        by_hand(story, "buy", "0.02")
        await story.wait(SETTLED_S)
        case = await lent(story)
        await story.wait(SETTLED_S)
        story.house.liquidate(BTC, d("0.008"))
        await story.wait(90)
        assert case.covered("0.02")
        assert (await story.submit(leverage="5")).submitted.code == "LIQUIDATED"
        never_opened(story)


def roles(story) -> dict[str, str]:
    """Role of every order."""
    return {cl: role for cl, (_, role) in story.roles().items()}


def news(story) -> list:
    """Rows of new-order requests."""
    rows = story.journal.rows(kind="request")
    return [row for row in rows if json.loads(row.body)["request"]["type"] == "new"]
