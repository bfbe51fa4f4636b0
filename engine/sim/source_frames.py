"""Public frames of a Kraken elsewhere: as much of them as a market needs, with every number's text kept."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import msgspec

from engine.sim.numbers import amount

Channel = Literal["instrument", "book", "trade"]


class Level(msgspec.Struct, gc=False):
    """Price and quantity as they were written."""

    price: msgspec.Raw
    qty: msgspec.Raw


class BookRow(msgspec.Struct):
    """A snapshot or an update of one symbol's book."""

    symbol: str
    bids: list[Level] = []
    asks: list[Level] = []
    checksum: int | None = None


class TradeRow(msgspec.Struct):
    """One public trade; ``side`` is the taker's."""

    symbol: str
    side: Literal["buy", "sell"]
    price: msgspec.Raw
    qty: msgspec.Raw
    ord_type: str = "market"


class Frame(msgspec.Struct):
    """Any frame: data of a channel, or the answer to a request."""

    channel: str = ""
    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
    method: str = ""
    success: bool | None = None
    error: str | None = None


_frame = msgspec.json.Decoder(Frame)
_books = msgspec.json.Decoder(list[BookRow])
_trades = msgspec.json.Decoder(list[TradeRow])
_instruments = msgspec.json.Decoder(dict[str, list[dict[str, Any]]], float_hook=Decimal)


def decode_frame(text: str | bytes) -> Frame:
    """Read a frame. Raises ValueError."""
    return _frame.decode(text)


def book_rows(frame: Frame) -> list[BookRow]:
    """Read the data of a book frame. Raises ValueError."""
    return _books.decode(frame.data)


def trade_rows(frame: Frame) -> list[TradeRow]:
    """Read the data of a trade frame. Raises ValueError."""
    return _trades.decode(frame.data)


def instrument_data(frame: Frame) -> dict[str, Any]:
    """Read the data of an instrument frame, numbers as Decimal. Raises ValueError."""
    return _instruments.decode(frame.data)


def number_of(raw: msgspec.Raw) -> Decimal:
    """Read a number by its text. Raises ValueError."""
    return amount(bytes(raw).decode())
