"""Requests, to the byte."""

import json
import re
from decimal import Decimal
from urllib.parse import parse_qs

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import OrderInvariantError
from engine.kraken import encode
from engine.orders.commands import AmendOrder, CancelOrder, Conditional, NewOrder
from engine.values.money import Price

DEADLINE_NS = 1_767_225_602_000_000_000
LIMIT = NewOrder("bot-1", "BTC/USD", "buy", "limit", Decimal("0.01000000"), Decimal("50000.0"), deadline_ns=DEADLINE_NS)
STOP = NewOrder(
    "bot-2", "BTC/USD", "sell", "stop-loss-limit", Decimal("1E-8"), Decimal("48900.0"), Decimal("49000.0"),
    stp_type="cancel_oldest", fee_preference="base", deadline_ns=DEADLINE_NS,
)  # fmt: skip


def test_add_order_frame_is_exact():
    """Numbers are JSON numbers with our digits; deadline, stp_type and token are there."""
    assert encode.frame("add_order", encode.add_order(LIMIT, "T"), 7) == (
        '{"method":"add_order","params":{"order_type":"limit","side":"buy","symbol":"BTC/USD","order_qty":0.01000000,'
        '"limit_price":50000.0,"time_in_force":"gtc","stp_type":"cancel_newest","cl_ord_id":"bot-1",'
        '"deadline":"2026-01-01T00:00:02.000Z","token":"T"},"req_id":7}'
    )


@pytest.mark.parametrize("order", [LIMIT, STOP])
def test_orders_never_say_validate(order):
    """On a form any value of it, even False, makes the venue check the order and place nothing (pykrakenapi #3)."""
    assert "validate" not in encode.add_order(order, "T")
    assert "validate" not in encode.add_order_form(order, "XBTUSD")


def test_stop_frame_carries_its_trigger():
    """A stop-loss-limit has triggers and a limit, and no exponent however small the amount."""
    text = encode.frame("add_order", encode.add_order(STOP, "T"), 8)
    assert '"triggers":{"reference":"last","price":49000.0,"price_type":"static"}' in text
    assert '"order_qty":0.00000001' in text
    assert '"limit_price":48900.0' in text
    assert '"stp_type":"cancel_oldest"' in text
    assert '"fee_preference":"base"' in text


def test_market_frame_has_no_price():
    """A market order carries neither limit nor trigger nor time in force."""
    params = encode.add_order(NewOrder("m", "BTC/USD", "buy", "market", Decimal(1)), "T")
    assert not {"limit_price", "triggers", "time_in_force"} & set(params)


def test_amend_and_cancel_name_the_order_once():
    """By order id when there is one, by client id otherwise; a cancel takes lists and no deadline."""
    amend = AmendOrder("bot-1", "OID", "BTC/USD", Decimal("0.02"), Decimal("50001.0"), deadline_ns=DEADLINE_NS)
    params = encode.amend_order(amend, "T")
    assert params["order_id"] == "OID"
    assert "cl_ord_id" not in params
    assert params["deadline"] == "2026-01-01T00:00:02.000Z"
    assert encode.cancel_order(CancelOrder("bot-1", "OID", "BTC/USD"), "T") == {"order_id": ["OID"], "token": "T"}
    assert encode.cancel_order(CancelOrder("bot-1", "", "BTC/USD"), "T") == {"cl_ord_id": ["bot-1"], "token": "T"}


def test_rest_forms_use_rest_words():
    """price and price2, hyphens in stptype, flags, upper case time in force, altname."""
    form = encode.add_order_form(STOP, "XBTUSD")
    assert form == {
        "ordertype": "stop-loss-limit", "type": "sell", "pair": "XBTUSD", "volume": "0.00000001", "price": "49000.0",
        "price2": "48900.0", "oflags": "fcib", "stptype": "cancel-oldest", "cl_ord_id": "bot-2",
        "deadline": "2026-01-01T00:00:02.000Z",
    }  # fmt: skip
    assert encode.add_order_form(LIMIT, "XBTUSD")["timeinforce"] == "GTC"
    assert encode.cancel_order_form(CancelOrder("c", "OID", "BTC/USD")) == {"txid": "OID"}
    assert encode.cancel_order_form(CancelOrder("c", "", "BTC/USD")) == {"cl_ord_id": "c"}


def test_plus_signs_and_colons_survive_the_form():
    """What is signed is what is sent, and it decodes to what was meant."""
    body = encode.form_body({"nonce": "1", "price": "+5%", "deadline": "2026-01-01T00:00:02.000Z"})
    assert b"%2B5%25" in body
    assert parse_qs(body.decode())["deadline"] == ["2026-01-01T00:00:02.000Z"]


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("-1e15"), max_value=Decimal("1e15")))
def test_any_amount_round_trips_without_exponent(value):
    """An encoded amount is plain digits and decodes to the same Decimal, as text and as JSON number."""
    text = encode.amount(value)
    assert re.fullmatch(r"-?\d+(\.\d+)?", text)
    assert Decimal(text) == value
    assert msgspec.json.decode(msgspec.json.encode({"x": encode.number(value)}), type=dict[str, Decimal])["x"] == value
    assert json.loads(msgspec.json.encode([encode.number(value)]), parse_float=Decimal, parse_int=Decimal) == [value]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_what_is_no_number_is_never_sent(text):
    """NaN and infinities raise before a request exists."""
    with pytest.raises(OrderInvariantError):
        encode.amount(Decimal(text))


def test_trailing_stop_is_a_distance_on_both_ways():
    """A price type on the stream, a plus sign and perhaps a percent sign in a form."""
    trail = NewOrder("t", "BTC/USD", "sell", "trailing-stop", Decimal(1), trail=Decimal("2.5"), trail_unit="pct")
    text = encode.frame("add_order", encode.add_order(trail, "T"), 1)
    assert '"triggers":{"reference":"last","price":2.5,"price_type":"pct"}' in text
    assert encode.add_order_form(trail, "XBTUSD")["price"] == "+2.5%"


def test_terms_of_an_entry_on_both_ways():
    """Post-only, good till date, the index as reference, the close that Kraken makes of each fill."""
    close = Conditional("stop-loss-limit", Price(Decimal(90)), Price(Decimal(89)))
    entry = NewOrder("e", "BTC/USD", "buy", "stop-loss-limit", Decimal(1), Price(Decimal(101)), Price(Decimal(100)),
                     time_in_force="gtd", expire_ns=4_070_908_800_000_000_000, trigger_reference="index",
                     post_only=True, conditional=close)  # fmt: skip
    params = encode.add_order(entry, "T")
    assert (params["expire_time"], params["post_only"]) == ("2099-01-01T00:00:00Z", True)
    assert params["triggers"]["reference"] == "index"
    text = encode.frame("add_order", params, 1)
    assert '"conditional":{"order_type":"stop-loss-limit","trigger_price":90,"limit_price":89}' in text
    form = encode.add_order_form(entry, "XBTUSD")
    assert (form["expiretm"], form["oflags"], form["trigger"]) == ("4070908800", "post", "index")
    assert (form["close[ordertype]"], form["close[price]"], form["close[price2]"]) == ("stop-loss-limit", "90", "89")
    nested = encode.add_batch_body([entry], "XBTUSD")["orders"][0]
    assert nested["close"] == {"ordertype": "stop-loss-limit", "price": "90", "price2": "89"}
