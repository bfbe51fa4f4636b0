"""WebSocket v2 text to frames. Every digit of every number is kept.

Two steps: the envelope tells the kind, then ``data`` is decoded once as that kind. Unknown members and channels pass.
"""

from __future__ import annotations

from typing import TypeVar, cast, get_args

import msgspec

from engine.errors import VenueProtocolError
from engine.kraken.frames import (
    BalanceRow,
    BookRow,
    Channel,
    ExecutionRow,
    Heartbeat,
    InstrumentData,
    Message,
    PairInfo,
    Response,
    StatusRow,
    Throttled,
    TickerRow,
    TradeRow,
)
from engine.values.instrument import Instrument, PairStatus
from engine.values.money import Price, Qty
from engine.values.time import parse_rfc3339

Rows = TypeVar("Rows")


class _Envelope(msgspec.Struct):
    channel: str | None = None
    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    sequence: int | None = None
    method: str | None = None
    throttled: str | None = msgspec.field(default=None, name="Error")


_envelope = msgspec.json.Decoder(_Envelope)
_response = msgspec.json.Decoder(Response)
_executions = msgspec.json.Decoder(tuple[ExecutionRow, ...])
_balances = msgspec.json.Decoder(tuple[BalanceRow, ...])
_books = msgspec.json.Decoder(tuple[BookRow, ...])
_trades = msgspec.json.Decoder(tuple[TradeRow, ...])
_tickers = msgspec.json.Decoder(tuple[TickerRow, ...])
_statuses = msgspec.json.Decoder(tuple[StatusRow, ...])
_instruments = msgspec.json.Decoder(InstrumentData)

_PAIR_STATUSES = frozenset(get_args(PairStatus))


def message(text: str | bytes) -> Message:
    """Tell what a frame is. Raises VenueProtocolError when it is not a frame of this API."""
    try:
        envelope = _envelope.decode(text)
        if envelope.method is not None:
            return _response.decode(text)
    except msgspec.MsgspecError as error:
        raise VenueProtocolError(f"unreadable frame: {error}") from None
    if envelope.channel == "heartbeat":
        return Heartbeat()
    if envelope.channel is not None:
        return Channel(envelope.channel, envelope.type == "snapshot", envelope.data, envelope.sequence)
    if envelope.throttled is not None:
        return Throttled(envelope.throttled)
    raise VenueProtocolError("a frame with neither channel nor method")


def executions(channel: Channel) -> tuple[ExecutionRow, ...]:
    """Decode the reports of an executions frame."""
    return _rows(_executions, channel)


def balances(channel: Channel) -> tuple[BalanceRow, ...]:
    """Decode a balances frame."""
    return _rows(_balances, channel)


def books(channel: Channel) -> tuple[BookRow, ...]:
    """Decode a book frame."""
    return _rows(_books, channel)


def trades(channel: Channel) -> tuple[TradeRow, ...]:
    """Decode a trade frame."""
    return _rows(_trades, channel)


def tickers(channel: Channel) -> tuple[TickerRow, ...]:
    """Decode a ticker frame."""
    return _rows(_tickers, channel)


def statuses(channel: Channel) -> tuple[StatusRow, ...]:
    """Decode a status frame."""
    return _rows(_statuses, channel)


def instruments(channel: Channel) -> list[Instrument]:
    """Decode an instrument frame: all pairs in a snapshot, the changed ones in an update."""
    return [_instrument(pair) for pair in _rows(_instruments, channel).pairs]


def moment(text: str) -> int:
    """Return a wire time as UTC nanoseconds. Raises VenueProtocolError."""
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise VenueProtocolError(str(error)) from None


def _instrument(pair: PairInfo) -> Instrument:
    return Instrument(
        symbol=pair.symbol,
        base=pair.base,
        quote=pair.quote,
        status=cast("PairStatus", pair.status) if pair.status in _PAIR_STATUSES else "unknown",
        price_precision=pair.price_precision,
        price_increment=Price(pair.price_increment),
        qty_precision=pair.qty_precision,
        qty_increment=Qty(pair.qty_increment),
        qty_min=Qty(pair.qty_min),
        cost_precision=pair.cost_precision,
        cost_min=pair.cost_min,
    )


def _rows(decoder: msgspec.json.Decoder[Rows], channel: Channel) -> Rows:
    try:
        return decoder.decode(channel.data)
    except msgspec.MsgspecError as error:
        raise VenueProtocolError(f"{channel.name}: {error}") from None
