"""The same bot without any event loop. Run it beside an engine: ``python blocking_bot.py DATA_DIR``."""

from __future__ import annotations

import sys
import uuid
from decimal import Decimal

from engine.client import Client


def trade(data_dir: str) -> None:
    """Buy a little far below the market, with a stop and a short patience, and follow it to its end."""
    with Client.on(data_dir) as engine:
        (book,) = engine.books("BTC/USD", depth=1)["books"]
        bid = Decimal(book["bids"][0][0])
        signal = {
            "signal_id": str(uuid.uuid4()),
            "symbol": "BTC/USD",
            "side": "buy",
            "order_type": "limit",
            "order_qty": Decimal("0.002"),
            "limit_price": (bid * Decimal("0.9")).quantize(Decimal("0.1")),
            "entry_timeout_s": 1,
            "stop_loss": {"trigger_price": (bid * Decimal("0.8")).quantize(Decimal("0.1"))},
        }
        verdict = engine.submit(signal)
        print("verdict", verdict["status"], verdict["code"])
        for report in engine.reports(after=verdict["offset"]):
            if report["signal_id"] == signal["signal_id"]:
                print(report["exec_type"], report["ord_status"], report["cum_qty"])
                if report["exec_type"] == "settled":
                    break
        bracket = engine.bracket(str(signal["signal_id"]))
        print("bracket", bracket["state"], "net", bracket["exposure"])


if __name__ == "__main__":
    trade(sys.argv[1])
