"""The world's processes: killed at any moment they end, and nobody hears of it as an error."""

from __future__ import annotations

import pytest
import trio

from engine.chaos.world import open_world


@pytest.mark.parametrize("after_s", [0.002, 0.005, 0.01, 0.015, 0.025, 0.04, 0.06, 0.1, 0.2])
@pytest.mark.parametrize("power_loss", [False, True])
async def test_process_killed_while_it_boots_ends_quietly(autojump_clock, after_s, power_loss):
    """Whatever its opening had reached: the kill raises nothing, and the next process runs."""
    async with open_world(1) as world:
        world.kill()
        born: list[object] = []

        async def short_life() -> None:
            born.append(await world.boot())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(short_life)
            await trio.sleep(after_s)
            world.kill(power_loss=power_loss)
        assert len(born) == 1
        assert born[0] is None or after_s >= 0.1
        assert await world.boot() is world.engine
        assert world.engine.active() == []
