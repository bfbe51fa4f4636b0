"""The house shows a market anew in one command: the book is never half there, and one change of it is told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.chaos.world import World, open_world
from engine.sim import Quote, Refused
from engine.sim.events import CommandDone, Event, MarketMoved

SYMBOL = "BTC/USD"
OLD = (Quote("buy", Decimal(49_990), Decimal(1)), Quote("sell", Decimal(50_010), Decimal(1)))
NEW = (Quote("buy", Decimal(50_090), Decimal(2)), Quote("sell", Decimal(50_110), Decimal(2)))


def heard(world: World) -> list[Event]:
    """Return what the core tells from now on."""
    events: list[Event] = []
    world.exchange._venue.core.listen(events.append)
    return events


async def test_a_new_quote_is_one_move_of_the_market(autojump_clock):
    """What rested before is gone, what is asked for rests, and subscribers are told once."""
    async with open_world(1) as world:
        world.exchange.house.requote(SYMBOL, OLD)
        events = heard(world)
        world.exchange.house.requote(SYMBOL, NEW)
        assert world.exchange.truth.levels(SYMBOL, 5) == (
            [(Decimal(50_090), Decimal(2))],
            [(Decimal(50_110), Decimal(2))],
        )
        assert sum(isinstance(event, MarketMoved) for event in events) == 1
        assert sum(isinstance(event, CommandDone) for event in events) == 1


async def test_a_quote_through_a_clients_order_trades_with_it(autojump_clock):
    """The market has come to the client's price: it is filled, in the same command."""
    async with open_world(1) as world:
        house = world.exchange.house
        house.requote(SYMBOL, OLD)
        name = house.place_client(SYMBOL, "sell", Decimal("0.5"), Decimal(50_050))
        house.requote(SYMBOL, NEW)
        assert world.exchange.truth.orders[name].status == "filled"


async def test_a_halted_market_keeps_its_quotes(autojump_clock):
    """What would trade is refused, and nothing has changed."""
    async with open_world(1) as world:
        world.exchange.house.requote(SYMBOL, OLD)
        world.exchange.set_status("maintenance")
        before = world.exchange.truth.levels(SYMBOL, 5)
        with pytest.raises(Refused):
            world.exchange.house.requote(SYMBOL, NEW)
        assert world.exchange.truth.levels(SYMBOL, 5) == before
