"""What margin costs beside the fees of fills: each entry of the venue's ledger counts once, whenever it is told."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.accounts.charges import BOOKED_MOST, LOTS_MOST, Charge, ChargeBooks, Charges, Lot
from engine.accounts.ledger import DAY_NS, Books, Fact, Ledger
from engine.accounts.movement import Movement
from engine.accounts.reconciliation import GRACE_NS, Reconciliation
from engine.orders.reports import Fee

BTC = "BTC/USD"
USD = {"USD": Decimal(1)}
T0 = 20_000 * DAY_NS


def d(text: str) -> Decimal:
    """Spell a Decimal shortly."""
    return Decimal(text)


def lent(exec_id: str = "T1", strategy: str = "a", fee: str = "1", ts_ns: int = T0) -> Fact:
    """A coin bought on margin at 100, with its fee."""
    fees = (Fee("USD", d(fee)),) if d(fee) else ()
    return Fact(
        strategy, BTC, "BTC", "USD", "buy", d("1"), d("100"), ts_ns, fees, True, f"of-{exec_id}", exec_id, ts_ns
    )  # fmt: skip


def entry(
    name: str, ref: str = "T1", *, fee: str = "0", amount: str = "0", kind: str = "margin", at: int = 0
) -> Movement:
    """An entry of the venue's ledger."""
    return Movement(name, ref, kind, "USD", d(amount), d(fee), T0 + at)


def charge(ledger: Ledger, movement: Movement, ts_ns: int = T0, known_ns: int = 0) -> Decimal | None:
    """Book an entry as an engine does; returns what it came to, None where it is nothing of ours or was booked."""
    found = ledger.charges.charge(movement, ts_ns, known_ns)
    if found is None:
        return None
    ledger.charge(msgspec.json.decode(msgspec.json.encode(found), type=Charge))
    return found.qty


def test_opening_fee_is_what_the_entry_has_beyond_the_fee_of_the_fill():
    """The fill told one dollar, its entry takes one and a fifth: a fifth is the loss, on top."""
    ledger = Ledger()
    ledger.book(lent())
    assert charge(ledger, entry("L1", fee="1.2")) == d("0.2")
    (result,) = ledger.results.values()
    assert (result.realized, result.fees, result.charges, result.fills) == (
        d("-1.2"),
        {"USD": d("1.2")},
        {"USD": d("0.2")},
        1,
    )
    assert ledger.realized_today(USD, "a") == d("-1.2")


def test_opening_fee_in_a_row_of_its_own_counts_in_full_in_whichever_order_they_come():
    """The fill's fee is taken off once."""
    for names in (("L1", "L2"), ("L2", "L1")):
        ledger, fees = Ledger(), {"L1": "1", "L2": "0.2"}
        ledger.book(lent())
        assert sum((charge(ledger, entry(name, fee=fees[name])) or Decimal(0) for name in names), Decimal(0)) == d(
            "0.2"
        )


def test_entry_counts_once():
    """Told by the stream and by the ledger, before and after a restart."""
    ledger = Ledger()
    ledger.book(lent())
    assert charge(ledger, entry("L1", fee="0.3", kind="rollover")) == d("0.3")
    assert charge(ledger, entry("L1", fee="0.3", kind="rollover")) is None
    resumed = Ledger(msgspec.json.decode(msgspec.json.encode(ledger.books()), type=Books))
    assert charge(resumed, entry("L1", fee="0.3", kind="rollover")) is None
    assert charge(resumed, entry("L2", fee="0.3", kind="rollover")) == d("0.3")


def test_entry_that_is_told_again_long_after_counts_once():
    """A gap in the stream is asked about when a balance shows it: then its entries are older than what is known."""
    ledger = Ledger()
    ledger.book(lent())
    assert charge(ledger, entry("L1", fee="0.3", kind="rollover")) == d("0.3")
    ledger.charges.know(T0 + DAY_NS)
    assert ledger.charges.books().booked == {}
    assert charge(ledger, entry("L1", fee="0.3", kind="rollover")) is None


def test_rollover_may_be_told_as_an_amount_or_as_a_fee():
    """What the balance loses is the loss."""
    ledger = Ledger()
    ledger.book(lent())
    assert charge(ledger, entry("L1", amount="-0.3", kind="rollover")) == d("0.3")
    assert charge(ledger, entry("L2", fee="0.3", kind="rollover")) == d("0.3")


def test_profit_that_the_venue_books_is_not_counted_twice():
    """An exit's entry brings what the venue's choice of positions made: ours stands in the books already."""
    ledger = Ledger()
    ledger.book(lent())
    assert charge(ledger, entry("L1", amount="55", fee="1")) == 0
    assert ledger.realized(USD) == -1


def test_each_strategy_pays_for_its_own_fills():
    """Two strategies hold the same market: an entry is its who is named."""
    ledger = Ledger()
    ledger.book(lent("T1", "a", "0"))
    ledger.book(lent("T2", "b", "0"))
    charge(ledger, entry("L1", "T2", fee="0.5", kind="rollover"))
    assert (ledger.realized_today(USD, "a"), ledger.realized_today(USD, "b")) == (0, d("-0.5"))
    assert charge(ledger, entry("L2", "T9", fee="0.5", kind="rollover")) is None


def test_charge_belongs_to_the_day_on_which_it_is_learnt():
    """What comes after midnight is the next day's, though its position is older."""
    ledger = Ledger()
    ledger.book(lent(fee="0"))
    charge(ledger, entry("L1", fee="0.5", kind="rollover"))
    charge(ledger, entry("L2", fee="0.25", kind="rollover"), ts_ns=T0 + DAY_NS)
    assert ledger.realized_today(USD) == d("-0.25")
    assert [one.realized for one in ledger.ended] == [d("-0.5")]


def test_charge_in_coins_stands_apart_until_they_have_a_price():
    """No position on margin pays in coins: it is a loss at the present price of the base."""
    ledger = Ledger()
    ledger.book(lent(fee="0"))
    charge(ledger, msgspec.structs.replace(entry("L1", fee="0.01", kind="rollover"), asset="BTC"))
    (result,) = ledger.results.values()
    assert (result.realized, result.apart, ledger.qty(BTC, margin=True)) == (0, {"BTC": d("0.01")}, 1)
    assert ledger.realized({**USD, "BTC": d("100")}) == -1


def test_what_is_known_up_to_a_moment_is_not_remembered_for_ever():
    """Entries before it are asked for by nobody any more; the moment never goes back."""
    charges = Charges(ChargeBooks())
    charges.know(T0)
    assert charges.known_ns == 0
    charges.note("T1", Lot("s", "a", BTC, "BTC", "USD"), T0)
    first = charges.known_ns
    assert 0 < T0 - first <= 10**9
    for number in range(BOOKED_MOST + 5):
        one = charges.charge(entry(f"L{number}", fee="1", kind="rollover", at=number), T0, first)
        assert one is not None
        charges.take(one)
    assert len(charges.books().booked) <= BOOKED_MOST
    assert charges.known_ns > first
    charges.know(first)
    assert charges.known_ns > first
    for number in range(LOTS_MOST + 5):
        charges.note(f"X{number}", Lot("s", "a", BTC, "BTC", "USD"), T0)
    assert len(charges.lots) == LOTS_MOST


def test_rollover_is_ours_when_its_fill_is_whichever_comes_first():
    """It waits for an owner, is another's after a while, and ours again once the fill is known."""
    books = Reconciliation()
    books.opened({"USD": d("100")}, T0)
    assert not books.moved(entry("L1", fee="2", kind="rollover"), d("98"), T0)
    assert (books.unexplained(), list(books.nameless)) == ({}, ["T1"])
    assert [one.ledger_id for one in books.look(T0 + GRACE_NS)] == ["L1"]
    assert books.lines()[0].foreign == -2
    books.filled_on_margin("T1")
    assert (books.lines()[0].booked, books.lines()[0].foreign, books.unexplained()) == (-2, 0, {})
    assert ([one.ledger_id for one in books.lent], list(books.nameless), list(books.movements)) == (["L1"], [], [])


ENTRIES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["margin", "rollover"]),
        st.decimals("0", "9", places=4),
        st.integers(0, 90),
        st.booleans(),
    ),
    max_size=30,
)


@given(ENTRIES, st.integers(0, 30), st.integers(0, 30))
def test_charges_are_the_venues_ledger_whatever_is_told_twice_and_wherever_it_is_cut(entries, cut, again):
    """What fills told and what was charged add up to the fees of the ledger, to the last digit, over any restart."""
    ledger = Ledger()
    for number in range(4):
        ledger.book(lent(f"T{number}", f"s{number % 2}"))
    told = [
        entry(f"L{n}", f"T{ref}", fee=str(fee), kind=kind, at=at) for n, (ref, kind, fee, at, _) in enumerate(entries)
    ]
    for movement in told[:cut]:
        charge(ledger, movement, known_ns=T0)
    resumed = Ledger(msgspec.json.decode(msgspec.json.encode(ledger.books()), type=Books))
    for movement in (*told[:again], *told):
        assert charge(ledger, movement, known_ns=T0) == charge(resumed, movement, known_ns=T0)
    settled = {one.ref_id for one in told if one.kind == "margin"}
    paid = sum((one.fee for one in told), Decimal(0)) + (4 - len(settled))
    assert sum((one.fees["USD"] for one in ledger.results.values()), Decimal(0)) == paid
    assert -ledger.realized(USD) == paid
    assert ledger.books() == resumed.books()
