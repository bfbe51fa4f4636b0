"""A bracket's entry: the attempts that are made at it, and its end before the bracket's own."""

from __future__ import annotations

import trio

from engine.orders.brackets import Bracket
from engine.orders.events import OrderEvent
from engine.orders.specs import entry_order
from engine.orders.steps import CancelEntry
from engine.orders.view import OrderView
from engine.runtime.bracket_journal import BracketJournal
from engine.runtime.bracket_orders import BracketOrders
from engine.runtime.denying import deny_signal
from engine.runtime.entry_attempts import EntryAttempts
from engine.runtime.messages import Cancel
from engine.runtime.services import Services


class BracketEntry:
    """Makes the attempts and takes them back."""

    def __init__(self, services: Services, bracket: Bracket, journal: BracketJournal, orders: BracketOrders) -> None:
        self._services, self._bracket, self._journal, self._orders = services, bracket, journal, orders
        self.attempts = EntryAttempts(bracket.signal, services.pauses)
        self._ends = bracket.unwanted  # why the entry is to be canceled, once anybody asked or the plan said so
        self._urgent = False  # its cancels go before all else
        self._again = False  # whatever was asked of it before

    def end(self, why: str, *, urgent: bool, again: bool) -> None:
        """Remember that it is to go: the next turn cancels it."""
        self._bracket.unwant_entry(why)
        self._ends = self._ends or why
        self._urgent |= urgent
        self._again |= again

    def judge(self) -> None:
        """Cancel what is to go, and make no attempt any more at what nobody wants."""
        if self._ends:
            self._cancel(CancelEntry(self._ends))
        if self._ends or self._bracket.closing:
            self.attempts.drop()

    def cancel(self, step: CancelEntry) -> None:
        """Take it back, as the plan asks."""
        self._ends = step.why
        self._cancel(step)

    def _cancel(self, step: CancelEntry) -> None:
        again, self._again = self._again, False
        for view in list(self._bracket.orders.values()):
            asked = self._orders.commanded(view.cl_ord_id) and not again
            if view.role == "entry" and not view.ended and not asked:
                self._orders.command(view.cl_ord_id, Cancel(step.why, self._urgent), step)

    def learn(self, view: OrderView, events: tuple[OrderEvent, ...]) -> None:
        """Take what an attempt has become."""
        self.attempts.after(view, events, self._now())
        if any(event.alarm == "REFUSED_BUT_LIVE" for event in events):
            self._revived(view)

    def _revived(self, view: OrderView) -> None:
        """An entry held for dead rests after all: it is the entry, or too much when another attempt took its place."""
        self.attempts.drop()
        entries = [o for o in self._bracket.orders.values() if o.role == "entry" and o.cl_ord_id != view.cl_ord_id]
        if not view.ended and any(o.done_qty or not o.ended for o in entries):
            why = "held for dead, and another attempt has taken its place"
            self._orders.command(view.cl_ord_id, Cancel(why), CancelEntry(why))

    def enter(self, order_nursery: trio.Nursery) -> None:
        """Make the entry attempt that is due, if every check passes at today's price.

        It waits for a verified book, for a complete private stream, and for unknown orders on its symbol.
        """
        signal, instrument, services = self._bracket.signal, self._bracket.instrument, self._services
        if self.attempts.due_ns is None or self._now() < self.attempts.due_ns:
            return
        denial, book = services.risk.early(signal), services.link.book(signal.symbol)
        if denial is None:
            if book is None or not book.usable or not services.stream_up() or services.desk.doubtful(signal.symbol):
                self.attempts.later(self._now())
                return
            if signal.margin and services.margin.known is None:
                services.margin.hurry()
                self.attempts.later(self._now())
                return
            denial = services.risk.entry(signal, services.link.instrument(signal.symbol), book)
        if denial is not None:
            deny_signal(services.journal, services.bus, services.clock, signal, denial, self._journal.cause)
            self.attempts.refuse(denial)
            return
        if not services.breaker.allows(trio.current_time()):  # the last check: it hands out the one probe
            self.attempts.later(self._now())
            return
        self.attempts.begun(self._now())
        spec = entry_order(signal, instrument, services.new_cl_ord_id())
        why = "signal accepted" if self.attempts.made == 1 else f"attempt {self.attempts.made}"
        self._orders.open(order_nursery, spec, "entry", why)

    def _now(self) -> int:
        return self._services.clock.now_ns()
