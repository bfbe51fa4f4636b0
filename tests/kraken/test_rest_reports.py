"""REST objects as reports."""

import re

import msgspec
import pytest

from engine.errors import VenueProtocolError
from engine.kraken import decode
from engine.kraken.rest_reports import OrderObject, TradeObject, order_report, trade_report
from engine.kraken.symbols import PairRow, Symbols
from engine.orders.reports import ReportType


@pytest.fixture
def symbols(wire_text):
    """A directory from the documented messages."""
    one = Symbols()
    pairs = msgspec.json.decode(wire_text("rest_asset_pairs"))["result"]
    one.learn_pairs(msgspec.convert(pairs, dict[str, PairRow]))
    one.learn_instruments(decode.instruments(decode.message(wire_text("instrument"))))
    return one


def read(text, member, into):
    """The one object of an answer."""
    answer = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    inner = msgspec.json.decode(answer["result"], type=dict[str, msgspec.Raw])[member]
    return next(iter(msgspec.json.decode(inner, type=dict[str, into]).items()))


def test_open_stop_limit(wire_text, symbols):
    """descr.price is the trigger, price2 the limit, price the average; partly filled and triggered show."""
    report = order_report(*read(wire_text("rest_open_orders"), "open", OrderObject), symbols)
    assert (report.symbol, report.side, report.order_type, report.ord_status) == (
        "BTC/USD", "sell", "stop-loss-limit", "partially_filled",
    )  # fmt: skip
    assert [str(x) for x in (report.trigger_price, report.limit_price, report.avg_px)] == [
        "49000.0",
        "48900.0",
        "49000.0",
    ]
    assert (str(report.order_qty), str(report.cum_qty), report.triggered) == ("0.01000000", "0.00400000", True)
    assert report.ts_ns == 1_688_667_796_880_200_000


def test_canceled_order_keeps_its_fills_and_reason(wire_text, symbols):
    """Canceled may have fills; the text None is no reference; the time is the close."""
    report = order_report(*read(wire_text("rest_closed_orders"), "closed", OrderObject), symbols)
    assert (report.ord_status, str(report.cum_qty), report.reason) == ("canceled", "0.37500000", "Post only order")
    assert (report.ord_ref_id, report.ts_ns, report.triggered) == (None, 1_688_667_797_500_000_000, None)


def test_trade_is_a_fill_that_claims_nothing_of_its_order(wire_text, symbols):
    """Identity, amounts, liquidity and quote fee; the status is only that something is filled."""
    report = trade_report(*read(wire_text("rest_trades_history"), "trades", TradeObject), symbols)
    assert (report.report_type, report.ord_status, report.cum_qty) == (ReportType.TRADE, "partially_filled", None)
    fill = report.fill
    assert (fill.exec_id, str(fill.last_px), str(fill.fees[0].qty), fill.fees[0].asset, fill.liquidity_ind) == (
        "TCCCTY-WE2O6-P3NB37", "30010.00000", "0.96032", "USD", "maker",
    )  # fmt: skip


@pytest.mark.parametrize("spoilt", ['"opentm":1e999999999', '"vol_exec":"NaN"', '"vol":"-1"', '"price":"sNaN"'])
def test_numbers_that_are_none_break_the_contract(wire_text, symbols, spoilt):
    """A time beyond all clocks overflowed, and NaN passed for a quantity, before they were looked at."""
    name = spoilt.partition(":")[0]
    text = re.sub(rf'{name}: ?("[^"]*"|[0-9.]+)', lambda _: spoilt, wire_text("rest_open_orders"))
    assert spoilt in text
    with pytest.raises(VenueProtocolError):
        order_report(*read(text, "open", OrderObject), symbols)
