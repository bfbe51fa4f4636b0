"""A bot on asyncio: gives one signal, waits until its bracket has ended, and says what it came to.

Run it beside an engine: ``python asyncio_bot.py DATA_DIR``. On trio it is the same, with ``trio.run``.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from contextlib import aclosing
from decimal import Decimal

from engine.client import AsyncClient, Unreachable


async def submit(engine: AsyncClient, signal: dict[str, object]) -> dict[str, object]:
    """Give a signal until there is a verdict: with the same signal_id it is the same signal, however often it goes."""
    for _ in range(5):
        try:
            return await engine.submit(signal)
        except Unreachable:
            await asyncio.sleep(1)
    raise SystemExit("the engine gives no answer")


async def trade(data_dir: str) -> None:
    """Buy a little a little below the market, with a stop and a short patience, and follow it to its end."""
    async with AsyncClient.on(data_dir) as engine:
        (book,) = (await engine.books("BTC/USD", depth=1))["books"]
        bid = Decimal(book["bids"][0][0])
        signal = {
            "signal_id": str(uuid.uuid4()),
            "symbol": "BTC/USD",
            "side": "buy",
            "order_type": "limit",
            "order_qty": "0.002",
            "limit_price": str((bid * Decimal("0.9")).quantize(Decimal("0.1"))),
            "entry_timeout_s": 1,
            "stop_loss": {"trigger_price": str((bid * Decimal("0.8")).quantize(Decimal("0.1")))},
        }
        verdict = await submit(engine, signal)
        print("verdict", verdict["status"], verdict["code"] or "")
        async with aclosing(engine.reports(after=int(str(verdict["offset"])))) as reports:
            async for report in reports:
                if report["signal_id"] != signal["signal_id"]:
                    continue
                print(report["exec_type"], report["ord_status"], report["cum_qty"])
                if report["exec_type"] == "settled":
                    break
        bracket = await engine.bracket(str(signal["signal_id"]))
        print("bracket", bracket["state"], "net", bracket["exposure"])


if __name__ == "__main__":
    asyncio.run(trade(sys.argv[1]))
