"""Entries of the account's ledger as REST tells them (§1.4, §6.6)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.accounts.movement import Movement, wallet_of
from engine.kraken import validate
from engine.kraken.symbols import Symbols
from engine.values.time import NS


class LedgerObject(msgspec.Struct, frozen=True):
    """One entry. ``time`` is in seconds, cut to 0.1 ms; ``fee`` is taken besides ``amount``."""

    refid: str
    time: Decimal
    type: str
    asset: str
    amount: Decimal
    fee: Decimal = Decimal(0)


def movement(ledger_id: str, entry: LedgerObject, symbols: Symbols) -> Movement:
    """Return an entry in our words. Raises VenueProtocolError for numbers that no account has."""
    for name in ("time", "amount", "fee"):
        validate.number("Ledgers", name, getattr(entry, name))
    asset, wallet = wallet_of(symbols.asset(entry.asset))
    ts_ns = int(entry.time * NS)
    return Movement(ledger_id, entry.refid, entry.type, asset, entry.amount, entry.fee, ts_ns, wallet)
