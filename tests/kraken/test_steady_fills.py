"""Fifty fills a second all the while: gaps and kicks lose, double and swap none, and the stream is soon back."""

from __future__ import annotations

import contextlib
import random

import pytest
import trio

from engine.sim import ScriptedFaults, lose_answer
from tests.kraken.test_lost_fills import check, fill, rest_an_order

PACE_S = 0.02


@contextlib.asynccontextmanager
async def steadily(stage, fills):
    """Fill the resting order fifty times a second while the block runs, and on to the last fill."""

    async def market():
        for _ in range(fills):
            fill(stage, 1)
            await trio.sleep(PACE_S)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(market)
        yield


async def back(stage, link, within_s=5.0):
    """Wait until the stream has gone and is complete again; that takes less than the bound."""
    with trio.fail_after(3):
        while link.private_up:  # noqa: ASYNC110 - what is looked at has no event
            await trio.sleep(0.01)
    with trio.fail_after(within_s):
        await stage.sink.wait(lambda: stage.sink.links[-1][0])


def in_order(stage):
    """Every fill was first told after all those the exchange made before it."""
    first = list(dict.fromkeys(stage.sink.fills_told))
    assert first == [trade.exec_id for trade in stage.exchange.truth.trades]


@pytest.mark.parametrize("tier", ["starter", "intermediate", "pro"])
async def test_gap_and_kick_under_steady_fills(stages, autojump_clock, tier):
    """One frame lost, then a kick: each time back in less than five seconds; 900 fills, each once and in order."""
    async with stages(tier=tier, rest_history_cost=4) as stage, stage.link(tier=tier) as link:
        await rest_an_order(link)
        async with steadily(stage, 900):
            await trio.sleep(3)
            stage.exchange.faults = ScriptedFaults().at_frame("executions", 1, "drop")
            await back(stage, link)
            await trio.sleep(3)
            stage.exchange.kick(private=True)
            await back(stage, link)
        await trio.sleep(1)
        assert link.private_up
    assert check(stage) == 900
    in_order(stage)


async def test_hole_of_seconds_under_steady_fills_is_closed_while_more_come(stages, autojump_clock):
    """The address is unreachable for three seconds: the history is asked for up to the snapshot, not for what comes."""
    async with stages(tier="intermediate", rest_history_cost=4) as stage, stage.link(tier="intermediate") as link:
        await rest_an_order(link)
        async with steadily(stage, 900):
            await trio.sleep(12)
            stage.wire.refuse(3)
            stage.exchange.kick(private=True)
            await back(stage, link, within_s=3 + 2.5)
        await trio.sleep(1)
    assert check(stage) == 900
    in_order(stage)


@pytest.mark.parametrize("seed", [1, 2])
async def test_breaks_now_and_then_under_steady_fills(stages, autojump_clock, seed):
    """Kicks and gaps every six to ten seconds: never away for five, nothing lost or swapped."""
    rng = random.Random(seed)
    async with stages(tier="intermediate", rest_history_cost=4) as stage, stage.link(tier="intermediate") as link:
        await rest_an_order(link, qty="8", price="10000.0")
        async with steadily(stage, 4000):
            for _ in range(7):
                await trio.sleep(rng.uniform(6, 10))
                if rng.random() < 0.5:
                    stage.exchange.faults = ScriptedFaults().at_frame("executions", 1, "drop")
                else:
                    stage.exchange.kick(private=True)
                await back(stage, link)
        await trio.sleep(1)
    assert check(stage) == 4000
    in_order(stage)


async def test_lost_history_answer_under_steady_fills(stages, autojump_clock):
    """The first page of missing fills is never answered: asked again, the stream is back within five seconds."""
    async with stages(tier="intermediate", rest_history_cost=4) as stage, stage.link(tier="intermediate") as link:
        await rest_an_order(link)
        async with steadily(stage, 900):
            await trio.sleep(6)
            stage.exchange.faults = ScriptedFaults().at("TradesHistory", 1, lose_answer())
            stage.wire.refuse(1.2)
            stage.exchange.kick(private=True)
            await back(stage, link, within_s=5.5)
        await trio.sleep(1)
    assert check(stage) == 900
