"""An engine that stood still, on virtual time: before anything else it looks at its lease, and halts entries."""

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
import trio

from engine.errors import LeaseLost
from engine.journal.opening import read_journal
from engine.orders.signal import parse_signal
from engine.runtime.engine import Engine
from engine.runtime.fence import Fence
from engine.runtime.opening import JOURNAL_FILE, open_engine
from engine.runtime.vital_signs import STOOD_STILL
from engine.seams.uptime import VirtualUptime
from tests.guardian.rooms import SIGNAL, Room, open_room

RESTING = SIGNAL.replace("1234-4678", "1234-4679").replace(
    '"order_type":"market"', '"order_type":"limit","limit_price":"49980.0"'
)


@asynccontextmanager
async def open_covered(room: Room, uptime: VirtualUptime):
    """Run an engine with a covered bracket, and an entry that rests."""
    async with open_engine(
        room.settings, room.venue(), clock=room.clock, chance=room.chance, fence=Fence(uptime), pulse=room.slot
    ) as engine:
        await engine.submit(parse_signal(SIGNAL))
        await engine.submit(parse_signal(RESTING))
        await trio.sleep(3)
        assert (room.stops(), entries(room)) == (1, 1)
        yield engine


def entries(room: Room) -> int:
    """How many limit entries rest, by the exchange's word."""
    return sum(order.is_open and order.order_type == "limit" for order in room.exchange.truth.orders.values())


def touch_the_target(room: Room) -> None:
    """Let the market rise above it: an engine that acts sells now."""
    room.exchange.house.clear("BTC/USD")
    room.exchange.house.quote("BTC/USD", "buy", Decimal(51500), Decimal(1))
    room.exchange.house.quote("BTC/USD", "sell", Decimal(51510), Decimal(1))


def causes(engine: Engine) -> list[str]:
    """Why trading is halted."""
    return [one.code for one in engine.services.trading.view().causes]


async def test_engine_that_was_suspended_halts_entries_and_keeps_exits(tmp_path, autojump_clock):
    """A closed laptop: what was priced before is taken back and kept back; the touched target is sold all the same."""
    async with open_room(tmp_path) as room:
        uptime = VirtualUptime()
        async with open_covered(room, uptime) as engine:
            uptime.stand_still(600)
            touch_the_target(room)
            await trio.sleep(3)
            assert (causes(engine), entries(room)) == ([STOOD_STILL], 0)
            assert (room.sells(), room.stops()) == (1, 0)
            told = await engine.submit(parse_signal(RESTING.replace("1234-4679", "1234-4680")))
            assert (told.status, told.code) == ("denied", "TRADING_HALTED")


async def test_engine_that_beats_in_time_is_not_halted(tmp_path, autojump_clock):
    """Nine seconds are within the bound."""
    async with open_room(tmp_path) as room:
        uptime = VirtualUptime()
        async with open_covered(room, uptime) as engine:
            uptime.stand_still(9)
            await trio.sleep(60)
            assert (causes(engine), entries(room)) == ([], 1)


async def test_engine_that_was_replaced_while_it_stood_still_sends_nothing(tmp_path, autojump_clock):
    """Its lock file is another's: it ends by LeaseLost, and not one order-bearing request reaches the exchange."""
    async with open_room(tmp_path) as room:
        uptime, requests = VirtualUptime(), room.exchange.truth.requests
        before: list[int] = []

        async def live() -> None:
            async with open_covered(room, uptime) as engine:
                before.extend([len(requests), engine.journal.head[0]])
                room.lock.unlink()
                room.lock.touch()
                uptime.stand_still(600)
                touch_the_target(room)
                await trio.sleep(60)

        with pytest.raises(ExceptionGroup) as ended:
            await live()
        assert ended.group_contains(LeaseLost)
        assert (room.sells(), room.stops(), entries(room)) == (0, 1, 1)
        with read_journal(tmp_path / JOURNAL_FILE) as journal:
            assert [len(requests), journal.verify().rows] == before
        assert room.slot.pulse is not None
        assert room.slot.pulse.state == "running"  # the pulse is the next writer's by now
