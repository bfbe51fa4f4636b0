"""What the field has met in answers to orders (kraken-protocol §12): each row a client can meet is a story."""

from __future__ import annotations

import pytest

from engine.sim import ScriptedFaults, SimSettings
from engine.sim.faults import accept_late, answer_late, http_error, lose_answer, lose_request, refuse_with
from tests.scenarios.honesty import SETTLES_S, arrived, come
from tests.scenarios.story import d


async def test_bad_gateway_although_the_order_was_placed(open_story, autojump_clock):
    """502 on AddOrder, the order rests (krakenex #60, #98): it is the one order."""
    async with open_story(orders_via="rest") as story:
        story.world.exchange.faults = ScriptedFaults().at("AddOrder", 1, http_error(502, done=True))
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"), within_s=5)
        story.ask("50000", "0.02")
        await story.until(lambda: case.covered("0.02"))
    assert len(case.sent("entry")) == 1


async def test_cloudflare_page_although_the_order_went_through(open_story, autojump_clock):
    """A page of HTML with status 200 in place of an answer (npm-kraken-api #37)."""
    async with open_story(orders_via="rest") as story:
        story.world.exchange.faults = ScriptedFaults().at("AddOrder", 1, http_error(200, "<html>", done=True))
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"), within_s=5)
        story.ask("50000", "0.02")
        await story.until(lambda: case.covered("0.02"))
    assert len(case.sent("entry")) == 1


@pytest.mark.parametrize("late_s", [3, 20, 50])
async def test_acceptance_up_to_a_minute_late(open_story, autojump_clock, late_s):
    """The request lies in a queue for a while: taken within its deadline it counts, later the venue drops it."""
    async with open_story() as story:
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, accept_late(late_s))
        story.market()
        case = await story.submit(qty="0.02")
        await come(story, lambda: bool(case.resting("entry")), within_s=SETTLES_S)
        await story.wait(60)
        story.ask("50000", "0.02")
        await story.until(lambda: case.covered("0.02"))
    assert len(case.sent("entry")) == 1
    assert len(case.orders("entry")) == (1 if late_s < 5 else 2)


async def test_sale_and_its_cancel_both_time_out(open_story, autojump_clock):
    """The target's answer is lost, the stop's cancel before it too: sold once all the same (BitBot #27)."""
    async with open_story() as story:
        story.market()
        case = await story.bought("0.02")
        faults = ScriptedFaults().at("cancel_order", 1, lose_answer()).at("add_order", 1, lose_answer())
        story.world.exchange.faults = faults
        story.market("51000", "51010")
        await come(story, lambda: case.outcome, within_s=60)
    assert sum(order.cum_qty for order in case.sent("target")) == d("0.02")


async def test_lost_websocket_order_does_not_go_out_again_by_rest(open_story, autojump_clock):
    """Both ways are open; an order without an answer on one never takes the other before it is proved dead."""
    async with open_story(orders_via="auto") as story:
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, lose_request())
        story.market()
        case = await story.submit()
        await come(story, lambda: case.entry_is("unknown"), within_s=8)
        assert arrived(story, "new") == 1
        await come(story, lambda: bool(case.resting("entry")), within_s=SETTLES_S)
    assert [method for _, _, method, _ in story.truth.requests][:2] == ["add_order", "add_order"]


@pytest.mark.parametrize("before_ack", [True, False], ids=["fill_first", "ack_first"])
async def test_fill_and_acknowledgement_in_either_order(open_story, autojump_clock, before_ack):
    """A market entry's fills may come before its answer, or the answer long before the fills."""
    async with open_story(sim=SimSettings(executions_before_ack=before_ack)) as story:
        story.market()
        case = await story.submit(limit=None)
        await story.until(lambda: case.covered("0.02"), within_s=2)
    assert len(story.of(case, "trade", "entry")) == 1


async def test_acknowledgement_long_after_the_fill(open_story, autojump_clock):
    """The stream has told everything; the answer comes three seconds later and changes nothing."""
    async with open_story() as story:
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, answer_late(3))
        story.market()
        case = await story.submit(limit=None)
        await story.until(lambda: case.covered("0.02"), within_s=2)
        await story.wait(5)
        assert case.covered("0.02")
    assert case.entry().states()[-1] == "settled"


async def test_cancel_of_what_has_filled_unnoticed(open_story, autojump_clock):
    """The fill's frames are lost and the cancel is refused: the refusal makes us look, and the fill is covered."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        faults = ScriptedFaults()
        for number in range(1, 4):
            faults.at_frame("executions", number, "drop")
        story.world.exchange.faults = faults
        story.ask("50000", "0.02")
        await story.wait(1)
        story.engine.cancel(case.signal_id)
        await come(story, lambda: case.covered("0.02"), within_s=8)
    assert case.sent("entry")[0].status == "filled"


@pytest.mark.parametrize(
    "text",
    ["ESession:Invalid session", "Exceeded msg rate", "EService: Throttled: 1741500000", "EOrder:Rate limit exceeded"],
)
async def test_stop_refused_for_the_moment_is_sent_again(open_story, autojump_clock, text):
    """A dead token, a message too many, a counter over: not now. The stop follows within the cover bound or so."""
    async with open_story() as story:
        story.world.exchange.faults = ScriptedFaults().at("add_order", 2, refuse_with(text))
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: bool(case.resting("entry")))
        story.ask("50000", "0.02")
        await story.until(lambda: case.covered("0.02"), within_s=5)


async def test_tokens_die_while_the_stream_is_away(open_story, autojump_clock):
    """Tokens are invalidated by an upgrade: the next connection fetches a new one, nothing is lost."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        story.world.exchange.expire_tokens()
        story.connection("executions").reset()
        story.ask("50000", "0.02")
        await story.until(lambda: case.covered("0.02"), within_s=5)


async def test_invalid_nonce_on_reads_is_survived(open_story, autojump_clock):
    """Two refused nonces while an order is looked for: asked again with fresh ones."""
    async with open_story() as story:
        faults = ScriptedFaults().at("add_order", 1, lose_request())
        for endpoint in ("OpenOrders", "ClosedOrders", "GetWebSocketsToken", "QueryOrders"):
            for number in (1, 2):
                faults.at(endpoint, number, refuse_with("EAPI:Invalid nonce"))
        story.world.exchange.faults = faults
        story.market()
        case = await story.submit(qty="0.02")
        await come(story, lambda: bool(case.resting("entry")), within_s=SETTLES_S + 5)
        story.connection("executions").reset()
        story.ask("50000", "0.02")
        await come(story, lambda: case.covered("0.02"), within_s=10)
        await come(story, lambda: case.orders("entry")[-1].state == "settled", within_s=60)


async def test_coins_held_by_our_own_stop_are_freed_for_the_target(open_story, autojump_clock):
    """All coins of the account are under the stop: it goes before the target comes, in whole and in part."""
    funds = SimSettings(accounts={"client": {"USD": d("100000"), "BTC": d("0")}})
    async with open_story(sim=funds) as story:
        story.market()
        case = await story.bought("0.02")
        await story.wait(20)
        story.house.clear("BTC/USD")
        story.ask("51100", "1")
        story.bid("51000", "0.008")
        await story.until(lambda: case.covered("0.012"), within_s=10)
        story.bid("51000", "1")
        await come(story, lambda: case.outcome, within_s=60)
    assert (case.outcome, story.truth.balances()["BTC"]) == ("target", 0)


async def test_money_held_by_another_order_refuses_the_entry(open_story, autojump_clock):
    """The balance would do, what other orders hold is not ours to spend: refused, and the venue's words are told."""
    funds = SimSettings(accounts={"client": {"USD": d("1500"), "BTC": d("0")}})
    async with open_story(sim=funds) as story:
        story.market()
        first = await story.submit(qty="0.02")
        await story.until(lambda: bool(first.resting("entry")))
        second = await story.submit(qty="0.02", limit="49980")
        await story.ended(second)
    assert "Insufficient funds" in second.closed.reason


async def test_three_spellings_of_one_market(open_story, autojump_clock):
    """XBTUSD, XXBTZUSD and BTC/USD are one market with one name on the wire."""
    async with open_story() as story:
        story.market()
        for spelling in ("XBTUSD", "XXBTZUSD", "BTC/USD"):
            case = await story.submit(symbol=spelling, limit="49980")
            await story.until(lambda case=case: bool(case.resting("entry")))
            assert case.resting("entry")[0].symbol == "BTC/USD"


@pytest.mark.parametrize("manner", ["refuse", "cancel"])
async def test_stop_whose_trigger_is_passed_on_arrival(open_story, autojump_clock, manner):
    """Refused at once, or accepted and canceled with a reason: that quantity is sold at market, no second stop."""
    async with open_story(sim=SimSettings(would_trigger_immediately=manner)) as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: case.entry_is("open"))
        story.ask("50000", "0.02")
        story.market("48990", "49010")
        story.print("48990")
        await come(story, lambda: case.outcome, within_s=10)
    assert case.outcome in ("stop", "flattened")
    assert len(case.sent("close")) == 1
