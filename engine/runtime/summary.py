"""What a run came to, folded from the journal alone. The members are a contract: they are only ever added to."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import msgspec

from engine.accounts.pnl import money_of
from engine.errors import JournalError, OrderInvariantError
from engine.journal.opening import read_journal
from engine.journal.reader import JournalReader
from engine.orders.bracket_events import Policy
from engine.orders.brackets import Bracket
from engine.orders.endings import Outcome
from engine.orders.events import Role
from engine.orders.replay import Closed, Refused, rebuild_bracket
from engine.orders.view import OrderView
from engine.runtime.close_report import CLOSED_ROW, CloseReport
from engine.runtime.history import facts_of
from engine.values.money import trimmed

_FINEST = Decimal("1E-10")
"""Averages and what is made of them may have endless digits; ten after the point are finer than any market."""


class OrderSummary(msgspec.Struct, frozen=True):
    """One order. ``ord_status`` is where it stood before it was settled; amounts are plain decimal strings."""

    cl_ord_id: str
    order_id: str | None
    role: Role
    states: tuple[str, ...]
    ord_status: str
    order_qty: str
    cum_qty: str
    avg_px: str


class BracketSummary(msgspec.Struct, frozen=True):
    """One signal's end: ``net_qty`` base units still held, ``realized_pnl`` and ``fees`` in quote units."""

    signal_id: str
    outcome: Outcome
    orders: tuple[OrderSummary, ...]
    net_qty: str
    realized_pnl: str
    fees: str
    reason: str


class FaultSummary(msgspec.Struct, frozen=True):
    """A line that was no signal, and everything wrong with it."""

    line: int
    errors: tuple[str, ...]


class JournalSummary(msgspec.Struct, frozen=True):
    """Where the proof lies. ``verified``: the whole chain was walked and holds."""

    path: str
    rows: int
    verified: bool


class RunSummary(msgspec.Struct, frozen=True):
    """A whole run. ``reports`` counts the execution reports it published, ``closes`` are those that ended in it."""

    ok: bool
    brackets: tuple[BracketSummary, ...]
    faults: tuple[FaultSummary, ...]
    reports: int
    journal: JournalSummary
    closes: tuple[CloseReport, ...] = ()

    @property
    def clean(self) -> bool:
        """Nothing was malformed, denied or refused."""
        statuses = {order.ord_status for bracket in self.brackets for order in bracket.orders}
        denied = any(bracket.outcome == "denied" for bracket in self.brackets)
        open_end = bool(self.closes) and not self.closes[-1].flat
        return not self.faults and not denied and not open_end and not statuses & {"rejected", "denied"}


def summarize(
    path: Path, signals: Iterable[tuple[str, str | None]], faults: Iterable[FaultSummary] = (), *, after: int = 0
) -> RunSummary:
    """Fold what the journal at ``path`` says of these (signal_id, denial) pairs, in their order.

    ``denial`` is ``CODE: text`` where the engine refused this line (the journal may hold another line of the same id);
    ``after`` is the journal's head at the run's start. ``ok`` is a first answer, from the content alone. Never raises
    for a journal that is missing or broken: then it is not verified, and as much is told as can be read.
    """
    brackets: list[BracketSummary] = []
    closes: tuple[CloseReport, ...] = ()
    reports, rows, verified = 0, 0, False
    try:
        with read_journal(path) as journal:
            rows, _ = journal.head
            verified = journal.find_footing().rows == rows
            for signal_id, denial in signals:
                said = summarize_signal(journal, signal_id) if denial is None else denied(signal_id, denial)
                brackets.append(said)
            reports = sum(1 for kind in ("order", "denied") for _ in journal.rows(after=after, kind=kind))
            closes = tuple(row.decode(CloseReport) for row in journal.rows(after=after, kind=CLOSED_ROW))
    except (JournalError, OrderInvariantError, msgspec.MsgspecError):
        verified = False
    kept = JournalSummary(str(path), rows, verified)
    summary = RunSummary(verified, tuple(brackets), tuple(faults), reports, kept, closes)
    return msgspec.structs.replace(summary, ok=verified and summary.clean)


def summarize_signal(journal: JournalReader, signal_id: str) -> BracketSummary:
    """Fold one signal, also one that was denied or never judged."""
    facts = facts_of(journal, signal_id=signal_id)
    bracket = rebuild_bracket(facts, Policy())
    if bracket is None:
        refused = next((fact for _, fact in facts if isinstance(fact, Refused)), None)
        said = f"{refused.code}: {refused.reason}" if refused else "NOT_JUDGED: the run ended before it was judged"
        return denied(signal_id, said)
    return _summary(bracket, [fact for _, fact in facts if isinstance(fact, Closed)])


def denied(signal_id: str, reason: str) -> BracketSummary:
    """Summarise a signal that was refused; ``reason`` is ``CODE: text``."""
    return BracketSummary(signal_id, "denied", (), "0", "0", "0", reason)


def _summary(bracket: Bracket, closings: list[Closed]) -> BracketSummary:
    views = tuple(bracket.orders.values())
    money = money_of(bracket.signal, bracket.instrument, views)
    outcome, reason = "detached", f"{bracket.state}: left to the next start"
    if closings and bracket.ended:
        outcome, reason = closings[-1].outcome, closings[-1].reason
    return BracketSummary(
        signal_id=bracket.signal.signal_id,
        outcome=msgspec.convert(outcome, Outcome),
        orders=tuple(order_summary(view) for view in views),
        net_qty=amount(money.net_qty),
        realized_pnl=amount(money.realized_pnl),
        fees=amount(money.fees),
        reason=reason,
    )


def order_summary(view: OrderView) -> OrderSummary:
    """Summarise one order."""
    return OrderSummary(
        cl_ord_id=view.cl_ord_id,
        order_id=view.order_id,
        role=view.role,
        states=view.states,
        ord_status=ord_status(view.states),
        order_qty=amount(view.order_qty),
        cum_qty=amount(view.cum_qty),
        avg_px=amount(view.avg_px),
    )


def ord_status(states: tuple[str, ...]) -> str:
    """Return the state that tells how an order ended: settlement only confirms it."""
    return next((state for state in reversed(states) if state != "settled"), states[-1])


def amount(value: Decimal) -> str:
    """Return a plain decimal: no exponent, no trailing zeros, no minus before zero, ten digits after the point."""
    finest = value.as_tuple().exponent
    if isinstance(finest, int) and finest < -10:
        value = value.quantize(_FINEST, ROUND_HALF_EVEN)
    return trimmed(value) if value else "0"
