"""An exchange in a process of its own: a quiet market, three keys of one account, and a rise at SIGUSR1."""

from __future__ import annotations

import json
import signal
from decimal import Decimal

import trio

from engine.seams.chance import SystemChance
from engine.seams.clock import SystemClock
from engine.sim import Exchange, SimSettings
from engine.sim.settings import KeySpec

SYMBOL = "BTC/USD"
MORE = ("guardian", "judge")


def quote(exchange: Exchange, bid: int) -> None:
    """Let one maker stand on each side."""
    exchange.house.clear(SYMBOL, "house")
    exchange.house.quote(SYMBOL, "buy", Decimal(bid), Decimal(5))
    exchange.house.quote(SYMBOL, "sell", Decimal(bid + 10), Decimal(5))


async def main() -> None:
    """Serve, and say where and with which keys."""
    keys = (*(KeySpec(name=name) for name in MORE), KeySpec(name="stranger", account="other"))
    accounts = {**SimSettings().accounts, "other": {"USD": Decimal(1000)}}
    exchange = Exchange(SimSettings(accounts=accounts, more_keys=keys), SystemClock(), SystemChance())
    quote(exchange, 49990)
    with trio.open_signal_receiver(signal.SIGUSR1) as rises:
        async with exchange.running(), trio.open_nursery() as nursery:
            port = await nursery.start(exchange.serve_tcp)
            pairs = {"engine": (exchange.api_key, exchange.api_secret)}
            pairs |= {name: exchange.credentials(name) for name in (*MORE, "stranger")}
            print(json.dumps({"port": port, "keys": pairs}), flush=True)
            async for _ in rises:
                quote(exchange, 52000)


if __name__ == "__main__":
    trio.run(main)
