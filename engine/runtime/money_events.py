"""What is published about money, by type. Amounts in units of the asset or, for positions, of base and quote."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.accounts.movement import Movement
from engine.values.money import Side


class PositionChanged(msgspec.Struct, frozen=True):
    """A fill of ours was booked. ``qty`` and ``cost`` are what its strategy holds now, signed.

    ``realized`` is what this fill realised in quote units after its fees in base and quote.
    """

    ts_ns: int
    strategy_id: str
    symbol: str
    exec_id: str
    side: Side
    last_qty: Decimal
    qty: Decimal
    cost: Decimal
    realized: Decimal


class BalanceChanged(msgspec.Struct, frozen=True):
    """The venue told a balance. ``kind`` is its word for what moved it, "" where a stream began with this."""

    ts_ns: int
    asset: str
    wallet: str
    total: Decimal
    kind: str = ""


class ForeignMovement(msgspec.Struct, frozen=True):
    """Somebody else moved a balance: a deposit, a reward, a person's trade."""

    ts_ns: int
    movement: Movement


class BalanceMismatch(msgspec.Struct, frozen=True):
    """What neither our fills nor the venue's ledger entries explain, by asset; empty: it is explained again."""

    ts_ns: int
    unexplained: dict[str, Decimal]


class MarginChanged(msgspec.Struct, frozen=True):
    """An alarm about margin has begun or ended. ``alarms`` are those that stand, as CODE:subject; ``level`` in percent.

    ``mismatch`` is what the venue holds on margin beyond our brackets, by symbol.
    """

    ts_ns: int
    level: Decimal | None
    alarms: tuple[str, ...]
    mismatch: dict[str, Decimal]


class MarginCharged(msgspec.Struct, frozen=True):
    """Margin took ``qty`` units of ``asset`` beside the fees of fills: for opening a position, or for keeping it.

    ``ref_id`` is the venue's name for what it charged; strategy and symbol are "unattributed" where none is named.
    """

    ts_ns: int
    strategy_id: str
    symbol: str
    ref_id: str
    asset: str
    qty: Decimal


MoneyEvent = PositionChanged | BalanceChanged | ForeignMovement | BalanceMismatch | MarginChanged | MarginCharged
EVERY_KIND: tuple[type[MoneyEvent], ...] = (
    PositionChanged,
    BalanceChanged,
    ForeignMovement,
    BalanceMismatch,
    MarginChanged,
    MarginCharged,
)
