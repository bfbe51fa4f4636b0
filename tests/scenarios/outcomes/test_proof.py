"""The four proofs of death, each missing in turn: without it the order stays unknown, whatever the others say."""

from __future__ import annotations

import pytest
import trio

from engine.orders.replay import Requested
from engine.sim import ScriptedFaults, SimSettings
from engine.sim.faults import Action, Verdict, http_error
from tests.scenarios.honesty import DOUBTFUL_TEXTS, SETTLES_S, SILENCE, come
from tests.scenarios.restart.lives import at_market, by_a_person, open_cut_story
from tests.scenarios.story import Case, Story

NOT_TAKEN = DOUBTFUL_TEXTS[0].action(applied=False)
TAKEN = DOUBTFUL_TEXTS[0].action(applied=True)


async def in_doubt(story: Story, faults: ScriptedFaults, **members: object) -> Case:
    """An entry whose first answer says nothing certain."""
    story.world.exchange.faults = faults
    story.market()
    case = await story.submit(**members)
    await story.until(lambda: case.entry_is("unknown"))
    return case


async def test_before_its_deadline_nothing_is_dead(open_story, autojump_clock):
    """All else says no; while the venue may still take it, it stays unknown."""
    async with open_story(entry_deadline_s=40) as story:
        case = await in_doubt(story, ScriptedFaults().at("add_order", 1, NOT_TAKEN))
        await story.wait(40)
        assert case.entry_is("unknown")
        await come(story, lambda: not case.entry_is("unknown"), within_s=10)
    assert case.orders("entry")[0].states()[-2] == "rejected"


async def test_late_acceptance_within_the_deadline_is_found(open_story, autojump_clock):
    """The venue answers Unavailable and takes the order seconds later: it is the order, there is no second one."""
    async with open_story() as story:
        faults = ScriptedFaults().at("add_order", 1, Action("before", Verdict(delay_s=4.8)))
        story.world.exchange.faults = faults
        story.market()
        case = await story.submit()
        await come(story, lambda: case.entry_is("open"), within_s=8)
        await story.wait(30)
    assert len(case.sent("entry")) == 1


async def test_while_the_stream_is_away_nothing_is_dead(open_story, autojump_clock):
    """REST says no for minutes; without a stream or a later snapshot it stays unknown, and resolves after it."""
    async with open_story() as story:
        faults = ScriptedFaults().at("add_order", 1, Action("before", Verdict(kill=True)))
        for number in range(1, 200):
            faults.at("GetWebSocketsToken", number, http_error(502))
        case = await in_doubt(story, faults)
        await story.wait(180)
        assert case.entry_is("unknown")
        story.world.exchange.faults = ScriptedFaults()
        await come(story, lambda: bool(case.resting("entry")), within_s=60 + 60 + SETTLES_S)
    assert len(case.orders("entry")) == 2


@pytest.mark.parametrize("endpoint", ["OpenOrders", "ClosedOrders"])
async def test_while_a_list_cannot_be_read_nothing_is_dead(open_story, autojump_clock, endpoint):
    """The stream stood and names nothing; as long as one of the two lists does not answer it stays unknown."""
    async with open_story() as story:
        faults = ScriptedFaults().at("add_order", 1, NOT_TAKEN)
        for number in range(1, 200):
            faults.at(endpoint, number, http_error(502))
        case = await in_doubt(story, faults)
        await story.wait(90)
        assert case.entry_is("unknown")
        story.world.exchange.faults = ScriptedFaults()
        await come(story, lambda: bool(case.resting("entry")), within_s=SETTLES_S)


async def test_order_shown_late_by_rest_is_not_dead(open_story, autojump_clock):
    """The stream lost every frame of it and REST lags: the list asked for late enough still finds it."""
    async with open_story(sim=SimSettings(rest_lag_s=9)) as story:
        faults = ScriptedFaults().at("add_order", 1, TAKEN)
        for number in range(1, 4):
            faults.at_frame("executions", number, "drop")
        case = await in_doubt(story, faults)
        await story.wait(8)
        assert case.entry_is("unknown")
        await come(story, lambda: case.entry_is("open"), within_s=SETTLES_S)
    assert len(case.sent("entry")) == 1


async def test_fill_nobody_can_explain_keeps_it_unknown(open_story, autojump_clock):
    """A trade on its symbol and side without an owner may be its trace: it stays unknown until an operator says."""
    async with open_story() as story:
        case = await in_doubt(story, ScriptedFaults().at("add_order", 1, NOT_TAKEN))
        by_a_person(story, "buy", "50000", "0.02")
        story.ask("50000", "0.01")
        await story.wait(200)
        assert case.entry_is("unknown")
        (order,) = case.orders("entry")
        assert story.engine.resolve(order.cl_ord_id, "dead", "my own trade, I looked")
        await come(story, lambda: bool(case.resting("entry")), within_s=5)
    first = case.orders("entry")[0]
    assert (first.states()[-2], first.reason) == ("rejected", "operator: my own trade, I looked")


@pytest.mark.parametrize(("price", "qty"), [("49999", "0.02"), ("50000", "0.01"), ("50000", "0.03")])
async def test_persons_trade_on_other_terms_does_not_keep_it_unknown(open_story, autojump_clock, price, qty):
    """The stream tells of an order of another price or quantity than ours: its fills are not the unknown order's."""
    async with open_story() as story:
        case = await in_doubt(story, ScriptedFaults().at("add_order", 1, NOT_TAKEN))
        by_a_person(story, "buy", price, qty)
        story.ask(price, "0.01")
        await come(story, lambda: bool(case.resting("entry")), within_s=SETTLES_S + 2)


async def test_persons_market_order_does_not_keep_a_limit_order_unknown(open_story, autojump_clock):
    """It paid more than the unknown order's limit."""
    async with open_story() as story:
        case = await in_doubt(story, ScriptedFaults().at("add_order", 1, NOT_TAKEN))
        at_market(story, "buy", "0.01")
        await come(story, lambda: bool(case.resting("entry")), within_s=SETTLES_S + 2)


async def test_fill_on_the_other_side_explains_nothing(open_story, autojump_clock):
    """A person's sale says nothing about our buy: it is proved dead in time."""
    async with open_story() as story:
        case = await in_doubt(story, ScriptedFaults().at("add_order", 1, NOT_TAKEN))
        at_market(story, "sell", "0.01")
        await come(story, lambda: bool(case.resting("entry")), within_s=SETTLES_S + 2)


async def test_next_generation_passes_every_check_again(open_story, autojump_clock):
    """Proved dead after the signal has run out: no second attempt, the denial is the reason of the end."""
    async with open_story() as story:
        case = await in_doubt(story, ScriptedFaults().at("add_order", 1, NOT_TAKEN), valid_until="2026-01-01T00:00:08Z")
        await come(story, lambda: case.outcome, within_s=SETTLES_S)
    assert case.outcome == "abandoned"
    assert "SIGNAL_EXPIRED" in case.closed.reason
    assert len(case.orders("entry")) == 1


async def test_next_generation_waits_for_a_market_that_takes_it(open_story, autojump_clock):
    """Proved dead while the market is in cancel-only mode: the entry is denied with the venue's state."""
    async with open_story() as story:
        case = await in_doubt(story, ScriptedFaults().at("add_order", 1, NOT_TAKEN))
        story.world.exchange.set_status("cancel_only")
        await come(story, lambda: case.outcome, within_s=SETTLES_S + 2)
        story.world.exchange.set_status("online")
    assert "SYMBOL_NOT_ONLINE" in case.closed.reason


async def test_generations_are_bounded_and_each_has_its_own_id(open_story, autojump_clock):
    """Every attempt dies: five are made, each under a new id, and the signal is given up."""
    async with open_story() as story:
        faults = ScriptedFaults()
        for number in range(1, 10):
            faults.at("add_order", number, NOT_TAKEN)
        case = await in_doubt(story, faults)
        await come(story, lambda: case.outcome, within_s=5 * (SETTLES_S + 10))
    ids = [row.decode(Requested).request.cl_ord_id for row in story.journal.rows(kind="request")]
    assert len(ids) == len(set(ids)) == 5
    assert "ATTEMPTS_EXHAUSTED" in case.closed.reason


async def test_operator_says_live_and_the_stream_agrees(open_story, autojump_clock):
    """The venue cannot be asked; taken for live by word, it is bound by its first report and covered when it fills."""
    async with open_story() as story:
        faults = ScriptedFaults().at("add_order", 1, SILENCE.action(applied=True))
        for number in range(1, 4):
            faults.at_frame("executions", number, "drop")
        for number in range(1, 40):
            faults.at("OpenOrders", number, http_error(502)).at("ClosedOrders", number, http_error(502))
        story.world.exchange.faults = faults
        story.market()
        case = await story.submit(qty="0.02")
        await come(story, lambda: case.entry_is("unknown"), within_s=10)
        (order,) = case.orders("entry")
        assert story.engine.resolve(order.cl_ord_id, "live", "I see it on the web page")
        await story.until(lambda: case.entry_is("open"), within_s=1)
        story.ask("50000", "0.02")
        await come(story, lambda: case.covered("0.02"), within_s=20)
    assert len(case.sent("entry")) == 1


async def test_operator_is_heard_only_about_unknown_orders(open_story, autojump_clock):
    """An order that rests, and one that never was, are not the operator's to decide."""
    async with open_story() as story:
        story.market()
        case = await story.submit()
        await story.until(lambda: case.entry_is("open"))
        assert not story.engine.resolve(case.entry().cl_ord_id, "dead", "no")
        assert not story.engine.resolve("00000000-0000-8000-8000-000000000000", "dead", "no")
        await story.wait(5)
        assert case.entry_is("open")


async def test_venue_that_takes_a_dead_order_after_all_is_answered_with_a_cancel(seed, autojump_clock):
    """Against its own deadline the venue rests what was proved dead: alarm, the surplus is taken back, trading halts.

    The signal's entries could have come to twice its quantity.
    """
    async with open_cut_story(seed) as story:
        case = await in_doubt(story, ScriptedFaults().at("add_order", 1, NOT_TAKEN))
        await come(story, lambda: bool(case.resting("entry")), within_s=SETTLES_S)
        dead = case.orders("entry")[0]
        revived = by_a_person(story, "buy", "50000", "0.02", dead.cl_ord_id)
        await come(story, lambda: not revived.is_open, within_s=2)
        assert "REFUSED_BUT_LIVE" in case.alarms()
        assert story.engine.services.trading.stands("ENTRY_OVERFILL")
        await come(story, lambda: not case.resting("entry"), within_s=5)


async def test_venue_that_takes_a_dead_order_before_the_next_attempt_keeps_it(seed, autojump_clock):
    """It comes back in the pause before the next attempt: then it is the entry, and no other is sent."""
    async with open_cut_story(seed) as story:
        case = await in_doubt(story, ScriptedFaults().at("add_order", 1, NOT_TAKEN))
        await story.until(lambda: case.orders("entry")[0].state == "settled")
        revived = by_a_person(story, "buy", "50000", "0.02", case.entry().cl_ord_id)
        await story.wait(10)
        assert revived.is_open
        assert len(case.orders("entry")) == 1
        story.ask("50000", "0.02")
        await come(story, lambda: case.covered("0.02"), within_s=5)


async def test_operator_who_was_wrong_is_corrected(open_story, autojump_clock):
    """Declared live, though the venue never took it: a second word ends it, and the next attempt is made."""
    async with open_story() as story:
        case = await in_doubt(story, ScriptedFaults().at("add_order", 1, NOT_TAKEN))
        (order,) = case.orders("entry")
        assert story.engine.resolve(order.cl_ord_id, "live", "I am sure")
        await story.until(lambda: case.orders("entry")[0].state == "open")
        assert story.engine.resolve(order.cl_ord_id, "dead", "I was not")
        await come(story, lambda: bool(case.resting("entry")), within_s=5)
    first = case.orders("entry")[0]
    assert (first.states()[-2], first.reason) == ("rejected", "operator: I was not")


async def test_cancel_that_nobody_answers_leaves_an_order_alive_by_word_alone_to_its_proof(open_story, autojump_clock):
    """Storm 201314: declared live though the venue never took it, and its cancel's answer is lost: still in doubt."""
    async with open_story() as story:
        never = ScriptedFaults().at("add_order", 1, NOT_TAKEN)
        for number in range(1, 10):
            never.at("cancel_order", number, SILENCE.action(applied=False))
        case = await in_doubt(story, never)
        (order,) = case.orders("entry")
        assert story.engine.resolve(order.cl_ord_id, "live", "I am sure")
        await story.until(lambda: case.entry_is("open"))
        assert story.engine.cancel_order(order.cl_ord_id)
        await story.until(lambda: case.entry_is("pending_cancel"), within_s=1)
        await come(story, lambda: case.orders("entry")[0].ended, within_s=SETTLES_S)
    assert "rejected" in case.orders("entry")[0].states()


async def test_stream_that_is_held_up_proves_no_death_by_its_silence(open_story, autojump_clock):
    """Lag 300092: taken at once, and every frame about it late while REST lags: the stream stood and was not heard."""
    async with open_story(entry_deadline_s=2) as story:
        story.market()
        other = await story.submit(limit="49500")
        await story.until(lambda: other.entry_is("open"))
        story.world.exchange.lag_rest(30)
        story.connection("executions").stall(9.5, to_server=False)
        case = await story.submit()
        await story.until(lambda: case.entry_is("unknown"), within_s=15)
        await story.until(lambda: case.entry_is("open"), within_s=15)
        story.world.exchange.lag_rest(0)
    assert case.entry().states().count("rejected") == 0
    assert len(case.sent("entry")) == 1


async def test_many_in_doubt_are_decided_by_one_question(open_story, autojump_clock):
    """A crowd on the smallest tier: five points for each, of a counter that gets back one in three seconds."""
    async with open_story(sim=SimSettings(tier="starter", rest_history_cost=4), tier="starter") as story:
        story.market()
        faults = ScriptedFaults()
        for number in range(1, 13):
            faults.at("add_order", number, NOT_TAKEN)
        story.world.exchange.faults = faults
        async with trio.open_nursery() as nursery:
            for number in range(12):
                nursery.start_soon(story.hand_in, story.signal(limit=str(49_900 - number)))
        await story.until(lambda: all(case.entry_is("unknown") for case in story.cases))
        await come(story, lambda: not any(case.entry_is("unknown") for case in story.cases), within_s=SETTLES_S)
    assert all("rejected" in case.orders("entry")[0].states() for case in story.cases)


@pytest.mark.parametrize("others", [0, 101], ids=["one list", "each by its name"])
async def test_exit_that_comes_into_doubt_is_decided_before_the_entries_that_wait(open_story, autojump_clock, others):
    """Storm 134: each question takes seconds; an exit does not wait until every entry in doubt has had its own.

    Where more has closed since than a list of two pages holds, each is asked for by its name, the exit first.
    """
    async with open_story() as story:
        story.market()
        held = await story.bought("0.02", target=None, exit_after_s=7.5)
        faults = ScriptedFaults()
        for number in range(1, 7):
            faults.at("add_order", number, NOT_TAKEN)  # five entries, and the close
        for number in range(1, 60):
            faults.at("ClosedOrders", number, Action("before", Verdict(delay_s=2.5)))
        story.world.exchange.faults = faults
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(story.hand_in, story.signal(limit=str(49_900 - number)))
        entries = story.cases[1:]
        await story.until(lambda: all(case.entry_is("unknown") for case in entries))
        await story.until(lambda: held.closes() and held.closes()[0].state == "unknown")
        for _ in range(others):
            story.world.exchange._venue.core.cancel(by_a_person(story, "buy", "48000", "0.001"))
        await come(story, lambda: held.outcome, within_s=5 + 1 + 3 * 2.5 + 3)
        assert any(case.entry_is("unknown") for case in entries) == bool(others)
        await come(story, lambda: not any(case.entry_is("unknown") for case in entries), within_s=60)
