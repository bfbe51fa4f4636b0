"""A durable exchange in a process of its own, to be killed: prints its port and key, then serves until the end."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import trio

from engine.seams.chance import SeededChance
from engine.seams.clock import SystemClock
from engine.sim import Exchange, SimSettings, SyntheticMarket, open_exchange_store

MARKET = SyntheticMarket(symbol="BTC/USD", start_price=Decimal("50000.0"), refresh_s=0.02, taker_every_s=0.005)
SETTINGS = SimSettings(synthetic=(MARKET,), max_open_orders=10_000, processing_delay_s=0.0)


async def main(directory: Path) -> None:
    """Serve."""
    with open_exchange_store(directory) as store:
        exchange = Exchange(SETTINGS, SystemClock(), SeededChance("killed"), store=store)
        async with exchange.running(), trio.open_nursery() as nursery:
            port = await nursery.start(exchange.serve_tcp)
            print(port, exchange.api_key, exchange.api_secret, flush=True)


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]))
