"""What the core tells the world, synchronously and in order; whoever listens renders it at once."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from engine.sim.orders import Side, SimOrder, SimTrade
from engine.sim.positions import Position


@dataclass(frozen=True, slots=True)
class OrderReport:
    """Something happened to an order; ``order`` is live, so it must be read before the listener returns."""

    order: SimOrder
    exec_type: str
    ts_ns: int
    trade: SimTrade | None = None


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """A trade on the tape; ``side`` is the taker's."""

    symbol: str
    side: Side
    price: Decimal
    qty: Decimal
    ord_type: str
    trade_id: int
    ts_ns: int


@dataclass(frozen=True, slots=True)
class MarketMoved:
    """A command is over and has changed a market: its book, its best prices, or only printed a trade."""

    symbol: str
    book: bool
    best: bool
    traded: bool
    ts_ns: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A balance moved; ``balance`` is the total after it."""

    ledger_id: str
    ref_id: str
    account: str
    asset: str
    amount: Decimal
    fee: Decimal
    balance: Decimal
    ts_ns: int
    type: str = "trade"  # of section 6.6: deposit, withdrawal, trade, margin, rollover...
    subtype: str = ""


@dataclass(frozen=True, slots=True)
class PositionMoved:
    """A margin position was opened, reduced, closed, or charged its rollover."""

    position: Position
    ts_ns: int


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The venue, or with a symbol one of its pairs, entered another mode."""

    status: str
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class CommandDone:
    """A command is over, with everything that it set off. Nothing of it has left the process yet."""

    ts_ns: int


Event = OrderReport | PublicTrade | MarketMoved | LedgerEntry | PositionMoved | StatusChanged | CommandDone
