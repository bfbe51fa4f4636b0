"""A bracket: one signal's whole life, from its entry to flat. Its machine, its memory, its plan."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

import msgspec
from statemachine import State, StateMachine

from engine.orders.contingents import (
    CancelEntry,
    CancelExit,
    Phase,
    PlaceTarget,
    Plan,
    Situation,
    Step,
    Swap,
    exposure_of,
    plan,
)
from engine.orders.events import OrderEvent
from engine.orders.machine import fire
from engine.orders.order import OrderView
from engine.orders.signal import Signal
from engine.values.instrument import Instrument
from engine.values.money import NO_QTY, ZERO, Qty
from engine.values.time import NS

Outcome = Literal["target", "stop", "abandoned", "denied", "flattened", "detached", "taken_over"]

BRACKET_ENDED: Final = frozenset({"flat", "abandoned", "taken_over"})

TRANSIENT_CODES: Final = frozenset(
    {"RATE_LIMIT", "THROTTLED", "DEADLINE_ELAPSED", "NOT_SENT", "INVALID_NONCE", "INVALID_SESSION", "UNKNOWN_ORDER"}
)
"""Refusals that say "not now": the same command may be sent again after a pause."""


class BracketMachine(StateMachine):
    """Where a bracket stands. ``flat abandoned taken_over`` end it; a late report reopens it."""

    allow_event_without_transition = False
    enable_self_transition_entries = False
    atomic_configuration_update = True
    catch_errors_as_events = False

    entering = State("entering", initial=True)  # the entry works, nothing is held
    covering = State("covering")  # held quantity waits for its stop
    covered = State("covered")
    naked = State("naked")  # uncovered past its bound: alarm and action
    exiting = State("exiting")  # target, fired stop or close is trading
    flat = State("flat")
    abandoned = State("abandoned")  # ended without a fill
    taken_over = State("taken_over")  # a person holds what is left

    begin_cover = entering.to(covering) | covered.to(covering) | exiting.to(covering) | naked.to(covering)
    hold = entering.to(covered) | covering.to(covered) | exiting.to(covered) | naked.to(covered)
    bare = entering.to(naked) | covering.to(naked) | covered.to(naked) | exiting.to(naked)
    leave = entering.to(exiting) | covering.to(exiting) | covered.to(exiting) | naked.to(exiting)
    finish = entering.to(flat) | covering.to(flat) | covered.to(flat) | naked.to(flat) | exiting.to(flat)
    abandon = entering.to(abandoned)
    hand_over = (
        entering.to(taken_over)
        | covering.to(taken_over)
        | covered.to(taken_over)
        | naked.to(taken_over)
        | exiting.to(taken_over)
    )
    reopen = flat.to(covering) | abandoned.to(covering) | taken_over.to(covering)


MOVE_TO: Final[dict[Phase, str]] = {
    "covering": "begin_cover",
    "covered": "hold",
    "naked": "bare",
    "exiting": "leave",
    "flat": "finish",
    "abandoned": "abandon",
    "taken_over": "hand_over",
}


class Policy(msgspec.Struct, frozen=True):
    """How brackets behave; durations in seconds. Defaults and reasons stand in config/engine.toml."""

    cover_window_s: float = 0.2
    cover_bound_s: float = 2.0
    swap_bound_s: float = 2.0
    swap_pause_s: float = 5.0
    retry_pause_s: float = 1.0
    naked_action: Literal["alert", "close"] = "close"


class MarketFacts(msgspec.Struct, frozen=True):
    """What a bracket may know of the market now; all empty while its book is not usable."""

    usable: bool
    touch_qty: Qty = NO_QTY
    trigger_passed: bool = False


class BracketEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One conclusion about a bracket, journalled and folded on replay."""

    move: str
    from_state: str
    to_state: str
    ts_ns: int
    exposure: Decimal
    uncovered: Qty
    why: str = ""
    alarm: str = ""


class Bracket:
    """The one mutable record of a bracket. Exactly one task may touch it.

    ``uncovered_qty_s`` is the gauge: uncovered base units times seconds since the first fill.
    """

    def __init__(self, signal: Signal, instrument: Instrument, policy: Policy) -> None:
        self.signal, self.instrument, self.policy = signal, instrument, policy
        self.state: Phase = "entering"
        self.orders: dict[str, OrderView] = {}
        self.walk: list[tuple[str, str, str]] = []
        self.swap: Swap | None = None
        self.closing = ""
        self.vanished = 0  # resting stops that ended without us asking
        self.uncovered_qty_s = ZERO
        self._uncovered_since: int | None = None
        self._deficit_since: int | None = None
        self._gauge_at = 0
        self._uncovered = NO_QTY
        self._blocked: dict[tuple[str, ...], int | None] = {}  # refused step -> when it may be tried again
        self._swap_ready_at = 0
        self._swap_pauses = 0
        self._close_ready_at = 0
        self._asked_to_cancel: set[str] = set()
        self._last_step: dict[str, Step] = {}  # by cl_ord_id: what a refusal would refuse
        self._machine = BracketMachine(model=self)

    @property
    def ended(self) -> bool:
        """Nothing is left to do for it."""
        return self.state in BRACKET_ENDED

    @property
    def exposure(self) -> Decimal:
        """Base units still to be undone; negative = an excess of exits."""
        return exposure_of(self.signal, self.instrument, tuple(self.orders.values()))

    @property
    def uncovered(self) -> Qty:
        """Held quantity without a sure stop, as of the last plan."""
        return self._uncovered

    # --- what it learns -------------------------------------------------------------------------------------------

    def learn(self, view: OrderView, events: list[OrderEvent], now_ns: int) -> None:
        """Take an order's new view and the events that led to it."""
        self.orders[view.cl_ord_id] = view
        for event in events:
            if event.move in ("reject", "deny", "not_sent", "prove_dead", "refuse_change"):
                self._block(view, now_ns)
            elif event.move in ("cancel", "expire") and self._unasked(view):
                self.vanished += 1
            if event.move in ("cancel", "expire") and view.role == "close":
                self._close_ready_at = now_ns + round(self.policy.retry_pause_s * NS)  # the book was empty
        if self.swap and view.cl_ord_id == self.swap.target and view.ended and not view.done_qty:
            self._pause_swaps(now_ns)

    def commanded(self, cl_ord_id: str, step: Step) -> None:
        """Remember what was asked of an order: a refusal blocks exactly that, an asked-for end is not a loss."""
        self._last_step[cl_ord_id] = step
        if isinstance(step, CancelExit | CancelEntry):
            self._asked_to_cancel.add(cl_ord_id)
        if isinstance(step, PlaceTarget) and self.swap is not None:
            self.swap = msgspec.structs.replace(self.swap, target=cl_ord_id)

    def close(self, why: str) -> None:
        """Latch: from now on everything held is traded at market."""
        self.closing = self.closing or why

    def _unasked(self, view: OrderView) -> bool:
        return view.role == "stop" and not view.triggered and view.cl_ord_id not in self._asked_to_cancel

    def _block(self, view: OrderView, now_ns: int) -> None:
        step = self._last_step.get(view.cl_ord_id)
        if step is not None:
            transient = view.code in TRANSIENT_CODES
            self._blocked[step.key()] = now_ns + round(self.policy.retry_pause_s * NS) if transient else None

    def _pause_swaps(self, now_ns: int) -> None:
        self._swap_pauses = min(self._swap_pauses + 1, 4)
        self._swap_ready_at = now_ns + round(self.policy.swap_pause_s * 2 ** (self._swap_pauses - 1) * NS)

    # --- what it concludes ----------------------------------------------------------------------------------------

    def think(self, market: MarketFacts, now_ns: int) -> tuple[Plan, list[BracketEvent]]:
        """Plan the missing steps and move the machine to where the bracket now stands."""
        self._run_gauge(now_ns)
        self._blocked = {k: at for k, at in self._blocked.items() if at is None or at > now_ns}
        had_swap = self.swap
        result = plan(self._situation(market, now_ns))
        self.swap, self.closing = result.swap, result.closing
        if had_swap and not result.swap and not had_swap.target:
            self._pause_swaps(now_ns)
        self._watch_cover(result, now_ns)
        events: list[BracketEvent] = []
        phase: Phase = result.phase
        if self.vanished >= 2 and not self.ended and result.exposure > 0:
            phase = "taken_over"
            events += self._move(phase, result, now_ns, "protection was taken away twice", "TAKEN_OVER")
            return msgspec.structs.replace(result, steps=()), events
        if self._too_long_bare(now_ns) and phase == "covering":
            phase = "naked"
            if self.policy.naked_action == "close":
                self.close("uncovered past its bound")
        why = self.closing or ("target touched" if self.swap else "")
        events += self._move(phase, result, now_ns, why, "NAKED" if phase == "naked" else "")
        return result, events

    def wake_ns(self, now_ns: int) -> int | None:
        """Next moment at which the plan may change by time alone."""
        moments: list[int] = [at for at in self._blocked.values() if at is not None]
        if self._deficit_since is not None:
            moments.append(self._deficit_since + round(self.policy.cover_window_s * NS))
        if self._uncovered_since is not None:
            moments.append(self._uncovered_since + round(self.policy.cover_bound_s * NS))
        if self.swap is not None:
            moments.append(self.swap.started_ns + round(self.policy.swap_bound_s * NS))
        moments += [self._swap_ready_at, self._close_ready_at]
        return min((at for at in moments if at > now_ns), default=None)

    def _situation(self, market: MarketFacts, now_ns: int) -> Situation:
        entry_over = all(o.ended for o in self.orders.values() if o.role == "entry")
        window = round(self.policy.cover_window_s * NS)
        gathered = self._deficit_since is not None and now_ns >= self._deficit_since + window
        swap_ready = self.swap is not None or now_ns >= self._swap_ready_at
        bound = round(self.policy.swap_bound_s * NS)
        expired = self.swap is not None and now_ns >= self.swap.started_ns + bound
        overdue = frozenset(
            o.cl_ord_id
            for o in self.orders.values()
            if o.role == "target" and not o.ended and o.dispatched_ns and now_ns >= o.dispatched_ns + bound
        )
        return Situation(
            signal=self.signal,
            instrument=self.instrument,
            orders=tuple(self.orders.values()),
            now_ns=now_ns,
            touch_qty=market.touch_qty if market.usable and swap_ready else NO_QTY,
            trigger_passed=market.usable and market.trigger_passed,
            cover_ready=entry_over or gathered,
            swap=self.swap,
            swap_expired=expired,
            closing=self.closing,
            close_ready=now_ns >= self._close_ready_at,
            overdue=overdue,
            blocked=frozenset(self._blocked),
        )

    def _watch_cover(self, result: Plan, now_ns: int) -> None:
        missing = result.phase == "covering" and result.uncovered > 0
        self._deficit_since = (self._deficit_since or now_ns) if missing else None
        bare = missing or (self.state == "naked" and result.uncovered > 0)
        self._uncovered_since = (self._uncovered_since or now_ns) if bare else None
        self._uncovered = result.uncovered

    def _too_long_bare(self, now_ns: int) -> bool:
        since = self._uncovered_since
        return since is not None and now_ns >= since + round(self.policy.cover_bound_s * NS)

    def _run_gauge(self, now_ns: int) -> None:
        self.uncovered_qty_s += self._uncovered * Decimal(now_ns - self._gauge_at) / NS if self._gauge_at else ZERO
        self._gauge_at = now_ns

    def _move(self, phase: Phase, result: Plan, now_ns: int, why: str, alarm: str) -> list[BracketEvent]:
        before = self.state
        if phase == before or (before == "naked" and phase == "covering"):
            return []
        if before in BRACKET_ENDED and phase in ("entering", *BRACKET_ENDED):
            return []
        move = MOVE_TO[phase] if before not in BRACKET_ENDED else "reopen"
        fire(self._machine, move)
        self.walk.append((before, move, self.state))
        return [BracketEvent(move, before, self.state, now_ns, result.exposure, result.uncovered, why, alarm)]

    def apply(self, event: BracketEvent) -> None:
        """Fold one journalled event."""
        fire(self._machine, event.move)
        self.walk.append((event.from_state, event.move, event.to_state))
