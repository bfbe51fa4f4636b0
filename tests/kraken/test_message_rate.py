"""Kraken drops what exceeds its message rate, without saying what: so nothing of ours does."""

from __future__ import annotations

from decimal import Decimal

import pytest
import trio

from engine.errors import VenueUnavailable
from engine.net.link_policy import LinkPolicy
from engine.orders.commands import CancelOrder, NewOrder
from engine.orders.reports import Outcome
from engine.venue.protocol import Lane


def entry(number):
    """A small resting buy; no pair takes more than eighty."""
    return NewOrder(f"c-{number}", "BTC/USD", "buy", "limit", Decimal("0.001"), Decimal("49000.0"))


async def send(link, lane, order, told):
    """Send one order; note its end and when."""
    answer = await link.submit(await link.admit(lane, order), order)
    told.append((order.cl_ord_id, answer, trio.current_time()))


async def test_burst_of_orders_keeps_within_the_message_rate(stages, autojump_clock):
    """Fifty entries at once, twenty messages a second taken: none is dropped, and the pings get through as well."""
    async with stages(ws_messages_per_s=20) as stage, stage.link() as link:
        await trio.sleep(10)
        told = []
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(send, link, Lane.ENTRY, entry(number), told)
        assert [answer.outcome for _, answer, _ in told] == [Outcome.ACCEPTED] * 50
        assert trio.current_time() > 13
        private = link.links()[1]
        assert (private.errors, private.attempts, private.state) == (0, 1, "healthy")


async def test_exit_waits_for_no_entry(stages, autojump_clock):
    """Behind a flood of entries an exit and a cancel go at once: the last messages of a second are theirs."""
    async with stages(ws_messages_per_s=20) as stage, stage.link() as link:
        told = []
        await send(link, Lane.ENTRY, entry(100), told)
        order_id = told[0][1].order_id
        await trio.sleep(5)
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(send, link, Lane.ENTRY, entry(number), told)
            await trio.sleep(1.5)
            began_s = trio.current_time()
            await send(link, Lane.REDUCING, entry(200), told)
            cancel = CancelOrder(told[0][0], order_id, "BTC/USD")
            answer = await link.cancel(await link.admit(Lane.CANCEL, cancel), cancel)
            assert answer.outcome is Outcome.ACCEPTED
            assert trio.current_time() - began_s < 0.1
            assert len(told) < 40
    assert all(answer.outcome is Outcome.ACCEPTED for _, answer, _ in told)


async def test_wait_for_a_turn_costs_nothing_of_the_deadline(stages, autojump_clock):
    """Stops behind a burst leave late, each with its whole deadline ahead; who gets no turn at all never leaves."""
    policy = LinkPolicy(requests_most=4, requests_within_s=8, requests_reserved=0)
    async with stages() as stage, stage.link(link=policy) as link:
        told, unsent = [], []

        async def try_to_send(number):
            try:
                await send(link, Lane.REDUCING, entry(number), told)
            except VenueUnavailable as error:
                unsent.append(str(error))

        async with trio.open_nursery() as nursery:
            for number in range(12):
                nursery.start_soon(try_to_send, number)
        assert [answer.outcome for _, answer, _ in told] == [Outcome.ACCEPTED] * len(told)
        assert max(at_s for _, _, at_s in told) > 7
        assert unsent == ["the venue's message rate left no turn for 10 s"] * (12 - len(told))
        assert len(told) == len(stage.exchange.truth.orders) < 12


async def test_orders_that_wait_for_their_turn_go_by_rest_when_the_connection_is_lost(stages, autojump_clock):
    """They never left: with the socket gone they need not wait for its rate."""
    async with stages() as stage, stage.link(link=LinkPolicy(requests_most=7, requests_within_s=60)) as link:
        told = []
        async with trio.open_nursery() as nursery:
            for number in range(9):
                nursery.start_soon(send, link, Lane.ENTRY, entry(number), told)
            await trio.sleep(0.5)
            stage.exchange.kick(private=True)
            kicked_s = trio.current_time()
    late = [(answer.outcome, answer.transport, at_s - kicked_s) for _, answer, at_s in told if at_s >= kicked_s]
    assert len(late) == 8
    assert all(outcome is Outcome.ACCEPTED and way == "rest" and took_s < 1 for outcome, way, took_s in late)


@pytest.mark.parametrize("lane", [Lane.ENTRY, Lane.EMERGENCY])
async def test_quiet_connection_lets_everyone_go_at_once(stage, autojump_clock, lane):
    """Below the rate nobody waits."""
    async with stage.link() as link:
        told = []
        for number in range(5):
            began_s = trio.current_time()
            await send(link, lane, entry(number), told)
            assert trio.current_time() - began_s < 0.1
