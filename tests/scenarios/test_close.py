"""Stories of the close: everything of ours flat, slice by slice under its stops, proved at the venue, and told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

import trio

from engine.journal.row import Row
from engine.runtime.close_report import CLOSED_ROW, CloseReport
from engine.runtime.settings import EngineSettings
from engine.sim import ScriptedFaults, lose_answer, lose_request, refuse_with
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import BTC, ETH, Case, Story, d

Asked = Callable[[], Awaitable[CloseReport]]


def flat(report: CloseReport) -> CloseReport:
    """The report says flat, and by whom that was confirmed."""
    assert report.flat, "\n".join(report.lines())
    assert (report.open_orders, report.not_flat) == (0, ())
    return report


def sold(case: Case) -> Decimal:
    """What the exchange traded in our closing orders."""
    return sum((order.cum_qty for order in case.sent("close")), Decimal(0))


async def test_close_sells_what_is_held_and_proves_it(open_story, autojump_clock):
    """One bracket under its stop, one entry resting: both gone in moments; fills and balance agree."""
    async with open_story() as story:
        story.market()
        held = await story.bought(limit="49995", target=None)
        waiting = await story.submit(limit="49980")
        await story.until(lambda: bool(waiting.resting("entry")))
        report = flat(await story.engine.close(BTC, reason="enough"))
        assert not waiting.resting()
        assert report.entries_canceled == (waiting.signal_id,)
        assert (report.took_s < 3, report.asked_by) == (True, "rest")
        one, other = report.brackets
        assert (one.signal_id, one.traded_qty, one.left) == (held.signal_id, d("0.02"), 0)
        assert other.orders == 0
        (balance,) = report.balances
        assert (balance.asset, balance.change, balance.fills, balance.explained) == (
            "BTC",
            d("-0.02"),
            d("-0.02"),
            True,
        )
        assert (await story.submit(limit="49000", stop="48000")).submitted.status == "accepted"
    assert (held.outcome, waiting.outcome) == ("flattened", "abandoned")


async def test_stop_stays_until_its_slice_is_sold(open_story, autojump_clock):
    """The book is thin: each slice leaves the stop only when it is to go, and the rest stays covered."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.1", stop="40000", target=None)
        story.house.clear(BTC)
        story.bid("49990", "0.03")
        story.ask("50010", "1")
        bids = iter(("0.03", "0.03", "1"))

        def next_bid() -> None:
            if not [o for o in story.house.open_orders(BTC) if o.side == "buy"]:
                story.bid("49980", next(bids))

        async with trio.open_nursery() as nursery:

            async def feed() -> None:
                while case.outcome == "":
                    next_bid()
                    await trio.sleep(0.05)

            nursery.start_soon(feed)
            report = flat(await story.engine.close(BTC))
        assert sold(case) == d("0.1")
        assert len(case.closes()) >= 3
        assert report.brackets[0].orders >= 3
    lows = [s for s in story.standings(case.signal_id) if s.position > 0]
    assert all(s.position - s.stops <= d("0.04") for s in lows[2:]), "more than a slice was bare"


async def test_slippage_is_kept_while_the_wish_lasts_then_it_goes_at_market(open_story, autojump_clock):
    """Bids within 20 bps are taken with limits, the others wait ten seconds; then the rest goes for what there is."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.04", stop="40000", target=None)
        story.house.clear(BTC)
        story.bid("49950", "0.01")
        story.bid("49000", "1")
        story.ask("50050", "1")
        began_s = trio.current_time()
        report = flat(await story.engine.close(BTC, max_slippage_bps=d("20")))
        assert 10 < trio.current_time() - began_s < 14
        limits = [(o.order_type, o.time_in_force) for o in case.sent("close")]
        assert limits[0] == ("limit", "ioc")
        assert limits[-1][0] == "market"
        worst = min(t.price for t in story.truth.trades if t.cl_ord_id == case.sent("close")[0].cl_ord_id)
        assert worst == d("49950")
        assert report.took_s >= 10


async def test_close_buys_back_what_was_sold(open_story, autojump_clock):
    """A bracket that sold is bought back, its stop above shrinking."""
    async with open_story() as story:
        story.market()
        case = await story.bought(side="sell", limit="50000", stop="51000", target=None)
        report = flat(await story.engine.close(BTC))
        assert [o.side for o in case.sent("close")] == ["buy"]
        assert report.balances[0].change == d("0.02")


async def test_close_of_a_signal_leaves_the_others(open_story, autojump_clock):
    """Another bracket on the same market keeps its stop, and its symbol takes signals all the while."""
    async with open_story() as story:
        story.market()
        one = await story.bought(limit="49995", target=None)
        other = await story.bought(limit="49996", target=None)
        flat(await story.engine.close(signal_id=one.signal_id))
        assert other.covered("0.02")
        assert one.outcome == "flattened"


async def test_close_of_all_takes_every_market(open_story, autojump_clock):
    """Two markets, one word."""
    async with open_story() as story:
        story.market()
        story.market("2999", "3001", symbol=ETH)
        btc = await story.bought(target=None)
        eth = await story.bought("0.5", symbol=ETH, limit="3000", stop="2900", target=None)
        report = flat(await story.engine.close(everything=True))
        assert {one.asset for one in report.balances} == {"BTC", "ETH"}
        assert (btc.outcome, eth.outcome) == ("flattened", "flattened")


async def test_nothing_to_close_is_flat_at_once(open_story, autojump_clock):
    """Asked of an empty account, the venue still is asked."""
    async with open_story() as story:
        story.market()
        report = flat(await story.engine.close(BTC))
        assert (report.brackets, report.asked_by) == ((), "rest")


async def test_entry_in_flight_is_closed_with_what_it_brings(open_story, autojump_clock):
    """The word comes in the tick of the signal: nothing of it stays."""
    async with open_story() as story:
        story.market()
        case = await story.submit(limit="50010", target=None)
        report = flat(await story.engine.close(BTC))
        assert report.balances[0].explained
    assert case.outcome in ("flattened", "abandoned")


async def test_entry_on_the_wire_is_closed_with_what_it_brings(open_story, autojump_clock):
    """The entry has left and fills while its cancel is on the way: what it brought is sold."""
    async with open_story() as story:
        story.market()
        case = await story.submit(limit="50010", target=None)
        await story.until(lambda: bool(case.sent("entry")))
        flat(await story.engine.close(BTC))
    assert case.outcome == "flattened"


async def test_no_entry_passes_while_a_close_runs(open_story, autojump_clock):
    """Denied with the code, and accepted again when it has ended flat."""
    async with open_story() as story:
        story.market()
        await story.bought(target=None)
        late: list[Case] = []

        async def submit_late() -> None:
            await trio.sleep(0.02)
            late.append(await story.submit())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(submit_late)
            flat(await story.engine.close(BTC))
        assert late[0].submitted.code == "CLOSING"


async def test_stop_that_fires_in_the_middle_counts(open_story, autojump_clock):
    """The price falls through the stop while slices go: flat, nothing is sold twice."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.1", stop="49000", target=None)
        story.house.clear(BTC)
        story.bid("49500", "0.02")
        story.ask("50050", "1")

        async def fall() -> None:
            await story.until(lambda: sold(case) > 0)
            story.market("48900", "48950")
            story.print("48950")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(fall)
            flat(await story.engine.close(BTC, max_slippage_bps=d("200")))
    traded = sold(case) + sum((o.cum_qty for o in case.sent("stop")), Decimal(0))
    assert traded == d("0.1")


async def test_lost_answer_of_a_slice_is_waited_out(open_story, autojump_clock):
    """The sale was made and its answer lost: the proof comes before anything is sold again."""
    async with open_story() as story:
        story.market()
        case = await story.bought(target=None)
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, lose_answer())
        report = flat(await story.engine.close(BTC))
        assert sold(case) == d("0.02")
        assert report.took_s < 30


async def test_slice_of_unknown_outcome_is_told_at_the_bound(open_story, autojump_clock):
    """Its request is lost: nothing is sold twice meanwhile; the report names the order; proved dead, it goes on."""
    async with open_story(settings=EngineSettings(close_bound_s=11)) as story:
        story.market()
        case = await story.bought(target=None)
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, lose_request())
        report = await story.engine.close(BTC)
        ((qty, code),) = [(one.qty, one.code) for one in report.not_flat]
        assert (qty, code in ("ORDER_UNKNOWN", "UNANSWERED")) == (d("0.02"), True)
        assert report.took_s <= 11
        assert any("goes on being closed" in note for note in report.notes)
        await story.ended(case, within_s=60)
        assert sold(case) == d("0.02")
        flat(await story.engine.close(BTC))


async def test_close_of_an_ended_bracket_sells_what_it_left(open_story, autojump_clock):
    """A signal without exits ended with its coins: close sells them, once, and no other coins of the account."""
    async with open_story() as story:
        story.market()
        case = await story.submit(limit="50010", stop=None, target=None)
        await story.ended(case)
        assert case.outcome == "taken_over"
        report = flat(await story.engine.close(BTC))
        assert (sold(case), report.balances[0].change) == (d("0.02"), d("-0.02"))
        assert flat(await story.engine.close(BTC)).brackets == ()


async def test_what_a_person_has_taken_over_stays_theirs(open_story, autojump_clock):
    """Canceled twice by a person: close of the market leaves it and says so, close of the signal sells it."""
    async with open_story() as story:
        story.market()
        case = await story.bought(target=None)
        for _ in range(2):
            (stop,) = case.resting("stop")
            story.house.cancel_client(stop.order_id)
            await story.until(lambda: case.outcome or case.covered("0.02"))
        await story.ended(case)
        report = flat(await story.engine.close(BTC))
        assert sold(case) == 0
        assert "taken over by a person" in report.notes[0]
        flat(await story.engine.close(signal_id=case.signal_id))
        assert sold(case) == d("0.02")


async def test_two_closes_at_once_end_alike(open_story, autojump_clock):
    """Two people press: what is held is sold once, both are told."""
    async with open_story() as story:
        story.market()
        case = await story.bought(target=None)
        reports: list[CloseReport] = []

        async def press(slippage: Decimal | None) -> None:
            reports.append(await story.engine.close(BTC, max_slippage_bps=slippage))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(press, d("5"))
            nursery.start_soon(press, None)
        assert [flat(one).brackets[0].left for one in reports] == [0, 0]
        assert sold(case) == d("0.02")
        assert story.engine.services.gate.reasons() == {}


async def test_close_works_with_the_private_stream_down(open_story, autojump_clock):
    """Orders go by REST, states are read by REST."""
    async with open_story() as story:
        story.market()
        case = await story.bought(target=None)
        story.world.exchange.expire_tokens(in_use=True)
        story.connection("executions").reset()
        story.world.wire.refuse(0.5)
        await story.until(lambda: not story.engine.services.stream_up())
        flat(await story.engine.close(BTC))
        assert sold(case) == d("0.02")


async def test_cancel_only_market_is_told_and_carried_on_when_it_opens(open_story, autojump_clock):
    """Within the bound it goes on; the stop stays where it is as long as nothing trades."""
    async with open_story() as story:
        story.market()
        case = await story.bought(target=None)
        story.world.exchange.set_status("cancel_only", BTC)
        await story.wait(1)

        async def open_again() -> None:
            await trio.sleep(20)
            assert case.resting("stop"), story.tale()
            story.world.exchange.set_status("online", BTC)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(open_again)
            report = flat(await story.engine.close(BTC))
        assert report.took_s > 19


async def test_cancel_only_beyond_the_bound_is_not_flat_and_why(open_story, autojump_clock):
    """The report names the market's state; entries stay away; once it opens the rest goes all the same."""
    settings = EngineSettings(close_bound_s=20)
    async with open_story(settings=settings) as story:
        story.market()
        case = await story.bought(target=None)
        story.world.exchange.set_status("cancel_only", BTC)
        await story.wait(1)
        report = await story.engine.close(BTC)
        assert not report.flat
        assert [(one.qty, one.code) for one in report.not_flat] == [(d("0.02"), "MARKET_CANCEL_ONLY")]
        assert report.took_s <= 21
        assert case.resting("stop")
        story.world.exchange.set_status("online", BTC)
        await story.ended(case)
        assert (await story.submit()).submitted.code == "NOT_FLAT"
        flat(await story.engine.close(BTC))
        assert (await story.submit(limit="49000", stop="48000")).submitted.status == "accepted"


async def test_close_goes_on_after_a_kill_in_the_middle(open_story, autojump_clock):
    """The word is in the journal: the next engine closes the rest and writes the report."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.1", stop="40000", target=None)
        story.house.clear(BTC)
        story.bid("49990", "0.02")
        story.ask("50010", "1")
        async with trio.open_nursery() as nursery:

            async def press() -> None:
                await story.engine.close(BTC, reason="enough", max_slippage_bps=d("10"))

            nursery.start_soon(press)
            await story.until(lambda: sold(case) > 0)
            kill(story)
            nursery.cancel_scope.cancel()
        story.market()
        await story.boot()
        await story.until(lambda: bool(_reports(story)), 90)
        assert flat(_reports(story)[0]).reason == "enough"
        assert sold(case) == d("0.1")


async def test_close_works_while_halted(open_story, autojump_clock):
    """The latch keeps entries away and nothing else."""
    async with open_story() as story:
        story.market()
        case = await story.bought(target=None)
        story.engine.halt("enough")
        flat(await story.engine.close(everything=True))
        assert sold(case) == d("0.02")
        assert story.engine.services.trading.view().state == "HALTED"


async def test_dust_is_told_and_not_tried(open_story, autojump_clock):
    """Less has filled than an order may be for: flat, with the dust named, and no order sent for it."""
    async with open_story() as story:
        story.market()
        story.bid("50000", "0.001")
        case = await story.submit(target=None)
        await story.until(lambda: bool(case.resting("entry")))
        story.house.take(BTC, "sell", d("0.00103"))
        await story.until(lambda: case.entry().cum_qty > 0)
        report = flat(await story.engine.close(BTC))
        (one,) = report.brackets
        assert (one.left, one.dust, one.orders) == (d("0.00003"), True, 0)
        assert case.sent("close") == []
        again = flat(await story.engine.close(BTC))
        assert again.brackets == ()


async def test_target_under_way_is_closed_with_the_rest(open_story, autojump_clock):
    """The word falls into a swap: the target's answer is waited for, the rest is sold."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        story.house.clear(BTC)
        story.bid("51000", "0.01")
        story.ask("51010", "1")
        await story.until(lambda: bool(case.targets()))
        story.bid("50990", "1")
        flat(await story.engine.close(BTC))
    assert sold(case) + sum((o.cum_qty for o in case.sent("target")), Decimal(0)) == d("0.02")


async def test_refused_cancel_of_the_entry_is_asked_again(open_story, autojump_clock):
    """The venue refuses the first cancel: the close insists."""
    async with open_story() as story:
        story.market()
        case = await story.submit(limit="49980")
        await story.until(lambda: bool(case.resting("entry")))
        story.world.exchange.faults = ScriptedFaults().at("cancel_order", 1, refuse_with("EService:Busy"))
        flat(await story.engine.close(BTC))
        assert not case.resting()


def _reports(story: Story) -> list[CloseReport]:
    return [_decoded(row) for row in story.journal.rows(kind=CLOSED_ROW)]


def _decoded(row: Row) -> CloseReport:
    return row.decode(CloseReport)
