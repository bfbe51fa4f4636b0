"""The ledger over the journal: what it writes down, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

from engine.accounts.charges import ROLLOVER, UNATTRIBUTED, Charge, Lot
from engine.accounts.ledger import DAY_NS, Books
from engine.accounts.movement import Movement
from engine.journal.journal import Journal
from engine.journal.opening import seeded_journal
from engine.orders.events import OrderEvent
from engine.orders.replay import Intent, Opened
from engine.orders.reports import Fee, Fill
from engine.orders.signal import Signal
from engine.orders.specs import entry_order
from engine.risk.limits import Limits
from engine.runtime.account_desk import AccountDesk
from engine.runtime.ledger_rows import LEDGER_ROW, read_ledger
from engine.seams.disk import Disk
from engine.values.money import Price, Qty
from engine.venue.protocol import VenueIdentity
from tests.risk.limits_world import BTC, INSTRUMENT, book_of

T0 = 20_454 * DAY_NS
ONE = Decimal(1)


class Clock:
    """A wall clock set by hand."""

    now = T0

    def now_ns(self) -> int:
        """Tell the time."""
        return self.now


class Link:
    """As much of a venue's link as valuing looks at: books by symbol."""

    def __init__(self) -> None:
        self.books: dict[str, Any] = {BTC: book_of([("99", "50")], [("101", "50")], T0)}

    def book(self, symbol: str) -> Any:
        """Return a book."""
        return self.books.get(symbol)

    def instrument(self, symbol: str) -> Any:
        """Return the one market."""
        return INSTRUMENT if symbol == BTC else None


class Rig:
    """A desk, its journal, and fills that go the way of an order's scope: row first, booked when the bracket looks."""

    def __init__(self, journal: Journal) -> None:
        self.journal, self.clock, self.link, self.fills = journal, Clock(), Link(), 0
        self.desk = self.opened()

    def opened(self) -> AccountDesk:
        """A desk of the next life."""
        link: Any = self.link
        return AccountDesk(Limits(), self.journal, link, self.clock)

    def fill(self, *, entered: bool = True, fees: tuple[Fee, ...] = ()) -> Callable[[], None]:
        """Journal a bought unit at 100; returns what books it."""
        self.fills += 1
        name = f"signal-{self.fills}"
        signal = Signal(name, BTC, "buy", "limit", Qty(ONE), None, limit_price=Price(Decimal(100)), entered=entered)
        fill = Fill(f"T{self.fills}", Qty(ONE), Price(Decimal(100)), Decimal(100), fees, "taker", self.clock.now)
        now_ns = self.clock.now
        self.journal.append("signal", Opened(signal, INSTRUMENT), ts_ns=now_ns, signal_id=name)
        intent = Intent(entry_order(signal, INSTRUMENT, f"o{self.fills}"), "entry", "")
        self.journal.append("intent", intent, ts_ns=now_ns, signal_id=name, cl_ord_id=f"o{self.fills}")
        event = OrderEvent("trade", "open", "filled", now_ns, fill=fill)
        self.journal.append("order", event, ts_ns=now_ns, signal_id=name, cl_ord_id=f"o{self.fills}")
        self.desk.journalled()
        return lambda: self.desk.book(signal, INSTRUMENT, "buy", fill, now_ns)

    def snapshots(self) -> int:
        """How often the ledger was journalled."""
        return len(list(self.journal.rows(kind=LEDGER_ROW)))


@pytest.fixture
def rig() -> Iterator[Rig]:
    """Build one on a simulated disk."""
    with closing(seeded_journal(Disk(), VenueIdentity("sim", "a", "simulated"), Clock())) as journal:
        yield Rig(journal)


def test_snapshot_never_leaves_out_a_fill_whose_bracket_has_not_looked_yet(rig: Rig):
    """Its row stands before the snapshot's would, and a start folds only what stands behind."""
    rig.fill()()
    book = rig.fill()
    rig.desk.reset_peak()
    rig.desk.breaches()
    assert rig.snapshots() == 0
    book()
    rig.desk.breaches()
    assert rig.snapshots() == 1
    assert rig.opened().ledger.books() == rig.desk.ledger.books()
    assert rig.desk.ledger.qty(BTC) == 2


def test_day_that_ends_is_written_down_once(rig: Rig):
    """Its results stand in the row of the midnight behind it, also when that comes late."""
    rig.fill(fees=(Fee("USD", ONE),))()
    rig.clock.now += 3 * DAY_NS
    rig.desk.breaches()
    rig.clock.now += DAY_NS
    rig.desk.breaches()
    ended = [one for row in rig.journal.rows(kind=LEDGER_ROW) for one in row.decode(Books).ended]
    assert [(one.day, one.realized) for one in ended] == [(20_454, -1)]


def test_fill_of_coins_that_were_there_moves_no_position(rig: Rig):
    """Neither in life nor when the journal is folded; it is told to who reconciles balances all the same."""
    heard = []
    rig.desk.on_fact = lambda fact, fill, realized: heard.append((fact.qty, realized))
    rig.fill(entered=False)()
    assert (rig.desk.ledger.positions, heard) == ({}, [(1, 0)])
    assert read_ledger(rig.journal, {})[0].positions == {}


def test_position_without_a_usable_book_keeps_its_last_mark(rig: Rig):
    """A market that was never seen has none."""
    rig.fill()()
    rig.desk.look([])
    assert rig.desk.marks[BTC].price == 99
    assert rig.desk.unrealized() == -1
    rig.link.books[BTC].lose()
    rig.desk.look([])
    assert rig.desk.marks[BTC].price == 99


def test_fee_in_a_third_asset_counts_once_its_own_market_prices_it(rig: Rig):
    """Until then it is left out of every sum in the accounting currency, never guessed."""
    rig.fill(fees=(Fee("KFEE", Decimal(10)),))()
    rig.desk.look([])
    assert (rig.desk.realized_today(), rig.desk.worth("KFEE", "USD")) == (0, None)
    rig.link.books["KFEE/USD"] = book_of([("0.5", "50")], [("0.6", "50")], T0)
    rig.desk.look([])
    assert (rig.desk.realized_today(), rig.desk.worth("KFEE", "USD")) == (-5, Decimal("0.5"))


def test_charge_that_is_nobodys_in_particular_counts_at_the_rate_of_its_asset(rig: Rig):
    """No market of ours is in euros, so no limit names a rate: the book of euros tells it, and loss limits see it."""
    rig.link.books["EUR/USD"] = rig.link.books[BTC]
    movement = Movement("L1", "R1", ROLLOVER, "EUR", Decimal(0), Decimal(2), T0)
    lot = Lot("", UNATTRIBUTED, UNATTRIBUTED, "", "EUR")
    rig.desk.charge(Charge(movement, lot, Decimal(2), T0, 0))
    rig.desk.look([])
    assert rig.desk.losses().realized == 2 * 99
