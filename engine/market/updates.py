"""What the market says, as frozen values: one type for each kind of message. Times are UTC nanoseconds."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.market.book import Book, Fault, Level
from engine.values.instrument import Instrument
from engine.values.money import Price, Qty, Side


class BookView(msgspec.Struct, frozen=True):
    """A book at one moment: at most ``depth`` levels of each side, best first, as (price, qty).

    While ``usable`` is False (``fault`` says why) its levels are what was last held: to look at, not to rest on.
    """

    symbol: str
    depth: int
    usable: bool
    fault: Fault
    version: int
    ts_ns: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class Ticker(msgspec.Struct, frozen=True):
    """The figures of the last 24 hours of one symbol; None where the venue does not say. ``change`` is in quote."""

    symbol: str
    bid: Price
    bid_qty: Qty
    ask: Price
    ask_qty: Qty
    last: Price
    volume: Qty
    vwap: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    change: Decimal | None = None
    change_pct: Decimal | None = None
    ts_ns: int = 0


class PublicTrade(msgspec.Struct, frozen=True):
    """A trade anyone made. ``side`` is the taker's; ``trade_id`` counts within its symbol."""

    symbol: str
    side: Side
    price: Price
    qty: Qty
    trade_id: int
    ts_ns: int


class TradesMissed(msgspec.Struct, frozen=True):
    """Trades of a symbol that never reached us: ``first`` to ``last`` by ``trade_id``, inclusive."""

    symbol: str
    first: int
    last: int


class Candle(msgspec.Struct, frozen=True):
    """One interval (minutes) of a symbol as it stands; it is final once the next one begins (``begin_ns``)."""

    symbol: str
    interval: int
    begin_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    vwap: Decimal
    trades: int
    volume: Qty


class InstrumentChanged(msgspec.Struct, frozen=True):
    """A market is new, its steps have changed, or what may be done in it has (``instrument.status``)."""

    instrument: Instrument

    @property
    def symbol(self) -> str:
        """The market's name."""
        return self.instrument.symbol


def view_of(book: Book, depth: int | None = None) -> BookView:
    """Return a book as it is now, cut to ``depth``."""
    shown = book.depth if depth is None else min(depth, book.depth)
    return BookView(
        symbol=book.symbol,
        depth=shown,
        usable=book.usable,
        fault=book.fault,
        version=book.version,
        ts_ns=book.ts_ns,
        bids=tuple(book.levels("buy", shown)),
        asks=tuple(book.levels("sell", shown)),
    )
