"""WebSocket v2 text to frames. Every digit of every number is kept.

Two steps: the envelope tells the kind, then ``data`` is decoded once as that kind. Unknown members and channels pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast, get_args

import msgspec

from engine.errors import VenueProtocolError
from engine.kraken import validate
from engine.kraken.frames import (
    BalanceRow,
    BookRow,
    CandleRow,
    Channel,
    ExecutionRow,
    Heartbeat,
    InstrumentData,
    MemberInfo,
    Message,
    PairInfo,
    Response,
    ResultInfo,
    StatusRow,
    Throttled,
    TickerRow,
    TradeRow,
)
from engine.values.instrument import Instrument, PairStatus
from engine.values.money import Price, Qty
from engine.values.time import parse_rfc3339

Rows = TypeVar("Rows")
Row = TypeVar("Row")


UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What the library raises for bytes that are no JSON, no UTF-8, of another shape, or nested a thousand deep."""


class _Named(msgspec.Struct):
    symbol: str


class _Envelope(msgspec.Struct):
    channel: str | None = None
    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    sequence: int | None = None
    method: str | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    throttled: str | None = msgspec.field(default=None, name="Error")


_envelope = msgspec.json.Decoder(_Envelope)
_response = msgspec.json.Decoder(Response)
_members = msgspec.json.Decoder(tuple[MemberInfo, ...])
_executions = msgspec.json.Decoder(tuple[ExecutionRow, ...])
_balances = msgspec.json.Decoder(tuple[BalanceRow, ...])
_books = msgspec.json.Decoder(tuple[BookRow, ...])
_trades = msgspec.json.Decoder(tuple[TradeRow, ...])
_candles = msgspec.json.Decoder(tuple[CandleRow, ...])
_tickers = msgspec.json.Decoder(tuple[TickerRow, ...])
_statuses = msgspec.json.Decoder(tuple[StatusRow, ...])
_instruments = msgspec.json.Decoder(InstrumentData)
_pair = msgspec.json.Decoder(PairInfo)
_named = msgspec.json.Decoder(tuple[_Named, ...])

_PAIR_STATUSES = frozenset(get_args(PairStatus))


def message(text: str | bytes) -> Message:
    """Tell what a frame is. Raises VenueProtocolError when it is not a frame of this API."""
    try:
        envelope = _envelope.decode(text)
        if envelope.method is not None:
            return _listed(text, envelope.result) if bytes(envelope.result).startswith(b"[") else _response.decode(text)
    except UNREADABLE as error:
        raise VenueProtocolError(f"unreadable frame: {error}") from None
    if envelope.channel == "heartbeat":
        return Heartbeat()
    if envelope.channel is not None:
        return Channel(envelope.channel, envelope.type == "snapshot", envelope.data, envelope.sequence)
    if envelope.throttled is not None:
        return Throttled(envelope.throttled)
    raise VenueProtocolError("a frame with neither channel nor method")


class _Unlisted(msgspec.Struct):
    """A response without its result."""

    method: str
    req_id: int | None = None
    success: bool = True
    error: str | None = None
    time_in: str | None = None
    time_out: str | None = None


_unlisted = msgspec.json.Decoder(_Unlisted)


def _listed(text: str | bytes, result: msgspec.Raw) -> Response:
    """Read the answer to a batch, whose result is a list instead of an object (§8.5)."""
    plain = msgspec.structs.asdict(_unlisted.decode(text))
    return Response(**plain, result=ResultInfo(orders=_members.decode(result)))


def executions(channel: Channel) -> tuple[ExecutionRow, ...]:
    """Decode the reports of an executions frame."""
    return _checked(_rows(_executions, channel), validate.execution)


def balances(channel: Channel) -> tuple[BalanceRow, ...]:
    """Decode a balances frame."""
    return _checked(_rows(_balances, channel), validate.balance)


def books(channel: Channel) -> tuple[BookRow, ...]:
    """Decode a book frame."""
    return _checked(_rows(_books, channel), validate.book)


def trades(channel: Channel) -> tuple[TradeRow, ...]:
    """Decode a trade frame."""
    return _checked(_rows(_trades, channel), validate.trade)


def tickers(channel: Channel) -> tuple[TickerRow, ...]:
    """Decode a ticker frame."""
    return _checked(_rows(_tickers, channel), validate.ticker)


def candles(channel: Channel) -> tuple[CandleRow, ...]:
    """Decode an ohlc frame."""
    return _checked(_rows(_candles, channel), validate.candle)


def statuses(channel: Channel) -> tuple[StatusRow, ...]:
    """Decode a status frame."""
    return _rows(_statuses, channel)


def instruments(channel: Channel, broken: Callable[[str], None] | None = None) -> list[Instrument]:
    """Decode an instrument frame: all pairs in a snapshot, the changed ones in an update.

    A pair that cannot be read is told to ``broken`` and left out: one odd market must not hide the others.
    """
    found = []
    for raw in _rows(_instruments, channel).pairs:
        try:
            pair = _pair.decode(raw)
            validate.pair(pair)
            found.append(_instrument(pair))
        except (*UNREADABLE, VenueProtocolError) as error:
            if broken is not None:
                broken(f"instrument: {error}")
    return found


def symbols(channel: Channel) -> tuple[str, ...]:
    """Return the symbols that a frame of an unreadable shape names, or nothing."""
    try:
        return tuple(row.symbol for row in _named.decode(channel.data))
    except UNREADABLE:
        return ()


def moment(text: str) -> int:
    """Return a wire time as UTC nanoseconds. Raises VenueProtocolError."""
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError) as error:
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


def _checked(rows: tuple[Row, ...], check: Callable[[Row], None]) -> tuple[Row, ...]:
    for row in rows:
        check(row)
    return rows


def _rows(decoder: msgspec.json.Decoder[Rows], channel: Channel) -> Rows:
    try:
        return decoder.decode(channel.data)
    except UNREADABLE as error:
        raise VenueProtocolError(f"{channel.name}: {error}") from None
