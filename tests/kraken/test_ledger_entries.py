"""The account's ledger over REST: whoever moved a balance, and by how much."""

from __future__ import annotations

from decimal import Decimal

from engine.accounts.movement import SPOT
from engine.kraken.rest_ledger import LedgerObject, movement
from engine.kraken.symbols import Symbols


def test_entry_reads_in_our_names_to_the_digit():
    """The fee comes off besides the amount; a reward wallet is told by the suffix of its asset."""
    entry = LedgerObject("TAAAAA", Decimal("1767225600.1234"), "trade", "USD", Decimal("-100.5000"), Decimal("0.2600"))
    one = movement("LAAAAA", entry, Symbols())
    assert (one.asset, one.wallet, one.kind, one.ref_id, one.ts_ns) == (
        "USD",
        SPOT,
        "trade",
        "TAAAAA",
        1_767_225_600_123_400_000,
    )
    assert str(one.change) == "-100.7600"
    earned = LedgerObject("R", Decimal(1), "staking", "BTC.F", Decimal("0.0001"))
    assert (movement("L", earned, Symbols()).asset, movement("L", earned, Symbols()).wallet) == ("BTC", ".F")
