"""The verbs about signals and their brackets: submit, signal, brackets, bracket. A journal tells all but the first."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from engine.control.command import Arguments
from engine.control.desk import Desk, paced
from engine.control.reading import OrderRecord, find_subject, order_record
from engine.control.refusal import Refusal, bad_signal, no_engine, not_found, not_ready, refused
from engine.orders.bracket_events import Policy
from engine.orders.replay import Closed, Opened, Refused, rebuild_bracket
from engine.orders.signal import Signal, SignalFault, parse_signal
from engine.orders.terms import StopLoss, TakeProfit
from engine.runtime.history import facts_of
from engine.runtime.intake import known_signal
from engine.runtime.views import BracketView, bracket_view
from engine.values.money import Price, Qty, Side
from engine.values.time import rfc3339


class Verdict(msgspec.Struct, frozen=True):
    """What became of a signal; durable when it is told, and the same however often it is asked.

    ``denied``: ``code`` and ``reason`` say why. ``offset`` is the row of the journal that says so.
    """

    signal_id: str
    status: Literal["accepted", "denied"]
    offset: int
    code: str = ""
    reason: str = ""


class BracketRecord(msgspec.Struct, frozen=True):
    """One bracket as the door tells it. Amounts are strings in JSON.

    ``exposure`` is what it holds, ``uncovered`` what of that has no stop; ``uncovered_qty_s`` the gauge: base units
    times seconds so far. ``outcome`` and ``reason`` are "" while it lives.
    """

    signal_id: str
    strategy_id: str
    symbol: str
    side: Side
    order_qty: Qty
    limit_price: Price | None
    stop_loss: StopLoss | None
    targets: tuple[TakeProfit, ...]
    state: str
    exposure: Decimal
    uncovered: Qty
    uncovered_qty_s: Decimal
    orders: tuple[OrderRecord, ...]
    outcome: str = ""
    reason: str = ""


class BracketList(msgspec.Struct, frozen=True):
    """The brackets that have not ended."""

    brackets: tuple[BracketRecord, ...]


class SignalDetail(msgspec.Struct, frozen=True):
    """One signal: when it came (RFC 3339), the verdict, its content, and its bracket when it has one."""

    received_at: str
    verdict: Verdict
    signal: Signal
    bracket: BracketRecord | None


async def submit(desk: Desk, arguments: Arguments) -> Verdict:
    """Judge a signal; answered once the verdict is durable."""
    if desk.engine is None:
        raise no_engine("this journal")
    try:
        signal = parse_signal(str(arguments["signal"]))
    except SignalFault as fault:
        raise bad_signal(fault.errors) from None
    if desk.engine.ending and _verdict(desk, signal.signal_id) is None:
        # a denial would be this signal_id's verdict for good, though the next engine can take it
        raise not_ready("the engine is shutting down: the next one takes it")
    done = await desk.engine.submit(signal)
    if done.code == "SIGNAL_CONFLICT":
        raise refused(done.code, done.reason, "give a new signal_id to a new intent; signal ID shows the first one")
    verdict = _verdict(desk, signal.signal_id)
    if verdict is None:  # a verdict stands in the journal before it is told
        raise Refusal(500, "NOT_JOURNALLED", "the verdict is not in the journal", "see the engine's log", 1)
    return verdict


def _verdict(desk: Desk, signal_id: str) -> Verdict | None:
    for row in desk.journal.rows(signal_id=signal_id):
        if row.kind == "signal":
            return Verdict(signal_id, "accepted", row.seq)
        if row.kind == "denied":
            fact = row.decode(Refused)
            return Verdict(signal_id, "denied", row.seq, fact.code, fact.reason)
    return None


async def show_signal(desk: Desk, arguments: Arguments) -> SignalDetail:
    """Show one signal, whatever became of it."""
    text = str(arguments["signal"])
    signal_id = (await find_subject(desk, text)).signal_id
    known, verdict = known_signal(desk.journal, signal_id), _verdict(desk, signal_id)
    if known is None or verdict is None:
        raise not_found(text)
    row = next(desk.journal.rows(after=verdict.offset - 1, signal_id=signal_id))
    bracket = _record(desk, signal_id) if isinstance(known, Opened) else None
    return SignalDetail(rfc3339(row.ts_ns), verdict, known.signal, bracket)


async def list_brackets(desk: Desk, arguments: Arguments) -> BracketList:  # noqa: ARG001 - one shape for all verbs
    """List the brackets that have not ended."""
    if desk.engine is not None:
        return BracketList(tuple(bracket_record(view) for view in desk.engine.active()))
    unfinished: dict[str, None] = {}
    async for row in paced(desk.journal.rows()):
        if row.kind == "signal":
            unfinished[row.signal_id] = None
        elif row.kind == "closed":
            unfinished.pop(row.signal_id, None)
    found = (_record(desk, signal_id) for signal_id in unfinished)
    return BracketList(tuple(one for one in found if one is not None))


async def show_bracket(desk: Desk, arguments: Arguments) -> BracketRecord:
    """Show one bracket, living or ended."""
    text = str(arguments["signal"])
    signal_id = (await find_subject(desk, text)).signal_id
    record = _record(desk, signal_id)
    if record is None:
        raise refused("NEVER_ACCEPTED", f"signal {signal_id} was never accepted", "signal ID tells the reason")
    return record


def _record(desk: Desk, signal_id: str) -> BracketRecord | None:
    """Return a bracket from its scope while it lives, else from the journal; None when there never was one."""
    living = desk.engine.active() if desk.engine is not None else []
    for view in living:
        if view.signal.signal_id == signal_id:
            return bracket_record(view)
    facts = facts_of(desk.journal, signal_id=signal_id)
    bracket = rebuild_bracket(facts, Policy())
    if bracket is None:
        return None
    ends = [fact for _, fact in facts if isinstance(fact, Closed)]
    return bracket_record(bracket_view(bracket), ends[-1] if ends and bracket.ended else None)


def bracket_record(view: BracketView, end: Closed | None = None) -> BracketRecord:
    """Put a bracket's view into the door's form."""
    signal = view.signal
    return BracketRecord(
        signal_id=signal.signal_id,
        strategy_id=signal.strategy_id,
        symbol=signal.symbol,
        side=signal.side,
        order_qty=signal.order_qty,
        limit_price=signal.limit_price,
        stop_loss=signal.stop_loss,
        targets=signal.targets,
        state=view.state,
        exposure=view.exposure,
        uncovered=view.uncovered,
        uncovered_qty_s=view.uncovered_qty_s,
        orders=tuple(order_record(signal.signal_id, one) for one in view.orders),
        outcome="" if end is None else end.outcome,
        reason="" if end is None else end.reason,
    )
