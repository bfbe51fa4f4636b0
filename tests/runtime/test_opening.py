"""Opening and leaving an engine: errors come out plain, and a cancelled program still ends in order."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, closing
from decimal import Decimal
from pathlib import Path

import pytest
import trio

from engine.errors import ConfigError, JournalBusy, JournalCorrupt, JournalError, VenueRefused, VenueUnavailable
from engine.journal.opening import seeded_journal
from engine.kraken.settings import Secret
from engine.orders.signal import parse_signal
from engine.runtime.engine import Engine
from engine.runtime.opening import open_engine
from engine.runtime.settings import EngineSettings
from engine.seams.disk import Disk

SIGNAL = (
    '{"signal_id":"12345678-1234-5678-1234-567812345678","symbol":"BTC/USD","side":"buy","order_type":"limit",'
    '"order_qty":"0.02","limit_price":"50000.0","stop_loss":{"trigger_price":"49000.0"}}'
)


async def never_opens(opening: AbstractAsyncContextManager[Engine]) -> None:
    """Open an engine whose block must not be reached."""
    async with opening:
        raise AssertionError("there is no engine")


async def test_unreachable_venue_comes_out_plain(open_place, autojump_clock):
    """Nobody listens: VenueUnavailable, not a group, and the program's block never began."""
    async with open_place() as place:
        place.wire.refuse(3600)
        with closing(place.journal()) as journal, pytest.raises(VenueUnavailable):
            await never_opens(place.open(journal, open_timeout_s=5))


async def test_refused_key_comes_out_plain(open_place, autojump_clock):
    """The venue knows no such key: VenueRefused with its words."""
    async with open_place() as place:
        stranger = Secret("c3RyYW5nZXI=")
        venue = place.venue(api_key=stranger)
        journal = seeded_journal(Disk(), venue.identity, place.clock)
        with closing(journal), pytest.raises(VenueRefused, match="Invalid key"):
            await never_opens(place.open(journal, api_key=stranger))


async def test_no_place_for_a_journal_comes_out_plain(open_place, autojump_clock):
    """Neither a data directory nor a journal: ConfigError before anything connects."""
    async with open_place() as place:
        with pytest.raises(ConfigError, match="data_dir"):
            await never_opens(place.open(None))
        assert place.wire.connections == []


async def test_held_journal_comes_out_plain(open_place, autojump_clock, tmp_path: Path):
    """Another engine writes this data directory: JournalBusy, and the first one goes on."""
    settings = EngineSettings(data_dir=tmp_path)
    async with open_place() as place, open_engine(settings, place.venue(), clock=place.clock, chance=place.chance):
        with pytest.raises(JournalBusy):
            await never_opens(place.open(None, settings))


async def test_foreign_journal_comes_out_plain(open_place, autojump_clock):
    """A journal of another account is not opened."""
    async with open_place() as place:
        with closing(place.journal()):
            pass
        other = place.venue(api_key=Secret("b3RoZXI=")).identity
        with pytest.raises(JournalError, match="belongs to"):
            seeded_journal(place.disk, other, place.clock)


async def test_damaged_journal_comes_out_plain(open_place, autojump_clock):
    """A chain that is broken in its middle is found before the engine runs."""
    async with open_place() as place:
        with closing(place.journal()) as journal:
            async with place.open(journal) as engine:
                place.exchange.house.quote("BTC/USD", "sell", Decimal(50010), Decimal(1))
                await engine.submit(parse_signal(SIGNAL))
                await trio.sleep(1)
        place.disk.flip("journal", 8 * 400)
        with closing(place.journal()) as journal, pytest.raises(JournalCorrupt):
            await never_opens(place.open(journal))


async def _fail_after_an_entry(opening: AbstractAsyncContextManager[Engine]) -> None:
    async with opening as engine:
        await engine.submit(parse_signal(SIGNAL))
        await trio.sleep(1)
        raise ValueError("the strategy has a bug")


async def test_error_of_the_users_block_ends_the_engine_in_order(open_place, autojump_clock):
    """The program fails: its entries are taken back before its error rises."""
    async with open_place() as place:
        place.exchange.house.quote("BTC/USD", "sell", Decimal(50010), Decimal(1))
        with closing(place.journal()) as journal, pytest.raises(ExceptionGroup) as raised:
            await _fail_after_an_entry(place.open(journal))
        assert raised.group_contains(ValueError, match="the strategy has a bug")
        assert [order.status for order in place.exchange.truth.orders.values()] == ["canceled"]


async def test_cancelled_block_takes_its_entries_back_on_the_wire(open_place, autojump_clock):
    """Everything around the engine is cancelled while an entry rests: the cancel still reaches the venue."""
    async with open_place() as place:
        place.exchange.house.quote("BTC/USD", "sell", Decimal(50010), Decimal(1))
        with closing(place.journal()) as journal:
            with trio.move_on_after(5) as program:
                async with place.open(journal) as engine:
                    await engine.submit(parse_signal(SIGNAL))
                    await trio.sleep_forever()
            assert program.cancelled_caught
            assert trio.current_time() < 6
            (order,) = place.exchange.truth.orders.values()
            assert (order.status, order.reason) == ("canceled", "User requested")
            assert [row.kind for row in journal.rows() if row.kind != "balances"][-1] in ("closed", "answer")
            assert len(list(journal.rows(kind="closed"))) == 1


async def test_cancelled_opening_leaves_nothing_behind(open_place, autojump_clock):
    """Cancelled while it still connects, the engine lets go of everything at once."""
    async with open_place() as place:
        with closing(place.journal()) as journal:
            with trio.move_on_after(0.03) as opening:
                async with place.open(journal):
                    raise AssertionError("too early")
            assert opening.cancelled_caught
            assert trio.current_time() < 2
            async with place.open(journal) as engine:
                assert engine.active() == []
