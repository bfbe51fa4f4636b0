"""Balances held against our books: what is ours, what is others', what nobody explains."""

from __future__ import annotations

from decimal import Decimal

from engine.accounts.movement import SPOT, Movement, wallet_of
from engine.accounts.reconciliation import GRACE_NS, START_MARGIN_NS, Reconciliation

T0 = 1_767_225_600 * 10**9
S = 10**9
LATER = T0 + 100 * S


def d(text: str) -> Decimal:
    """Spell a Decimal shortly."""
    return Decimal(text)


def moved(asset: str, amount: str, *, ref: str = "T1", kind: str = "trade", fee: str = "0") -> Movement:
    """One ledger entry."""
    return Movement(f"L-{ref}-{asset}", ref, kind, asset, d(amount), d(fee), LATER)


def begun(**totals: str) -> Reconciliation:
    """A reconciliation that has seen its start."""
    one = Reconciliation()
    one.opened({asset: d(total) for asset, total in totals.items()}, T0)
    return one


def told(one: Reconciliation, asset: str) -> tuple[Decimal, ...]:
    """Booked, foreign, awaited, unexplained of an asset; the line adds up whatever they are."""
    line = next(line for line in one.lines() if line.asset == asset)
    assert line.start + line.booked + line.foreign + line.awaited + line.unexplained == line.total
    return line.booked, line.foreign, line.awaited, line.unexplained


BOUGHT = {"BTC": Decimal("0.5"), "USD": Decimal(-101)}


def test_fill_and_its_ledger_entries_may_come_in_any_order():
    """Half-told it is awaited, never unexplained; told by both it is ours."""
    for fill_at in range(3):
        one = begun(USD="1000")
        entries = [(moved("BTC", "0.5"), d("0.5")), (moved("USD", "-100", fee="1"), d("899"))]
        for turn in range(3):
            if turn == fill_at:
                one.filled("T1", BOUGHT, LATER, LATER)
            else:
                one.moved(*entries.pop(0), LATER)
            assert one.unexplained() == {}
        assert (told(one, "USD"), told(one, "BTC")) == ((-101, 0, 0, 0), (d("0.5"), 0, 0, 0))
        assert one.look(LATER + GRACE_NS) == []


def test_deposit_is_foreign_at_once():
    """It is shown with the venue's word for it, and explains the balance."""
    one = begun(USD="1000")
    assert one.moved(moved("USD", "50", kind="deposit", ref="Q1"), d("1050"), LATER)
    assert told(one, "USD") == (0, 50, 0, 0)
    assert [movement.kind for movement in one.movements] == ["deposit"]


def test_trade_that_no_fill_of_ours_explains_is_somebody_elses_after_a_while():
    """Until then it is awaited; should the fill turn out to be ours after all, it is taken back."""
    one = begun(USD="1000")
    one.moved(moved("USD", "-100"), d("900"), LATER)
    assert (one.look(LATER + GRACE_NS - 1), told(one, "USD")) == ([], (0, 0, -100, 0))
    assert [movement.ref_id for movement in one.look(LATER + GRACE_NS)] == ["T1"]
    assert told(one, "USD") == (0, -100, 0, 0)
    one.filled("T1", {"USD": d("-100")}, LATER, LATER + 60 * S)
    assert (told(one, "USD"), list(one.movements)) == ((-100, 0, 0, 0), [])


def test_fill_that_moves_no_balance_is_a_mismatch():
    """Nothing is invented: our books say that it was paid for, the venue's balance does not."""
    one = begun(USD="1000")
    one.filled("T1", BOUGHT, LATER, LATER)
    one.look(LATER + GRACE_NS)
    assert one.unexplained() == {"USD": 101, "BTC": d("-0.5")}


def test_ledger_entry_that_comes_late_heals_the_mismatch():
    """It still belongs to our fill, and is nobody else's."""
    one = begun(USD="1000")
    one.filled("T1", {"USD": d("-101")}, LATER, LATER)
    one.look(LATER + GRACE_NS)
    one.moved(moved("USD", "-100", fee="1"), d("899"), LATER + 2 * GRACE_NS)
    assert one.look(LATER + 4 * GRACE_NS) == []
    assert told(one, "USD") == (-101, 0, 0, 0)


def test_other_amount_than_ours_is_a_mismatch():
    """The venue took two more than we have booked."""
    one = begun(USD="1000")
    one.filled("T1", {"USD": d("-101")}, LATER, LATER)
    one.moved(moved("USD", "-100", fee="3"), d("897"), LATER)
    assert one.unexplained() == {"USD": -2}


def test_balance_that_moves_without_a_word_is_a_mismatch():
    """The total after an entry says more than the entry."""
    one = begun(USD="1000")
    one.moved(moved("USD", "50", kind="deposit"), d("1049"), LATER)
    assert one.unexplained() == {"USD": -1}


def test_fill_from_before_the_start_is_in_the_start():
    """Fills of the time away are booked after the restart, and the first balances hold them already."""
    one = begun(USD="1000")
    one.filled("T1", BOUGHT, T0 - START_MARGIN_NS - 1, LATER)
    assert one.unexplained() == {}


def test_fill_from_around_the_start_is_decided_by_its_ledger_entry():
    """Clocks cannot tell; an entry after the opening state can."""
    for entry_comes in (False, True):
        one = begun(USD="1000")
        one.filled("T1", {"USD": d("-101")}, T0 - S, T0)
        if entry_comes:
            one.moved(moved("USD", "-100", fee="1"), d("899"), T0 + S)
        one.look(T0 + S + GRACE_NS)
        assert told(one, "USD") == ((-101 if entry_comes else 0), 0, 0, 0)


def test_fills_that_come_before_the_first_balances_wait_for_them():
    """Their times are looked at once there is a start."""
    one = Reconciliation()
    one.filled("T0", {"USD": d("-7")}, T0 - 60 * S, T0 - S)
    one.filled("T1", {"USD": d("-9")}, T0, T0 - S)
    one.opened({"USD": d("1000")}, T0)
    one.moved(moved("USD", "-9"), d("991"), T0)
    assert told(one, "USD") == (-9, 0, 0, 0)


def test_what_happened_while_the_stream_was_away_is_explained_by_our_fills_alone():
    """The next opening state holds a fill of ours; what is beyond it stays unexplained, and an asset may be gone."""
    one = begun(USD="1000", ETH="3")
    one.opened({"USD": d("890"), "BTC": d("0.5")}, LATER)
    one.filled("T1", BOUGHT, LATER - 60 * S, LATER + S)
    assert one.unexplained() == {"USD": -9, "ETH": -3}
    assert (one.steady(LATER + 2 * GRACE_NS - 1), one.steady(LATER + 2 * GRACE_NS)) == (False, True)


def test_venues_ledger_tells_what_others_did_while_the_stream_was_away():
    """What was told before is not counted twice, what is ours is ours; the question is then answered."""
    one = begun(USD="1000")
    one.moved(moved("USD", "50", kind="deposit", ref="Q1"), d("1050"), T0 + S)
    one.opened({"USD": d("945")}, LATER)
    assert (one.gap_ns, one.unexplained()) == (T0, {"USD": -105})
    one.filled("T1", {"USD": d("-101")}, T0 + 2 * S, LATER)  # too near to the start for clocks to tell
    entries = [
        moved("USD", "50", kind="deposit", ref="Q1"),
        moved("USD", "-100", fee="1"),
        moved("USD", "-4", kind="withdrawal", ref="Q2"),
    ]
    assert [entry.ref_id for entry in one.explained(entries, one.opened_ns)] == ["Q2"]
    assert (one.gap_ns, told(one, "USD")) == (0, (-101, 46, 0, 0))


def test_gap_that_comes_while_the_ledger_is_asked_is_asked_for_again():
    """The answer ends where it was asked for: what the next gap holds nobody has told yet."""
    one = begun(USD="1000")
    one.opened({"USD": d("993")}, LATER)
    asked_ns = one.opened_ns
    one.opened({"USD": d("990")}, LATER + S)
    entries = [moved("USD", "-7", kind="withdrawal", ref="Q1"), moved("USD", "-3", kind="withdrawal", ref="Q2")]
    one.explained(entries[:1], asked_ns)
    assert (one.gap_ns, one.unexplained()) == (T0, {"USD": -3})
    one.explained(entries, one.opened_ns)
    assert (one.gap_ns, one.unexplained()) == (0, {})


def test_reward_wallets_are_told_by_their_suffix():
    """Kraken's REST names what earns rewards so; a point in any other name is part of it."""
    assert [wallet_of(name) for name in ("BTC.F", "ETH.B", "DOT.S", "USD.M")] == [
        ("BTC", ".F"),
        ("ETH", ".B"),
        ("DOT", ".S"),
        ("USD", ".M"),
    ]
    assert [wallet_of(name) for name in ("BTC", "ABC.X", ".F")] == [("BTC", SPOT), ("ABC.X", SPOT), (".F", SPOT)]
