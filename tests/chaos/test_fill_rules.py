"""What the rules on fills allow, and no more than that."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.values.time import NS
from tests.chaos.test_oracle import staged
from tests.chaos.test_oracle_sees import deafen, tell, watch


@pytest.mark.parametrize(("counted", "full", "broken"), [(True, True, False), (True, False, True), (False, True, True)])
async def test_fills_of_what_is_counted_may_wait_for_a_list(autojump_clock, counted, full, broken):
    """Storm 1300950: the journal knows that the stop has sold, and the counter of calls has no room for four points."""
    async with staged() as stage:
        deafen(stage)
        stage.world.exchange.house.print_trade("BTC/USD", Decimal(48_900), Decimal("0.02"))
        if counted:
            tell(stage, "stop", "fill_out", "open", "filled", venue_cum="0.02")
        if full:
            stage.world.nonces.spend(stage.world.clock.now_ns() + 60 * NS)
        await watch(stage, 14)
        assert ("gaps_filled" in stage.broken()) == broken
        stage.world.kill()


@pytest.mark.parametrize(("alone", "full", "broken"), [(True, True, False), (True, False, True), (False, True, True)])
async def test_fill_may_wait_while_neither_a_stream_nor_a_call_can_tell_of_it(autojump_clock, alone, full, broken):
    """Squall 1341434: the stream was away, and tokens and amends had taken the calls of half a minute."""
    async with staged() as stage:
        deafen(stage)
        if alone:
            stage.world.exchange._venue.sockets.clear()
        stage.world.exchange.house.print_trade("BTC/USD", Decimal(48_900), Decimal("0.02"))
        if full:
            stage.world.nonces.spend(stage.world.clock.now_ns() + 60 * NS)
        await watch(stage, 14)
        assert ("gaps_filled" in stage.broken()) == broken
        stage.world.kill()
