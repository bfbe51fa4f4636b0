"""Frames, digit by digit."""

from decimal import Decimal
from pathlib import Path

import pytest

from engine.errors import VenueProtocolError
from engine.kraken import decode
from engine.kraken.frames import Channel, Heartbeat, Response, Throttled

FOLDER = Path(__file__).parent.parent / "fixtures/kraken/messages"
WS = sorted(p.stem for p in FOLDER.glob("*.json") if not p.stem.startswith("rest_"))
READERS = {
    "executions": decode.executions,
    "balances": decode.balances,
    "book": decode.books,
    "trade": decode.trades,
    "ticker": decode.tickers,
    "status": decode.statuses,
    "instrument": decode.instruments,
}


@pytest.mark.parametrize("name", WS)
def test_every_documented_message_is_understood(wire_text, name):
    """Each fixture decodes to its kind, and its data to typed rows."""
    frame = decode.message(wire_text(name))
    assert isinstance(frame, Channel | Heartbeat | Response | Throttled)
    if isinstance(frame, Channel):
        READERS[frame.name](frame)


def test_execution_numbers_keep_their_digits(wire_text):
    """Trailing zeros of prices, quantities and fees stand as on the wire."""
    (row,) = decode.executions(decode.message(wire_text("executions_trade")))
    assert [str(x) for x in (row.last_qty, row.last_price, row.cost, row.cum_qty, row.fees[0].qty)] == [
        "0.00004000", "80000.0", "3.20000", "0.00004000", "0.01280",
    ]  # fmt: skip


def test_instrument_takes_text_and_number_and_exponent(wire_text):
    """cost_min comes as text or number, an increment may come as 1e-07; all are exact."""
    bitcoin, doge = decode.instruments(decode.message(wire_text("instrument")))
    assert bitcoin.cost_min == Decimal("0.5")
    assert doge.price_increment == Decimal("0.0000001")
    assert doge.status == "limit_only"


def test_unknown_pair_status_is_unknown(wire_text):
    """A status nobody documented is not taken for online."""
    text = wire_text("instrument").replace('"limit_only"', '"on_fire"')
    assert decode.instruments(decode.message(text))[1].status == "unknown"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"x"', '{"channel":5}', '{"method":"add_order","req_id":"x"}'])
def test_unreadable_frames_break_the_contract(text):
    """What is no frame of this API raises VenueProtocolError."""
    with pytest.raises(VenueProtocolError):
        decode.message(text)


def test_missing_required_member_names_itself():
    """An execution without order_id is refused with the member's name."""
    text = '{"channel":"executions","type":"update","data":[{"exec_type":"new","timestamp":"x"}],"sequence":2}'
    with pytest.raises(VenueProtocolError, match="order_id"):
        decode.executions(decode.message(text))


@pytest.mark.parametrize(
    "time", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000000Z", "2026-01-01T01:00:00+01:00"]
)
def test_times_of_any_precision(time):
    """Seconds, microseconds and nanoseconds are one moment."""
    assert decode.moment(time) == 1_767_225_600_000_000_000


def test_unreadable_time_breaks_the_contract():
    """A time that is none raises VenueProtocolError."""
    with pytest.raises(VenueProtocolError):
        decode.moment("yesterday")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, '{"channel":"book","data":' + "[" * 100_000 + "]" * 100_000 + "}"]
)
def test_nesting_without_end_breaks_the_contract(text):
    """Deeper than the decoder can follow: it once let RecursionError through."""
    with pytest.raises(VenueProtocolError):
        decode.message(text)
