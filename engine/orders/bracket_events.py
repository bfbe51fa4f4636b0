"""What brackets are told and what they conclude: policy, market facts, journalled events."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from engine.orders.exit_terms import Mover
from engine.values.money import NO_QTY, ZERO, Price, Qty


class Policy(msgspec.Struct, frozen=True):
    """How brackets behave; durations in seconds. Defaults and reasons stand in config/engine.toml."""

    cover_window_s: float = 0.2
    cover_bound_s: float = 2.0
    swap_bound_s: float = 2.0
    swap_pause_s: float = 5.0
    retry_pause_s: float = 1.0
    naked_action: Literal["alert", "close"] = "close"


class MarketFacts(msgspec.Struct, frozen=True):
    """What a bracket may know of the market now; all empty while its book is not usable.

    ``best`` is the best price of the executable side, told only to a bracket whose stop may follow it. ``crowded``: the
    venue's counter of the pair is more than half full.
    """

    usable: bool
    touch_qty: Qty = NO_QTY
    trigger_passed: bool = False
    best: Price | None = None
    crowded: bool = False


class BracketEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One conclusion about a bracket, journalled and folded on replay. ``move`` is "" when it moves no state.

    ``moved`` says who moved the exits to ``stop`` and ``target`` (None = unchanged) at ``place``. ``uncovered_qty_s``
    is the gauge as of then: uncovered base units times seconds. ``childless_qty`` of the entry is proved to have no
    stop of the venue's making. ``unwanted`` is why the entry has been taken back.
    """

    move: str
    from_state: str
    to_state: str
    ts_ns: int
    exposure: Decimal
    uncovered: Qty
    why: str = ""
    alarm: str = ""
    closing: str = ""
    close_all: bool = False
    moved: Mover = ""
    stop: Price | None = None
    target: Price | None = None
    place: int = 0
    uncovered_qty_s: Decimal = ZERO
    childless_qty: Qty = NO_QTY
    unwanted: str = ""
