"""What a balance may say at the end of a close."""

from __future__ import annotations

from contextlib import closing
from types import SimpleNamespace
from typing import Any

from engine.journal.opening import seeded_journal
from engine.orders.events import OrderEvent
from engine.orders.replay import Intent
from engine.orders.reports import Fee, Fill
from engine.orders.signal import Signal
from engine.orders.specs import entry_order
from engine.runtime.close_proof import CloseProof, Wallets, flow_of
from engine.seams.disk import Disk
from engine.values.instrument import Instrument
from engine.values.money import Price, Qty
from engine.venue.protocol import VenueIdentity
from tests.risk.limits_world import d

ETH_BTC = Instrument(
    "ETH/BTC", "ETH", "BTC", "online", 5, Price(d("0.00001")), 8, Qty(d("1E-8")), Qty(d("0.01")), 10, d("0.00002")
)
LENT = Fill("T1", Qty(d(1)), Price(d("0.05")), d("0.05"), (Fee("BTC", d("0.0001")),), "taker", 2)


def wallets(btc: str, row: int) -> Wallets:
    """So much bitcoin, told when the journal stood at this row."""
    return Wallets({"BTC": d(btc)}, {"BTC": d(btc)}, "rest", row, row, 1)


def test_fill_on_margin_moves_no_cost():
    """Its fee does; the profit of what it closes is the venue's to reckon."""
    assert flow_of(LENT, ETH_BTC, "sell", "BTC", margin=True) == d("-0.0001")
    assert flow_of(LENT, ETH_BTC, "sell", "BTC") == d("0.0499")
    assert flow_of(LENT, ETH_BTC, "sell", "ETH", margin=True) == 0


def test_profit_on_margin_in_the_same_asset_keeps_no_close_from_being_flat():
    """ETH/BTC closed on margin while bitcoin itself is closed: no fill tells the profit, so the balance proves nothing.

    A change that the fees explain is explained all the same.
    """
    clock: Any = SimpleNamespace(now_ns=lambda: 1)
    with closing(seeded_journal(Disk(), VenueIdentity("sim", "a", "simulated"), clock)) as journal:
        limit = Price(d("0.05"))
        signal = Signal("s1", "ETH/BTC", "sell", "limit", Qty(d(1)), None, limit_price=limit, leverage=2)
        intent = Intent(entry_order(signal, ETH_BTC, "o1"), "entry", "")
        journal.append("intent", intent, ts_ns=1, signal_id="s1", cl_ord_id="o1")
        before = wallets("1", journal.head[0])
        event = OrderEvent("trade", "open", "filled", 2, fill=LENT)
        journal.append("order", event, ts_ns=2, signal_id="s1", cl_ord_id="o1")
        services: Any = SimpleNamespace(journal=journal, link=SimpleNamespace(instrument=lambda _: ETH_BTC))
        proof = CloseProof(services)
        found = [proof.balance("BTC", before, wallets(btc, journal.head[0])) for btc in ("1.003", "0.9999")]
    assert [(one.change, one.explained) for one in found] == [(d("0.003"), None), (d("-0.0001"), True)]
