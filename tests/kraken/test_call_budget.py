"""Who may call while the REST counter is short."""

from __future__ import annotations

import pytest
import trio

from engine.kraken.call_budget import AGED_S, LIST_AGED_S, CallBudget, Urgency
from engine.kraken.limits import TIERS
from engine.kraken.nonce_file import FileNonceStore


@pytest.fixture(params=["starter", "intermediate", "pro"])
def limits(request):
    """The documented numbers of a tier."""
    return TIERS[request.param]


@pytest.fixture
def budget(limits):
    """A fresh counter."""
    return CallBudget(limits.rest_max, limits.rest_decay)


async def call(budget, urgency, points=1, told=None):
    """Make one call; note what it was for and when."""
    async with budget.room(points, urgency):
        pass
    if told is not None:
        told.append((urgency, round(trio.current_time(), 3)))


async def spend(budget, urgency=Urgency.QUESTION):
    """Make calls until the next one would have to wait; return how many went."""
    for count in range(100):
        with trio.move_on_after(0.0005) as waiting:
            await call(budget, urgency)
        if waiting.cancelled_caught:
            return count
    raise AssertionError("the counter never fills")


async def test_three_tokens_can_be_fetched_while_the_counter_of_questions_is_spent(budget, limits, autojump_clock):
    """Questions leave three points, whatever the tier; tokens use the counter up to its documented end."""
    assert await spend(budget) == limits.rest_max - 3
    assert await spend(budget, Urgency.TOKEN) == 3
    assert budget.counter.level(trio.current_time()) == pytest.approx(limits.rest_max, abs=0.01)


async def test_token_passes_everyone_who_waits(budget, limits, autojump_clock):
    """It came last and goes first; missing fills go before questions, those before the further pages of a list."""
    await spend(budget)
    await spend(budget, Urgency.TOKEN)
    told = []
    async with trio.open_nursery() as nursery:
        for urgency in (Urgency.PAGES, Urgency.QUESTION, Urgency.FILLS, Urgency.TOKEN):
            nursery.start_soon(call, budget, urgency, 4 if urgency is Urgency.PAGES else 1, told)
            await trio.sleep(0.001)
    assert [urgency for urgency, _ in told] == [Urgency.TOKEN, Urgency.FILLS, Urgency.QUESTION, Urgency.PAGES]
    assert told[0][1] == pytest.approx(1 / limits.rest_decay, abs=0.01)


async def test_long_list_leaves_room_for_missing_fills(budget, limits, autojump_clock):
    """A list that pages on and on never takes the last eleven points: two calls for fills go at once."""
    async with trio.open_nursery() as nursery:

        async def pages():
            while True:
                await call(budget, Urgency.PAGES, 4)

        nursery.start_soon(pages)
        await trio.sleep(60)
        assert budget.counter.level(trio.current_time()) <= limits.rest_max - 11
        with trio.fail_after(0.001):
            await call(budget, Urgency.FILLS, 4)
            await call(budget, Urgency.FILLS, 4)
        nursery.cancel_scope.cancel()


async def test_question_passes_a_page_that_waits_for_its_reserve(budget, autojump_clock):
    """Who must leave more stands aside."""
    for _ in range(2):
        await call(budget, Urgency.QUESTION, 4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, budget, Urgency.PAGES, 4)
        await trio.sleep(0.001)
        with trio.fail_after(0.001):
            await call(budget, Urgency.QUESTION)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("dear", [Urgency.QUESTION, Urgency.STATES])
async def test_state_of_an_order_waits_behind_no_dear_list(autojump_clock, dear: Urgency):
    """Squall 1201040: four points need twelve seconds of the smallest refill, the state of a stop needs three of them.

    The list may be urgent as well, the fills that an order lacks: tokens may take what it waits for again and again.
    """
    budget, told = CallBudget(15, 0.33), []
    await spend(budget)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, budget, dear, 4, told)
        await trio.sleep(0.1)
        nursery.start_soon(call, budget, Urgency.STATES, 1, told)
    assert [urgency for urgency, _ in told] == [Urgency.STATES, dear]
    assert told[0][1] == pytest.approx(1 / 0.33, abs=0.01)


async def test_list_that_has_aged_passes_no_state_that_has_waited_as_long(autojump_clock):
    """Storm 1700136: tokens took what both waited for; the list was next, a twentieth of a second before the state."""
    budget, told = CallBudget(15, 0.33), []
    await spend(budget)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, budget, Urgency.STATES, 4, told)
        await trio.sleep(0.01)
        nursery.start_soon(call, budget, Urgency.STATES, 1, told)
        while trio.current_time() < LIST_AGED_S - 1:
            await spend(budget, Urgency.TOKEN)
            await trio.sleep(1)
        assert told == []
    assert told[1][1] - told[0][1] == pytest.approx(4 / 0.33, abs=0.01)


@pytest.mark.parametrize(("dear", "aged_s"), [(Urgency.QUESTION, AGED_S), (Urgency.STATES, LIST_AGED_S)])
async def test_dear_list_is_not_starved_by_states(autojump_clock, dear: Urgency, aged_s: float):
    """They are asked again with every point that comes back: some time later the list is next."""
    budget, told = CallBudget(15, 0.33), []
    await spend(budget)

    async def states() -> None:
        while True:
            await call(budget, Urgency.STATES)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(states)
        await trio.sleep(0.1)
        await call(budget, dear, 4, told)
        nursery.cancel_scope.cancel()
    ((_, went_s),) = told
    assert went_s <= 0.1 + aged_s + (4 + 1) / 0.33


async def test_cancelled_waiter_blocks_nobody(budget, limits, autojump_clock):
    """Its place is free at once, and nothing of it counts."""
    await spend(budget)
    with trio.move_on_after(0.001):
        await call(budget, Urgency.QUESTION, 10)
    level = budget.counter.level(trio.current_time())
    with trio.fail_after(1.01 / limits.rest_decay):
        await call(budget, Urgency.QUESTION)
    assert budget.counter.level(trio.current_time()) <= level + 0.01


async def test_next_process_goes_on_from_what_the_last_one_spent(limits, autojump_clock):
    """The counter stands in the venue, not in us: a new life waits for it instead of being refused and blocked."""
    told: list[float] = []
    first = CallBudget(limits.rest_max, limits.rest_decay, note=told.append)
    await spend(first)
    second = CallBudget(limits.rest_max, limits.rest_decay, level=told[-1])
    began_s = trio.current_time()
    await call(second, Urgency.QUESTION)
    assert trio.current_time() - began_s == pytest.approx(1 / limits.rest_decay, abs=0.05)


async def test_what_is_left_of_the_counter_outlives_the_process_in_a_file(tmp_path):
    """Written beside the nonce's mark; what cannot be read counts as nothing."""
    store = FileNonceStore(tmp_path / "nonce")
    assert store.spent_until() == 0
    store.spend(123)
    assert FileNonceStore(tmp_path / "nonce").spent_until() == 123
    (tmp_path / "nonce.calls").write_text("torn")
    assert store.spent_until() == 0
