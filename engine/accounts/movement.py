"""A change of a balance, as the venue's own ledger tells it. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

SPOT: Final = "spot"
"""The wallet that orders are paid from."""
REWARD_SUFFIXES: Final = ("B", "F", "M", "S")
"""Kraken's REST names end so for what earns rewards: bonded, flexible (auto earn), opted in, staked."""


class Movement(msgspec.Struct, frozen=True):
    """One entry of the venue's ledger: ``amount`` signed units of the asset, ``fee`` taken besides it.

    ``kind`` is the venue's word (trade, deposit, withdrawal, staking, …); the ``ref_id`` of a trade is its exec_id.
    ``ts_ns`` is the venue's time.
    """

    ledger_id: str
    ref_id: str
    kind: str
    asset: str
    amount: Decimal
    fee: Decimal
    ts_ns: int
    wallet: str = SPOT

    @property
    def change(self) -> Decimal:
        """By how much the balance moved."""
        return self.amount - self.fee


def wallet_of(name: str) -> tuple[str, str]:
    """Split a balance's name into asset and wallet: ``BTC.F`` lies in the reward wallet ``.F``, all else in spot."""
    asset, dot, suffix = name.rpartition(".")
    return (asset, dot + suffix) if asset and suffix in REWARD_SUFFIXES else (name, SPOT)
