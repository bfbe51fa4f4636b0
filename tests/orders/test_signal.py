"""The one-line form of a signal."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.orders.signal import Signal, SignalFault, StopLoss, TakeProfit, parse_signal

SIGNAL_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
GOOD: dict[str, Any] = {
    "signal_id": SIGNAL_ID,
    "strategy_id": "demo",
    "symbol": "BTC/USD",
    "side": "buy",
    "order_type": "limit",
    "order_qty": "0.02",
    "limit_price": "50000.0",
    "stop_loss": {"trigger_price": "49000.0", "limit_price": "48900.0"},
    "take_profit": {"price": "51000.0"},
    "time_in_force": "gtc",
    "entry_timeout_s": 30,
    "valid_until": "2099-01-01T00:00:00Z",
}


def line(**changes: Any) -> str:
    return json.dumps({**GOOD, **changes})


def faults(text: str) -> list[str]:
    with pytest.raises(SignalFault) as caught:
        parse_signal(text)
    return caught.value.errors


def test_every_member_is_read() -> None:
    """The documented example, member by member."""
    assert parse_signal(line()) == Signal(
        signal_id=SIGNAL_ID,
        symbol="BTC/USD",
        side="buy",
        order_type="limit",
        order_qty=Decimal("0.02"),  # type: ignore[arg-type]  # plain numbers read better here
        stop_loss=StopLoss(Decimal(49000), Decimal(48900)),  # type: ignore[arg-type]
        strategy_id="demo",
        limit_price=Decimal(50000),  # type: ignore[arg-type]
        take_profit=TakeProfit(Decimal(51000)),  # type: ignore[arg-type]
        entry_timeout_s=Decimal(30),
        valid_until_ns=4_070_908_800_000_000_000,
    )


def test_signal_may_say_when_it_was_decided() -> None:
    """``created_at`` is a moment; without it the age counts from the arrival."""
    assert parse_signal(line(created_at="2026-01-01T00:00:00.5Z")).created_ns == 1_767_225_600_500_000_000
    assert parse_signal(line()).created_ns is None
    assert faults(line(created_at="yesterday"))[0].startswith("created_at: ")


def test_optional_members_may_be_left_out_or_null() -> None:
    """strategy_id, target, time-out and validity have defaults; both ways of leaving out are one."""
    optional = ("strategy_id", "take_profit", "time_in_force", "entry_timeout_s", "valid_until")
    left_out = parse_signal(json.dumps({k: v for k, v in GOOD.items() if k not in optional}))
    assert left_out == parse_signal(line(**dict.fromkeys(optional)))
    assert (left_out.strategy_id, left_out.time_in_force, left_out.take_profit) == ("default", "gtc", None)


def test_same_content_written_otherwise_is_equal() -> None:
    """Trailing zeros, the id's case and the order of members do not make another signal."""
    other = json.dumps(dict(reversed(json.loads(line(order_qty="0.020", signal_id=SIGNAL_ID.upper())).items())))
    assert parse_signal(other) == parse_signal(line())


def test_doing_without_a_stop_must_be_said() -> None:
    """Null is a decision, silence is a fault."""
    assert parse_signal(line(stop_loss=None)).stop_loss is None
    silent = json.dumps({k: v for k, v in GOOD.items() if k != "stop_loss"})
    assert faults(silent) == ['stop_loss: missing (write "stop_loss": null to do without)']


def test_every_fault_is_told_at_once() -> None:
    """One look at the line is enough to mend it."""
    told = faults(line(signal_id="x", side="hold", order_qty=1, stop_loss={"price": "1"}, surprise=1))
    assert [fault.split(":")[0] for fault in told] == [
        "surprise",
        "stop_loss.price",
        "stop_loss.trigger_price",
        "signal_id",
        "side",
        "order_qty",
    ]


def test_doubled_member_is_a_fault() -> None:
    """Two quantities in one line: nobody knows which was meant."""
    assert faults(line()[:-1] + ', "order_qty": "5"}') == ["order_qty: written twice"]


@pytest.mark.parametrize(
    "amount",
    [0.02, 1, True, None, "", "0", "0.00", "-1", "+1", "1e3", "1E-8", " 1", "1 ", "1.", ".5", "NaN", "Infinity",
     "1_000", "1,5", "١٢", "9" * 19, "0." + "1" * 19, ["1"], {}],
)  # fmt: skip
def test_amount_that_is_no_plain_positive_decimal_text_is_a_fault(amount: Any) -> None:
    """Numbers lose digits and exponents hide sizes: amounts are plain text."""
    (fault,) = faults(line(order_qty=amount))
    assert fault.startswith("order_qty: ")


@pytest.mark.parametrize("amount", ["0.00000001", "1", "001.5", "9" * 18])
def test_plain_amounts_keep_their_digits(amount: str) -> None:
    """Exact, however small or large."""
    assert parse_signal(line(order_qty=amount)).order_qty == Decimal(amount)


@pytest.mark.parametrize(
    "signal_id",
    ["", "x", SIGNAL_ID[:-1], SIGNAL_ID.replace("-", ""), "{" + SIGNAL_ID + "}", "urn:uuid:" + SIGNAL_ID,
     SIGNAL_ID.replace("0f", "_f"), SIGNAL_ID + "\n", 7, None],
)  # fmt: skip
def test_bad_uuid_is_a_fault(signal_id: Any) -> None:
    """The one canonical form, so one signal has one name."""
    (fault,) = faults(line(signal_id=signal_id))
    assert fault.startswith("signal_id: ")


@pytest.mark.parametrize("seconds", [0, -1, "30", True, 1e9, [30]])
def test_entry_timeout_is_a_number_of_seconds(seconds: Any) -> None:
    """More than nothing, at most thirty days."""
    (fault,) = faults(line(entry_timeout_s=seconds))
    assert fault.startswith("entry_timeout_s: ")


def test_exact_fraction_of_a_second() -> None:
    """Numbers in JSON are read as decimals."""
    assert parse_signal(line(entry_timeout_s=0.1)).entry_timeout_s == Decimal("0.1")


def test_number_beyond_all_exponents_is_a_fault() -> None:
    """Decimal itself gives up on it: still a fault, not a crash."""
    (fault,) = faults(line(entry_timeout_s=1).replace(": 1,", ": 1e9999999999999999999,"))
    assert fault.startswith("not JSON")


@pytest.mark.parametrize(
    ("order_type", "price", "fault"),
    [("limit", None, "limit_price: missing (a limit order needs one)"),
     ("market", "5", "limit_price: a market order takes none")],
)  # fmt: skip
def test_limit_price_belongs_to_limit_orders(order_type: str, price: str | None, fault: str) -> None:
    """Needed there, refused elsewhere."""
    assert faults(line(order_type=order_type, limit_price=price)) == [fault]


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"a": NaN}', "[" * 100_000, '"x"', "\ufeff{}", "{}x"])
def test_what_is_no_json_object_is_one_fault(text: str) -> None:
    """Never anything but a SignalFault."""
    assert len(faults(text)) == 1


def test_faults_are_printable_whatever_the_line_holds() -> None:
    """A lone surrogate or a page of text must not break the report of it."""
    told = faults('{"\\ud800": 1, "' + "x" * 10_000 + '": 1, "order_qty": "\\ud800"}')
    assert all(fault.encode() and len(fault) < 200 for fault in told)


@given(st.text())
def test_any_text_is_a_signal_or_a_fault(text: str) -> None:
    """Nothing else ever comes out."""
    faults(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), _JSON))
def test_any_values_in_known_members_are_a_signal_or_a_fault(changes: dict[str, Any]) -> None:
    """Whatever stands in a member, the reader answers in its own words."""
    with contextlib.suppress(SignalFault):
        assert isinstance(parse_signal(line(**changes)), Signal)
