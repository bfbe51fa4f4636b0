"""A story without a teller: seeded makers and takers move two markets while several brackets live in them.

``python -m tests.scenarios.synthetic SEED`` tells it in a process of its own and prints its fingerprint.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any

import trio

from engine.journal.row import Row
from engine.orders.signal import parse_signal
from engine.sim import SimSettings, SyntheticMarket
from engine.testing import World, run_world

_LIVELY: dict[str, Any] = {"levels": 4, "refresh_s": 1.0}
MARKET = SimSettings(
    synthetic=(
        SyntheticMarket(
            symbol="BTC/USD", start_price=Decimal(50_000), walk_ticks=400.0, taker_lots=(5, 400), **_LIVELY
        ),
        SyntheticMarket(
            symbol="ETH/USD", start_price=Decimal(2_500), walk_ticks=300.0, taker_lots=(50, 4000), **_LIVELY
        ),
    )
)

Fingerprint = tuple[int, str, str]


def _signal(number: int) -> dict[str, Any]:
    btc = number % 2 == 0
    middle, tick = (50_000, 10) if btc else (2_500, 1)
    buy = number % 3 != 0
    away = tick * (2 + number % 4) * (1 if buy else -1)
    limit = middle - away // 2
    return {
        "signal_id": f"00000000-0000-4000-8000-{number:012d}",
        "symbol": "BTC/USD" if btc else "ETH/USD",
        "side": "buy" if buy else "sell",
        "order_type": "limit",
        "order_qty": "0.05" if btc else "0.5",
        "limit_price": str(limit),
        "stop_loss": {"trigger_price": str(limit - 2 * away)},
        "take_profit": {"price": str(limit + 2 * away)},
        "entry_timeout_s": 20 + number,
    }


async def live(world: World) -> Fingerprint:
    """Hand in eight signals over some seconds and let them live for a minute and a half."""
    await trio.sleep(2)
    for number in range(8):
        await world.engine.submit(parse_signal(json.dumps(_signal(number))))
        await trio.sleep(0.3)
    await trio.sleep(90)
    return world.fingerprint()


async def live_and_show(world: World) -> tuple[Fingerprint, list[Row]]:
    """Live, and return every journal row too."""
    return await live(world), list(world.journal.rows())


def fingerprint(seed: int, latency_s: float = 0.01) -> Fingerprint:
    """Tell it once."""
    return run_world(live, seed=seed, sim=MARKET, latency_s=latency_s)


if __name__ == "__main__":
    import logging

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    sys.stdout.write(json.dumps(fingerprint(int(sys.argv[1]))) + "\n")
