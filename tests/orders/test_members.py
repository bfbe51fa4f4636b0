"""What a person reads when a member of a line is wrong, and the edges of what is taken."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from engine.orders import members
from engine.orders.members import Reader
from engine.orders.signal import SignalFault, parse_signal
from tests.orders.test_signal import faults, line

KNOWN = frozenset({"a", "b"})


def reader(path: str = "", **values: Any) -> Reader:
    return Reader(values, path, [])


@pytest.mark.parametrize(
    ("changes", "fault"),
    [({"signal_id": 7}, "signal_id: must be a UUID string"),
     ({"signal_id": "x"}, "signal_id: not a UUID: x"),
     ({"strategy_id": "a b"}, "strategy_id: must be 1 to 64 of letters, digits, _ . : -"),
     ({"strategy_id": 7}, "strategy_id: must be 1 to 64 of letters, digits, _ . : -"),
     ({"symbol": "BTC USD"}, "symbol: must be a symbol such as BTC/USD"),
     ({"symbol": None}, "symbol: must be a symbol such as BTC/USD"),
     ({"side": "hold"}, "side: must be one of buy, sell"),
     ({"side": ["buy"]}, "side: must be one of buy, sell"),
     ({"order_qty": 1}, 'order_qty: must be a string such as "0.02"'),
     ({"order_qty": "1e3"}, "order_qty: not a plain positive decimal: 1e3"),
     ({"order_qty": "0.0"}, "order_qty: must be more than zero"),
     ({"leverage": "1"}, 'leverage: must be a string such as "3"'),
     ({"leverage": 3}, 'leverage: must be a string such as "3"'),
     ({"entry_timeout_s": "30"}, "entry_timeout_s: must be a number of seconds"),
     ({"entry_timeout_s": True}, "entry_timeout_s: must be a number of seconds"),
     ({"entry_timeout_s": 0}, "entry_timeout_s: must be more than 0 and at most 2592000 s"),
     ({"valid_until": 5}, 'valid_until: must be an RFC3339 time such as "2099-01-01T00:00:00Z"'),
     ({"stop_loss": 5}, "stop_loss: must be an object or null"),
     ({"stop_loss": {}}, "stop_loss.trigger_price: missing"),
     ({"take_profit": 5}, "take_profit: must be an object, a list of objects or null"),
     ({"margin": True}, 'margin: write "leverage" instead: the number says how much is borrowed'),
     ({"post_only": 1}, "post_only: must be true or false"),
     ({"surprise": 1}, "surprise: unknown member")],
)  # fmt: skip
def test_fault_names_the_member_and_says_what_it_takes(changes: dict[str, Any], fault: str) -> None:
    """Whoever wrote the line mends it by these words alone."""
    assert fault in faults(line(**changes))


@pytest.mark.parametrize(
    ("text", "words"),
    [("[]", "must be a JSON object"), ('{"a": NaN}', "not JSON: NaN is not a number"),
     ('{"a": -Infinity}', "not JSON: -Infinity is not a number")],
)  # fmt: skip
def test_text_that_is_no_object_is_told_as_such(text: str, words: str) -> None:
    """One fault, and which it is."""
    assert faults(text) == [words]


def test_faults_of_a_line_are_one_message() -> None:
    """The exception's own text holds them all, and the list each."""
    fault = SignalFault(["side: missing", "symbol: missing"])
    assert (str(fault), fault.errors) == ("side: missing; symbol: missing", ["side: missing", "symbol: missing"])


def test_faults_of_each_position_in_a_list_name_it() -> None:
    """The second of two targets is the wrong one."""
    targets = [{"price": "51000", "share": "0.5"}, {"price": "0", "share": "0.5"}]
    assert faults(line(take_profit=targets)) == ["take_profit[1].price: must be more than zero"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("limit_prise", "unknown member, did you mean limit_price?"), ("limit", "unknown member"),
     ("sidee", "unknown member, did you mean side?"), ("zzz", "unknown member"),
     ("hidden", "Kraken has no hidden orders")],
)  # fmt: skip
def test_slip_of_the_finger_is_told_what_was_meant(name: str, words: str) -> None:
    """Another word is no slip, and what people ask of other venues has words of its own."""
    assert faults(line(**{name: "1"})) == [f"{name}: {words}"]


def test_null_is_no_value_for_a_required_member() -> None:
    """Only an optional member may be null: it then has its default."""
    told = reader(a=None)
    assert told.take("a", members.amount) is None
    assert told.errors == ['a: must be a string such as "0.02"']
    assert (told.take("a", members.amount, 7), told.take("b", members.amount, 8)) == (7, 8)
    assert told.take("b", members.amount) is None
    assert told.errors[1:] == ["b: missing"]


def test_optional_part_may_be_left_out_silently() -> None:
    """A required one may be null, but not left out."""
    told = reader("top.", a=None)
    assert told.part("b", KNOWN, required=False) is None
    assert told.part("a", KNOWN, required=True) is None
    assert told.errors == []
    told.part("b", KNOWN, required=True)
    assert told.errors == ['top.b: missing (write "b": null to do without)']


def test_part_reads_under_its_own_path() -> None:
    """Faults deep in a line are found by their path; unknown members of a part are refused too."""
    told = reader("top.", a={"b": "x", "c": 1})
    part = told.part("a", KNOWN, required=True)
    assert part is not None
    assert (part.path, part.has("b"), part.has("a")) == ("top.a.", True, False)
    part.take("b", members.amount)
    assert told.errors == ["top.a.c: unknown member", "top.a.b: not a plain positive decimal: x"]


@pytest.mark.parametrize(("length", "taken"), [(1, 1), (4, 4), (5, 0), (0, 0)])
def test_list_of_parts_has_a_bound(length: int, taken: int) -> None:
    """Up to and with the bound."""
    assert len(reader(a=[{}] * length).parts("a", KNOWN, 4)) == taken


@pytest.mark.parametrize(
    ("seconds", "taken"), [(Decimal(2_592_000), True), (Decimal("2592000.1"), False), (Decimal("0.001"), True)]
)
def test_seconds_up_to_thirty_days(seconds: Decimal, taken: bool) -> None:
    """The bound itself is allowed."""
    told = reader(a=seconds)
    assert told.take("a", members.seconds) == (seconds if taken else None)
    assert bool(told.errors) != taken


@pytest.mark.parametrize(
    ("bound", "or_equal", "text", "fault"),
    [(1, True, "1", ""), (1, True, "1.1", "a: must be at most 1"), (1, False, "1", "a: must be less than 1"),
     (100, False, "99.9", ""), (100, True, "0.5", ""), (100, False, "100.1", "a: must be less than 100")],
)  # fmt: skip
def test_fraction_is_below_its_bound_or_on_it(bound: int, or_equal: bool, text: str, fault: str) -> None:
    """Whether the bound itself belongs to it is said."""
    told = reader(a=text)
    value = told.take("a", members.below(bound, or_equal=or_equal))
    assert told.errors == ([fault] if fault else [])
    assert value == (None if fault else Decimal(text))


def test_zero_is_an_amount_only_where_it_may_be() -> None:
    """An offset may be nothing, a quantity may not."""
    assert members.amount_or_zero("0") == 0
    with pytest.raises(ValueError, match="more than zero"):
        members.amount("0")


@pytest.mark.parametrize("strategy", ["a", "A_9.:-", "x" * 64])
@pytest.mark.parametrize("symbol", ["BTC/USD", "BTCUSD", "XBT.M/EUR"])
def test_names_are_taken_as_they_are(strategy: str, symbol: str) -> None:
    """Nothing is folded, trimmed or guessed."""
    assert (members.strategy(strategy), members.symbol(symbol)) == (strategy, symbol)


def test_name_is_told_what_it_may_be() -> None:
    """Text that fits as a whole, and nothing but text."""
    read = members._matching(re.compile("ab?"), "an a")
    assert (read("a"), read("ab")) == ("a", "ab")
    for wrong in ("abc", "", 7, None):
        with pytest.raises(ValueError, match=r"^must be an a$"):
            read(wrong)


@pytest.mark.parametrize(("text", "times"), [("2", 2), ("9", 9), ("10", 10), ("99", 99)])
def test_leverage_is_a_whole_number(text: str, times: int) -> None:
    """Two or more."""
    assert members.leverage(text) == times


@pytest.mark.parametrize("value", [[], ["buy"], {}, None, True])
def test_word_must_be_text(value: Any) -> None:
    """A list that holds the word is not the word."""
    with pytest.raises(ValueError, match="must be one of buy, sell"):
        members.one_of("buy", "sell")(value)


def test_member_written_twice_is_shown_printably() -> None:
    """What is told goes to a terminal."""
    errors: list[str] = []
    read = members.object_of('{"\\u0007": 1, "\\u0007": 2.50}', errors)
    assert (read, errors) == ({"\x07": Decimal("2.50")}, ["'\\x07': written twice"])


def test_text_shown_is_printable_and_short() -> None:
    """Of a page its beginning; nothing shows as a pair of quotes."""
    assert (members.shown("plain"), members.shown("a\nb"), members.shown("")) == ("plain", "'a\\nb'", "''")
    assert members.shown("x" * 200) == "x" * 80


def test_every_optional_word_of_a_line_may_be_said() -> None:
    """The default written out is the same signal as the default left out."""
    said = {"trigger_reference": None, "time_in_force": "gtc", "protect_from": "first_fill", "exits": "stop-rests",
            "contingency": "ouo", "leverage": None, "post_only": False}  # fmt: skip
    stop = {"trigger_price": "49000.0", "limit_price": "48900.0", "reference": "last", "trail": None}
    assert parse_signal(line(**said, stop_loss=stop)) == parse_signal(line())
    target = {"price": "51000.0", "order_type": "limit", "limit_price": None, "share": None}
    assert parse_signal(line(take_profit=target)) == parse_signal(line())
