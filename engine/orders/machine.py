"""The order's machine: every state, every legal move, in the order of a life.

Everything that can move an order's state stands here; nothing here knows of wires, journals or time. An event that has
no row raises and changes nothing. ``filled canceled expired rejected`` may be left: a late fill is real and is counted.
"""

from __future__ import annotations

from typing import Final

from statemachine import State, StateMachine

from engine.errors import OrderInvariantError

ENDED: Final = frozenset({"filled", "canceled", "expired", "rejected", "denied", "settled"})
"""Nothing of the order rests on the venue any more."""
RESTING: Final = frozenset({"open", "partial", "pending_cancel", "pending_amend"})
"""The venue has shown the order to us."""
_ON_A_WORD: Final = frozenset({"open", "pending_cancel", "pending_amend"})
"""Where an order without the venue's id lives by an operator's word alone."""
UNPROVEN: Final = frozenset({"pending", "unknown"})
"""May or may not be on the venue."""


class OrderMachine(StateMachine):
    """One exchange order from intent to settlement. ``model`` carries ``state``, so a replay resumes from it."""

    # StateMachine's own values, kept in view because the parent class StateChart has the opposite ones
    allow_event_without_transition = False
    enable_self_transition_entries = False
    atomic_configuration_update = True
    catch_errors_as_events = False

    new = State("new", initial=True)  # intent durable, nothing sent
    pending = State("pending")  # sent, unanswered
    unknown = State("unknown")  # may be live, under investigation
    open = State("open")
    partial = State("partial")
    pending_amend = State("pending_amend")
    pending_cancel = State("pending_cancel")
    filled = State("filled")
    canceled = State("canceled")
    expired = State("expired")
    rejected = State("rejected")  # the venue proved it
    denied = State("denied")  # we refused, or it never left
    settled = State("settled", final=True)  # quantities agree with the venue; the scope ends

    deny = new.to(denied)
    dispatch = new.to(pending)
    not_sent = pending.to(denied)  # it certainly never left: the next attempt is another order

    accept = (
        pending.to(open)
        | unknown.to(open)
        | rejected.to(open)  # refused or proved dead, and yet it rests: what rests is the truth, and alarms
    )
    doubt = pending.to(unknown)
    reject = pending.to(rejected) | unknown.to(rejected)
    prove_dead = (  # all but unknown: live by an operator's word alone, which was wrong
        unknown.to(rejected) | open.to(rejected) | pending_amend.to(rejected) | pending_cancel.to(rejected)
    )

    trade = (
        pending.to(filled, cond="complete")
        | pending.to(partial)
        | unknown.to(filled, cond="complete")
        | unknown.to(partial)
        | open.to(filled, cond="complete")
        | open.to(partial)
        | partial.to(filled, cond="complete")
        | partial.to(partial)
        | pending_amend.to(pending_amend)  # FIX: Pending Replace outranks the fill until it is answered
        | pending_cancel.to(pending_cancel)  # FIX: Pending Cancel outranks the fill until it is answered
        | filled.to(filled)  # overfill: recorded, alarmed
        | canceled.to(canceled)  # FIX J.1.b: a fill after cancel counts and keeps the status
        | expired.to(expired)
        | rejected.to(filled, cond="complete")  # the venue contradicts its own refusal: the fill is the truth
        | rejected.to(partial)
    )

    ask_amend = open.to(pending_amend) | partial.to(pending_amend)
    ask_cancel = open.to(pending_cancel) | partial.to(pending_cancel)
    amended = (
        pending_amend.to(filled, cond="complete")
        | pending_amend.to(partial, cond="touched")
        | pending_amend.to(open)
        | open.to(open)  # changed by another channel or by the venue
        | partial.to(filled, cond="complete")
        | partial.to(partial)
        | pending_cancel.to(pending_cancel)
    )
    refuse_change = (
        pending_amend.to(filled, cond="complete")
        | pending_amend.to(partial, cond="touched")
        | pending_amend.to(open)
        | pending_cancel.to(filled, cond="complete")
        | pending_cancel.to(partial, cond="touched")
        | pending_cancel.to(open)
    )

    fill_out = (
        pending.to(filled)
        | unknown.to(filled)
        | open.to(filled)
        | partial.to(filled)
        | pending_amend.to(filled)
        | pending_cancel.to(filled)
        | rejected.to(filled)
    )
    cancel = (
        pending.to(canceled)  # accepted and refused by the engine at once (post-only, IOC rest)
        | unknown.to(canceled)
        | open.to(canceled)
        | partial.to(canceled)
        | pending_amend.to(canceled)
        | pending_cancel.to(canceled)
        | rejected.to(canceled)  # the request was refused, the order existed all the same
    )
    expire = (
        pending.to(expired)
        | unknown.to(expired)
        | open.to(expired)
        | partial.to(expired)
        | pending_amend.to(expired)
        | pending_cancel.to(expired)
        | rejected.to(expired)
    )

    settle = filled.to(settled) | canceled.to(settled) | expired.to(settled) | rejected.to(settled) | denied.to(settled)

    def complete(self, complete: bool = False) -> bool:
        """Guard: cum_qty has reached order_qty."""
        return complete

    def touched(self, touched: bool = False) -> bool:
        """Guard: some quantity has filled."""
        return touched


Rows = dict[str, dict[str, tuple[tuple[str, str], ...]]]
"""State -> event -> rows (guard, target) in the order in which they are tried; "" is no guard."""


def compile_rows(machine: type[StateMachine]) -> Rows:
    """Read a machine's declaration into a flat table, once, at import.

    The library runs a whole state-chart step per event (about 90 us, and 30 KiB an instance); the table takes a
    fraction of one. A differential test walks every state, event and guard through both.
    """
    rows: Rows = {}
    for state in machine.states:
        events = rows.setdefault(state.id, {})
        for row in state.transitions:
            guard = " ".join(str(condition) for condition in row.cond)
            events[row.event] = (*events.get(row.event, ()), (guard, row.target.id))
    return rows


def unshown(state: str, order_id: str | None) -> bool:
    """Tell whether nothing from the venue shows an order: unknown, or live by an operator's word alone."""
    return state == "unknown" or (state in _ON_A_WORD and order_id is None)


def fire(rows: Rows, state: str, event: str, *, complete: bool = False, touched: bool = False) -> str:
    """Return the state that ``event`` leads to from ``state``; the flags feed the guards.

    A move that has no row raises OrderInvariantError; the caller's state is its own to set.
    """
    holds = {"": True, "complete": complete, "touched": touched}
    for guard, target in rows[state].get(event, ()):
        if holds[guard]:
            return target
    raise OrderInvariantError(f"{event!r} is not legal in state {state}")


ORDER_ROWS: Final = compile_rows(OrderMachine)
