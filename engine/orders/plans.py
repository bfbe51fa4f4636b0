"""What the planner of contingent orders is given and what it returns: the situation and the plan."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from engine.orders.signal import Signal
from engine.orders.slices import SliceTerms
from engine.orders.steps import ExitStep, Step, Swap
from engine.orders.view import OrderView
from engine.values.instrument import Instrument
from engine.values.money import NO_QTY, Price, Qty

Phase = Literal["entering", "covering", "covered", "naked", "exiting", "flat", "abandoned", "taken_over"]

THROUGH_STOP = "price is through the stop"
BARE = "uncovered past its bound"
PASSING = frozenset({THROUGH_STOP, BARE})
"""Reasons to close that may pass again: the price comes back, a stop in doubt turns out to rest."""


class Situation(msgspec.Struct, frozen=True):
    """All the planner may know. ``touch_qty`` is what the fresh book offers at the target (zero: not touched).

    ``overdue`` are immediate orders whose wire deadline and bound have passed: they cannot rest any more.
    ``blocked`` are keys of refused steps, ``deferred`` those of them that were refused for now only, ``asked`` are
    orders whose cancel is under way. ``cover_ready`` is False while fills are still being gathered. ``close_all``:
    resting stops give way to the close too, by slices of ``slice_terms`` (None: all at once). ``taken``: a person took
    protection away and meant it. ``stuck`` are stops that triggered and stand unfilled past their watchdog. ``signal``
    has the exits as they stand now; ``past_triggers`` are where its stop stood before: one that rests there moves.
    ``unseen`` is entered quantity whose stop the venue may have made unseen: no cover, and yet no exit goes beside it.
    ``bare_long``: something has been bare past its bound. ``trim_ready`` is False while further fills may still change
    the dust by which stops are for more than is held: a base fee, of which each fill brings one.
    """

    signal: Signal
    instrument: Instrument
    orders: tuple[OrderView, ...]
    now_ns: int
    touch_qty: Qty = NO_QTY
    trigger_passed: bool = False
    cover_ready: bool = True
    entry_pending: bool = False
    swap: Swap | None = None
    swap_expired: bool = False
    closing: str = ""
    close_all: bool = False
    close_ready: bool = True
    taken: bool = False
    overdue: frozenset[str] = frozenset()
    blocked: frozenset[tuple[str, ...]] = frozenset()
    deferred: frozenset[tuple[str, ...]] = frozenset()
    asked: frozenset[str] = frozenset()
    slice_terms: SliceTerms | None = None
    stuck: frozenset[str] = frozenset()
    past_triggers: frozenset[Price] = frozenset()
    unseen: Qty = NO_QTY
    bare_long: bool = False
    trim_ready: bool = True


class Plan(msgspec.Struct, frozen=True):
    """What to do now and where the bracket stands; ``swap`` is what stands after it.

    In base units: ``uncovered`` is held without a sure stop, ``missing`` has not even an exit on its way, ``surplus``
    is what stops and immediate exits may trade more than is held. ``refused`` are the steps for exits that are missing
    as well, and were refused for good: nobody will take them but a person.
    """

    phase: Phase
    steps: tuple[Step, ...]
    exposure: Decimal
    uncovered: Qty
    swap: Swap | None = None
    closing: str = ""
    missing: Qty = NO_QTY
    surplus: Qty = NO_QTY
    refused: tuple[ExitStep, ...] = ()
