"""Stories of every contingent order, on both sides: how it rests, what moves it, what it sells in the end."""

from __future__ import annotations

from typing import Any

import pytest

from engine.sim import ScriptedFaults, SimSettings
from engine.sim.faults import Action, Verdict, http_error
from tests.scenarios.honesty import arrived
from tests.scenarios.restart.lives import back, kill
from tests.scenarios.story import Case, Story, d

LOOSE = SimSettings(untriggered_stops_hold_funds=False)
SIDES = pytest.mark.parametrize("side", ["buy", "sell"])
HOLDS = pytest.mark.parametrize("holds", [True, False], ids=["stops-hold-funds", "stops-hold-nothing"])


def at(side: str, up: int) -> str:
    """Return the price so far to the good of an entry at 50000."""
    return str(50_000 + (up if side == "buy" else -up))


def mirrored(side: str, **members: Any) -> dict[str, Any]:
    """Return the members of a signal with stop at -1000 and target at +1000."""
    plain = {"side": side, "stop_loss": {"trigger_price": at(side, -1000)}, "take_profit": {"price": at(side, 1000)}}
    return plain | members


def move(story: Story, side: str, up: int) -> None:
    """Let the market stand so that the exit's side of the book is so far to the good."""
    price = int(at(side, up))
    if side == "buy":
        story.market(str(price), str(price + 20))
    else:
        story.market(str(price - 20), str(price))
    story.print(str(price))


async def entered(story: Story, side: str, **members: Any) -> Case:
    """Fill an entry of 0.02 at 50000 and wait for its stop."""
    story.market()
    return await story.bought("0.02", **mirrored(side, **members))


def stop_at(case: Case) -> list[str]:
    """Triggers of the stops that rest."""
    return [str(order.trigger_price.normalize()) for order in case.resting("stop")]


@SIDES
async def test_targets_with_shares_sell_one_after_the_other(open_story, autojump_clock, side):
    """A half at the first price, the stop keeps the rest, the second price takes it."""
    targets = [{"price": at(side, 1000), "share": "0.5"},
               {"price": at(side, 2000), "share": "0.5", "order_type": "take-profit"}]  # fmt: skip
    async with open_story() as story:
        case = await entered(story, side, take_profit=targets)
        move(story, side, 1000)
        await story.until(lambda: case.targets() and case.covered("0.01"))
        await story.wait(20)
        assert len(case.targets()) == 1
        move(story, side, 2000)
        await story.ended(case)
    assert case.outcome == "target"
    assert [(str(t.order_type), t.cum_qty) for t in case.sent("target")] == [
        ("limit", d("0.01")),
        ("market", d("0.01")),
    ]
    assert case.longest_bare_s() < 0.3


@SIDES
async def test_break_even_moves_the_resting_stop_in_place(open_story, autojump_clock, side):
    """The same order, another trigger: it is never away."""
    async with open_story() as story:
        case = await entered(story, side, break_even={"at_price": at(side, 500), "offset": "10"})
        since = len(story.standings(case.signal_id))
        move(story, side, 500)
        await story.until(lambda: stop_at(case) == [str(d(at(side, 10)).normalize())])
        assert len(case.stops()) == 1
        assert all(standing.stops == d("0.02") for standing in story.standings(case.signal_id)[since:])
        move(story, side, 5)
        await story.ended(case)
    assert case.outcome == "stop"


@SIDES
async def test_trail_with_activation_follows_by_amends(open_story, autojump_clock, side):
    """After its activation the stop is amended after the peak, in steps, at a bounded rate; then it fires."""
    trail = {"distance": "300", "activation_price": at(side, 400)}
    stop = {"trigger_price": at(side, -1000), "trail": trail}
    async with open_story() as story:
        case = await entered(story, side, stop_loss=stop, take_profit=None)
        move(story, side, 400)
        await story.until(lambda: stop_at(case) == [str(d(at(side, 100)).normalize())])
        for up in range(405, 1000, 5):
            move(story, side, up)
            await story.wait(0.2)
        await story.wait(20)
        assert stop_at(case) == [str(d(at(side, 695)).normalize())]
        amends = story.of(case, "replaced", "stop")
        assert 2 <= len(amends) <= 5
        move(story, side, 690)
        await story.ended(case)
    assert case.outcome == "stop"
    assert len(case.sent("stop")) == 1
    assert case.longest_bare_s() < 0.3


@SIDES
@pytest.mark.parametrize("distance", [{"distance": "300"}, {"percent": "0.6"}])
async def test_trail_without_activation_is_krakens_own(open_story, autojump_clock, side, distance):
    """It rests as a trailing stop, follows the last price there, and fires without us."""
    stop = {"trigger_price": at(side, -1000), "trail": distance}
    async with open_story() as story:
        case = await entered(story, side, stop_loss=stop, take_profit=None)
        assert [order.order_type for order in case.resting("stop")] == ["trailing-stop"]
        move(story, side, 800)
        await story.wait(5)
        assert story.of(case, "pending_replace") == []
        move(story, side, 450)
        await story.ended(case)
    assert case.outcome == "stop"
    assert len(case.sent("stop")) == 1


@SIDES
async def test_stop_limit_left_behind_is_closed_at_market(open_story, autojump_clock, side):
    """The market jumps over its limit: after two seconds the rest goes at market."""
    stop = {"trigger_price": at(side, -1000), "limit_price": at(side, -1100)}
    async with open_story() as story:
        case = await entered(story, side, stop_loss=stop)
        move(story, side, -1500)
        await story.ended(case, within_s=4)
    assert case.outcome == "stop"
    assert [order.cum_qty for order in case.sent("close")] == [d("0.02")]
    assert case.sent("stop")[0].status == "canceled"


@SIDES
@HOLDS
async def test_both_exits_rest_where_the_account_allows_it(open_story, autojump_clock, side, holds):
    """Coins beside the position allow it in any case; the target that fills takes the stop away."""
    settings = None if holds else LOOSE
    async with open_story(sim=settings) as story:
        story.may_exceed = True  # by design: each exit alone is within the position
        case = await entered(story, side, exits="both-rest")
        await story.until(lambda: case.resting("target"))
        assert case.covered("0.02")
        move(story, side, 1000)
        await story.ended(case)
    assert case.outcome == "target"
    assert [(t.order_type, t.time_in_force) for t in case.sent("target")] == [("limit", "gtc")]
    assert case.sent("stop")[0].status == "canceled"


async def test_second_exit_without_funds_is_watched_instead(open_story, autojump_clock):
    """The stop holds all the coins there are: the target swaps in when it is touched."""
    async with open_story(sim=SimSettings(accounts={"client": {"USD": d("100000")}})) as story:
        case = await entered(story, "buy", exits="both-rest")
        await story.wait(10)
        assert case.covered("0.02")
        assert [t.state for t in case.targets()] == ["settled"]
        assert case.targets()[0].code == "INSUFFICIENT_FUNDS"
        move(story, "buy", 1000)
        await story.ended(case)
    assert case.outcome == "target"
    assert case.longest_bare_s() < 0.3


@SIDES
async def test_fired_stop_takes_the_resting_target_with_it(open_story, autojump_clock, side):
    """One cancels the other, by us: the venue links nothing."""
    async with open_story() as story:
        story.may_exceed = True
        case = await entered(story, side, exits="both-rest")
        await story.until(lambda: case.resting("target"))
        move(story, side, -1000)
        await story.ended(case)
    assert case.outcome == "stop"
    assert [order.status for order in case.sent("target")] == ["canceled"]


@SIDES
async def test_oco_closes_what_the_target_left(open_story, autojump_clock, side):
    """The target fills a half; the rest is not kept for another day."""
    async with open_story() as story:
        case = await entered(story, side, contingency="oco")
        story.house.clear("BTC/USD")
        price = at(side, 1000)
        if side == "buy":
            story.bid(price, "0.012")
            story.bid(at(side, 900), "1")
            story.ask(at(side, 1100), "1")
        else:
            story.ask(price, "0.012")
            story.ask(at(side, 900), "1")
            story.bid(at(side, 1100), "1")
        await story.ended(case)
    assert [order.cum_qty for order in case.sent("target")] == [d("0.012")]
    assert [order.cum_qty for order in case.sent("close")] == [d("0.008")]


@SIDES
@HOLDS
async def test_conditional_close_protects_with_the_venues_own_stops(open_story, autojump_clock, side, holds):
    """Each fill makes a stop without a name of ours; together they are the cover, and they end with the target."""
    async with open_story(sim=None if holds else LOOSE) as story:
        story.market()
        case = await story.submit(qty="0.02", **mirrored(side, exits="conditional-close"))
        await story.until(lambda: case.resting("entry"))
        for part in ("0.012", "0.008"):
            (story.ask if side == "buy" else story.bid)("50000", part)
            await story.wait(1)
        await story.until(lambda: case.covered("0.02"))
        assert [order.cl_ord_id for order in case.resting("stop")] == [None, None]
        assert case.longest_bare_s() == 0
        move(story, side, 1000)
        await story.ended(case)
    assert case.outcome == "target"


async def test_many_stops_of_a_conditional_close_give_way_in_parts_that_leave_room_for_the_close(
    open_story, autojump_clock
):
    """Lag 600270: Kraken makes one of each fill; their cancels together would fill the counter before the close."""
    async with open_story(sim=SimSettings(tier="intermediate")) as story:
        story.market()
        case = await story.submit(qty="0.02", exits="conditional-close", take_profit=None, exit_after_s=5)
        await story.until(lambda: case.resting("entry"))
        for _ in range(22):
            story.ask("50000", "0.0009")
        await story.until(lambda: len(case.resting("stop")) == 22)
        await story.ended(case, within_s=90)
    assert case.longest_bare_s() < 2
    assert len(case.sent("close")) > 1


async def test_stops_of_a_conditional_close_that_come_before_their_entry_are_taken_in(open_story, autojump_clock):
    """Lag 125: one snapshot tells an entry in doubt, its fills and its stops, and REST lags too far to show them."""
    async with open_story() as story:
        story.market()
        other = await story.submit(limit="49500", exits="conditional-close", take_profit=None)
        await story.until(lambda: other.entry_is("open"))
        await story.wait(1)
        story.world.exchange.lag_rest(60)
        story.ask("50000", "0.02")
        story.connection("executions").stall(3600, to_server=False)
        case = await story.submit(qty="0.02", exits="conditional-close", take_profit=None)
        await story.until(lambda: case.phase == "covered", within_s=20)
        assert [order.cl_ord_id for order in case.resting("stop")] == [None]
        await story.wait(30)
        assert case.covered("0.02")
    assert case.sent("close") == []


async def test_fill_whose_order_cannot_be_asked_for_yet_keeps_the_venues_stop_from_its_proof(
    open_story, autojump_clock
):
    """Storm 5099: entry and stop traded while the stream was away, and the stop's fill waits for an owner.

    Nothing rests and REST says so, but as long as that fill is nobody's the coins may be sold: they are not sold again.
    """
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02", exits="conditional-close", take_profit=None)
        await story.until(lambda: case.resting("entry"))
        faults = ScriptedFaults()
        for number in range(1, 400):
            faults.at("QueryOrders", number, http_error(502))
        story.world.exchange.faults = faults
        story.connection("executions").reset()
        story.ask("50000", "0.02")
        move(story, "buy", -1000)
        story.market()
        await story.until(lambda: case.entry_is("settled"), within_s=60)
        await story.wait(100)
        assert case.sent("close") == []
        story.world.exchange.faults = ScriptedFaults()
        await story.ended(case, within_s=60)
    assert case.outcome == "stop"
    assert case.sent("close") == []


async def test_fill_whose_order_rest_does_not_know_yet_is_looked_up_until_it_does(open_story, autojump_clock):
    """Lag 300048: the snapshot tells what the venue's stop has sold; REST lags and cannot say whose that is."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02", exits="conditional-close", take_profit=None)
        await story.until(lambda: case.resting("entry"))
        story.world.exchange.lag_rest(40)
        story.connection("executions").reset()
        story.ask("50000", "0.02")
        move(story, "buy", -1000)
        story.market()
        await story.ended(case, within_s=60)
    assert case.outcome == "stop"
    assert case.sent("close") == []


async def test_stops_of_a_conditional_close_are_asked_for_by_one_question_at_a_time(open_story, autojump_clock):
    """Storm 5099: while an answer is waited for, whatever else wakes the bracket asks nothing."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02", exits="conditional-close")
        await story.until(lambda: case.resting("entry"))
        faults = ScriptedFaults()
        for number in range(1, 40):
            faults.at_frame("executions", number, "drop").at_frame("balances", number, "drop")
            faults.at("OpenOrders", number, Action("before", Verdict(delay_s=1)))
        story.world.exchange.faults = faults
        story.ask("50000", "0.02")
        await story.until(lambda: case.phase == "covering", within_s=60)
        asked: list[str] = []
        story.world.wire.observers.append(
            lambda end, data: asked.append(end) if b"/private/OpenOrders" in data else None
        )
        for step in range(70):
            move(story, "buy", 1000 - 1000 * (step % 2))  # the target is touched, and is not
            await story.wait(0.1)
        assert len(asked) <= 2
        await story.until(lambda: case.covered("0.02"), within_s=90)
    assert case.sent("close") == []


@SIDES
async def test_conditional_close_fires_by_itself(open_story, autojump_clock, side):
    """The venue's stop sells; its fills are ours."""
    async with open_story() as story:
        case = await entered(story, side, exits="conditional-close")
        move(story, side, -1000)
        await story.ended(case)
    assert case.outcome == "stop"
    assert case.sent("close") == []


@SIDES
async def test_time_barrier_closes_what_is_held(open_story, autojump_clock, side):
    """Thirty seconds after the first fill, whatever the price."""
    async with open_story() as story:
        case = await entered(story, side, exit_after_s=30)
        await story.wait(25)
        assert case.covered("0.02")
        await story.ended(case, within_s=6)
    assert case.outcome == "flattened"
    assert case.closed.reason == "its time has run out"


async def test_full_fill_protection_covers_the_whole_at_once(open_story, autojump_clock):
    """A part waits without a stop, by choice; the gauge counts it."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02", protect_from="full_fill")
        await story.until(lambda: case.resting("entry"))
        story.ask("50000", "0.01")
        await story.wait(10)
        assert case.sent("stop") == []
        story.ask("50000", "0.01")
        await story.until(lambda: case.covered("0.02"))
        assert case.alarms() == []
        assert len(case.sent("stop")) == 1


async def test_index_is_what_a_stop_looks_at_when_told_so(open_story, autojump_clock):
    """The reference goes over the wire."""
    async with open_story() as story:
        story.house.set_index("BTC/USD", d("50000"))
        case = await entered(story, "buy", stop_loss={"trigger_price": "49000", "reference": "index"})
        assert [order.trigger_reference for order in case.resting("stop")] == ["index"]


async def test_stop_looks_at_the_last_price_where_there_is_no_index(open_story, autojump_clock):
    """The venue refuses the one, so the other protects."""
    async with open_story() as story:
        case = await entered(story, "buy", stop_loss={"trigger_price": "49000", "reference": "index"})
        assert [order.trigger_reference for order in case.resting("stop")] == ["last"]
        assert case.alarms() == []


async def test_gauge_is_told_by_bracket_and_in_total(open_story, autojump_clock):
    """What was bare counts on in the total when its bracket has ended; the bound and its action stand beside it."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02", protect_from="full_fill")
        await story.until(lambda: case.resting("entry"))
        story.ask("50000", "0.01")
        await story.wait(10)
        cover = story.engine.cover()
        (row,) = cover.brackets
        assert (row.signal_id, row.state, row.uncovered) == (case.signal_id, "covering", d("0.01"))
        assert d("0.099") < row.uncovered_qty_s < d("0.1")
        assert cover.total_qty_s == {"BTC": row.uncovered_qty_s}
        assert (cover.bound_s, cover.action) == (2.0, "close")
        story.engine.cancel(case.signal_id)
        await story.until(lambda: case.covered("0.01"))
        move(story, "buy", 1000)
        await story.ended(case)
        await story.until(lambda: not story.engine.cover().brackets)
        assert story.engine.cover().total_qty_s["BTC"] >= row.uncovered_qty_s


@pytest.mark.parametrize("points", ["112", "124.5"])
async def test_exits_get_out_with_the_rate_counter_near_its_limit(open_story, autojump_clock, points):
    """Another program has used the points up: the stop of a fill goes and fires, an entry waits for room."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02", limit="49995", stop="49000", target=None)
        await story.until(lambda: case.entry_is("open"))
        core = story.world.exchange._venue.core
        core.rates.charge("client", "BTC/USD", core.clock.now_ns(), d(points))
        story.ask("49995", "0.02")
        await story.until(lambda: bool(case.entry().cum_qty))
        late = await story.submit(qty="0.02", limit="49980", stop="49000", target=None)
        await story.until(lambda: case.covered("0.02"))
        assert case.longest_bare_s() < 2
        assert late.resting() == []
        await story.until(lambda: late.entry_is("open"), within_s=60)
        story.engine.cancel(late.signal_id)
        move(story, "buy", -1100)
        await story.ended(case, late)
    assert case.outcome == "stop"
    assert len(case.sent("stop")) == 1


async def test_fill_of_an_ended_brackets_stop_keeps_no_later_bracket_bare(open_story, autojump_clock):
    """Squall 40104: the venue's stop of one bracket sold; the engine died, and with it what it knew of that order.

    The next bracket's own stop was dropped by the venue at once, unseen. That older fill cannot be of it: once REST
    may hide nothing any more its coins are sold, and do not stand bare for good.
    """
    settings = SimSettings(would_trigger_immediately="cancel")
    async with open_story(sim=settings) as story:
        story.market()
        first = await story.bought("0.02", exits="conditional-close", take_profit=None)
        move(story, "buy", -1100)
        await story.ended(first)
        assert first.outcome == "stop"
        story.market("48790", "48800")
        before = arrived(story, "new")
        second = await story.submit(qty="0.02", exits="conditional-close", take_profit=None)
        await story.until(lambda: arrived(story, "new") > before)
        kill(story)
        await back(story, second)
        await story.ended(second, within_s=80)
    assert [order.order_type for order in second.sent("close")] == ["market"]
    assert story.truth.balances()["BTC"] == d("2")


async def test_stop_of_before_that_sold_keeps_no_later_fill_of_its_entry_bare(open_story, autojump_clock):
    """Squall 1320725: a bracket had ended with its venue's own stop, and the engine died.

    More of its entry was told then, and the venue had dropped the stop it made of that. What the older stop had sold,
    told again by its id alone, stood against the proof that no other stop lives, and the coins stood bare for good.
    """
    settings = SimSettings(would_trigger_immediately="cancel")
    async with open_story(sim=settings) as story:
        story.market()
        case = await story.submit(qty="0.02", exits="conditional-close", take_profit=None)
        await story.until(lambda: case.entry_is("open"))
        story.ask("50000", "0.01")
        await story.until(lambda: case.covered("0.01"))
        story.engine.cancel(case.signal_id)
        await story.until(lambda: case.entry_is("settled"))
        move(story, "buy", -1100)
        await story.ended(case)
        assert case.outcome == "stop"
        (entry,) = case.sent("entry")
        kill(story)
        story.world.exchange.house.late_fill(entry.order_id, d("0.01"), d("48900"))
        await back(story, case)
        await story.until(lambda: story.truth.balances()["BTC"] == d("2"))
    assert [order.order_type for order in case.sent("close")] == ["market"]
