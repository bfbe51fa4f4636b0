"""A bracket: one signal's whole life, from its entry to flat. Its machine, its memory, its plan."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, cast

import msgspec
from statemachine import State, StateMachine

from engine.errors import OrderInvariantError
from engine.orders.contingents import (
    BARE,
    AmendStop,
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
    would_fire,
)
from engine.orders.events import OrderEvent
from engine.orders.machine import compile_rows, fire
from engine.orders.order import OrderView
from engine.orders.signal import Signal
from engine.orders.slices import SliceTerms
from engine.values.instrument import Instrument
from engine.values.money import NO_QTY, ZERO, Qty
from engine.values.time import NS

Outcome = Literal["target", "stop", "abandoned", "denied", "flattened", "detached", "taken_over"]

BRACKET_ENDED: Final = frozenset({"flat", "abandoned", "taken_over"})

MAX_VANISHED: Final = 2
"""A stop that was taken away is put back once; the second time a person means it."""
ONE_LOSS_NS: Final = 10 * NS
"""Stops that go within this time are lost at once: REST tells of them in rounds of a second or two."""

TRANSIENT_CODES: Final = frozenset(
    {
        "RATE_LIMIT",
        "DOMAIN_RATE_LIMIT",
        "REST_RATE_LIMIT",
        "AUTH_RATE_LIMIT",
        "MESSAGE_RATE",
        "TOO_MANY_REQUESTS",
        "THROTTLED",
        "CANCEL_ONLY",
        "POST_ONLY_MODE",
        "DEADLINE_ELAPSED",
        "NOT_SENT",
        "NOT_APPLIED",
        "INVALID_NONCE",
        "INVALID_SESSION",
        "UNKNOWN_ORDER",
    }
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


BRACKET_ROWS: Final = compile_rows(BracketMachine)

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
    """One conclusion about a bracket, journalled and folded on replay. ``move`` is "" when only ``closing`` is new."""

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


def _phase(state: str) -> Phase:
    return cast("Phase", state)  # every target in BRACKET_ROWS is one


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
        self.close_all = False
        self.slice_terms: SliceTerms | None = None  # of a close of all; None: the whole at once
        self.entry_pending = False  # an attempt is still to be made
        self.vanished = 0  # times that resting stops ended without us asking
        self._lost_at = 0
        self._put_back: set[str] = set()  # stops the venue took after a loss
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
        self._told = ("", False)  # the latch as the journal knows it

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
        self.orders[view.cl_ord_id] = self._as_commanded(view)
        for event in events:
            if event.move in ("reject", "deny", "not_sent", "refuse_change") or (not event.move and event.code):
                self._block(view, event, now_ns)
            elif event.move in ("cancel", "expire") and self._unasked(view):
                self._lose(view, now_ns)
            elif event.move in ("accept", "amended") and view.role == "stop" and self.vanished:
                self._put_back.add(view.cl_ord_id)
            if event.move in ("cancel", "expire") and view.role == "close":
                self._close_ready_at = now_ns + round(self.policy.retry_pause_s * NS)  # the book was empty

    def _lose(self, view: OrderView, now_ns: int) -> None:
        """Count a loss: several stops that rested side by side and go together are one."""
        again = view.cl_ord_id in self._put_back or now_ns >= self._lost_at + ONE_LOSS_NS
        if not self.vanished or again:
            self.vanished += 1
        self._lost_at = now_ns

    def commanded(self, cl_ord_id: str, step: Step) -> None:
        """Remember what was asked of an order: a refusal blocks exactly that, an asked-for end is not a loss."""
        self._last_step[cl_ord_id] = step
        if isinstance(step, CancelExit | CancelEntry):
            self._asked_to_cancel.add(cl_ord_id)
        if isinstance(step, AmendStop | CancelExit):
            self.orders[cl_ord_id] = self._as_commanded(msgspec.structs.replace(self.orders[cl_ord_id], busy=True))
        if isinstance(step, PlaceTarget) and self.swap is not None:
            self.swap = msgspec.structs.replace(self.swap, target=cl_ord_id)

    def close(self, why: str) -> None:
        """Latch: from now on everything held is traded at market, and resting stops give way to that."""
        self.closing = self.closing or why
        self.close_all = True

    def _as_commanded(self, view: OrderView) -> OrderView:
        """Widen a busy stop's doubt by our last command: its order may not have looked at that yet."""
        step = self._last_step.get(view.cl_ord_id)
        if not view.busy or view.ended:
            return view
        if isinstance(step, AmendStop):
            after = Qty(max(ZERO, step.order_qty - view.done_qty))
            return msgspec.structs.replace(view, least=min(view.least, after), most=max(view.most, after))
        return msgspec.structs.replace(view, least=NO_QTY) if isinstance(step, CancelExit) else view

    def _unasked(self, view: OrderView) -> bool:
        taken_back = view.cl_ord_id in self._asked_to_cancel
        return view.role == "stop" and not view.triggered and not would_fire(view) and not taken_back

    def _block(self, view: OrderView, event: OrderEvent, now_ns: int) -> None:
        step = self._last_step.get(view.cl_ord_id)
        if step is not None and self._blocked.get(step.key(), 0) is not None:  # a final no outlives a "not now"
            transient = event.code in TRANSIENT_CODES
            self._blocked[step.key()] = now_ns + round(self.policy.retry_pause_s * NS) if transient else None
        if isinstance(step, CancelExit | CancelEntry):
            self._asked_to_cancel.discard(view.cl_ord_id)

    def _pause_swaps(self, ended: Swap, now_ns: int) -> None:
        """After a swap that traded nothing the next one waits, twice as long each time."""
        target = self.orders.get(ended.target)
        if target is not None and target.done_qty:
            self._swap_pauses = 0
            return
        self._swap_pauses = min(self._swap_pauses + 1, 4)
        self._swap_ready_at = now_ns + round(self.policy.swap_pause_s * 2 ** (self._swap_pauses - 1) * NS)

    # --- what it concludes ----------------------------------------------------------------------------------------

    def think(self, market: MarketFacts, now_ns: int) -> tuple[Plan, list[BracketEvent]]:
        """Plan the missing steps and move the machine to where the bracket now stands."""
        self._run_gauge(now_ns)
        self._blocked = {k: at for k, at in self._blocked.items() if at is None or at > now_ns}
        had_swap = self.swap
        result = self._plan(market, now_ns)
        bare = self._too_long_bare(now_ns)
        if bare and self.policy.naked_action == "close" and not self.closing and not self._taken:
            self.closing = BARE  # not close(): a stop that turns out to rest keeps its quantity
            result = self._plan(market, now_ns)  # nothing else will wake us for it
        if had_swap and not result.swap:
            self._pause_swaps(had_swap, now_ns)
        phase: Phase = "naked" if bare and result.phase in ("covering", "exiting") else result.phase
        why = self.closing or ("target touched" if self.swap else "")
        alarm = {"naked": "NAKED", "taken_over": "TAKEN_OVER" if self._taken else ""}.get(phase, "")
        if phase == "taken_over" and self._taken:
            why = "protection was taken away twice"
        return result, self._move(phase, result, now_ns, why, alarm)

    @property
    def _entry_over(self) -> bool:
        return all(o.ended for o in self.orders.values() if o.role == "entry")

    @property
    def _swap_bound(self) -> int:
        return round(self.policy.swap_bound_s * NS)

    def _overdue(self, now_ns: int) -> frozenset[str]:
        """Targets whose bound, and long before it their wire deadline, has passed."""
        targets = (o for o in self.orders.values() if _immediate(o))
        return frozenset(o.cl_ord_id for o in targets if now_ns >= o.dispatched_ns + self._swap_bound)

    def _targets_in_time(self, now_ns: int) -> bool:
        return any(_immediate(o) and o.cl_ord_id not in self._overdue(now_ns) for o in self.orders.values())

    @property
    def _taken(self) -> bool:
        return self.vanished >= MAX_VANISHED

    def _plan(self, market: MarketFacts, now_ns: int) -> Plan:
        result = plan(self._situation(market, now_ns))
        self.swap, self.closing = result.swap, result.closing
        self._watch_cover(result, now_ns)
        return result

    def wake_ns(self, now_ns: int) -> int | None:
        """Next moment at which the plan may change by time alone."""
        moments: list[int] = [at for at in self._blocked.values() if at is not None]
        if self._deficit_since is not None:
            moments.append(self._deficit_since + round(self.policy.cover_window_s * NS))
        if self._uncovered_since is not None:
            moments.append(self._uncovered_since + round(self.policy.cover_bound_s * NS))
        if self.swap is not None:
            moments.append(self.swap.started_ns + self._swap_bound)
        moments += [o.dispatched_ns + self._swap_bound for o in self.orders.values() if _immediate(o)]
        moments += [self._swap_ready_at, self._close_ready_at]
        return min((at for at in moments if at > now_ns), default=None)

    def _situation(self, market: MarketFacts, now_ns: int) -> Situation:
        window = round(self.policy.cover_window_s * NS)
        gathered = self._deficit_since is not None and now_ns >= self._deficit_since + window
        swap_ready = self.swap is not None or now_ns >= self._swap_ready_at
        expired = self.swap is not None and now_ns >= self.swap.started_ns + self._swap_bound
        return Situation(
            signal=self.signal,
            instrument=self.instrument,
            orders=tuple(self.orders.values()),
            now_ns=now_ns,
            touch_qty=market.touch_qty if market.usable and swap_ready else NO_QTY,
            trigger_passed=market.usable and market.trigger_passed,
            cover_ready=self._entry_over or gathered,
            swap=self.swap,
            swap_expired=expired,
            closing=self.closing,
            close_all=self.close_all,
            taken=self._taken,
            entry_pending=self.entry_pending,
            asked=frozenset(self._asked_to_cancel),
            close_ready=now_ns >= self._close_ready_at,
            overdue=self._overdue(now_ns),
            blocked=frozenset(self._blocked),
            deferred=frozenset(key for key, at in self._blocked.items() if at is not None),
            slice_terms=self.slice_terms,
        )

    def _watch_cover(self, result: Plan, now_ns: int) -> None:
        missing = result.phase == "covering" and result.missing > 0 and not self._entry_over
        self._deficit_since = _since(self._deficit_since, now_ns) if missing else None
        # a swap leaves its quantity bare on purpose, and it and its target have bounds of their own
        targeting = result.swap is not None or self._targets_in_time(now_ns)
        bare = result.uncovered > 0 and result.phase in ("covering", "exiting") and not targeting
        self._uncovered_since = _since(self._uncovered_since, now_ns) if bare else None
        self._uncovered = result.uncovered

    def _too_long_bare(self, now_ns: int) -> bool:
        since = self._uncovered_since
        return since is not None and now_ns >= since + round(self.policy.cover_bound_s * NS)

    def _run_gauge(self, now_ns: int) -> None:
        self.uncovered_qty_s += self._uncovered * Decimal(now_ns - self._gauge_at) / NS if self._gauge_at else ZERO
        self._gauge_at = now_ns

    def _move(self, phase: Phase, result: Plan, now_ns: int, why: str, alarm: str) -> list[BracketEvent]:
        events: list[BracketEvent] = []
        if self.state in BRACKET_ENDED and phase not in ("entering", *BRACKET_ENDED):
            events.append(self._step("reopen", result, now_ns, "the venue had more to say", ""))
        stays = phase == self.state or self.state in BRACKET_ENDED or (self.state == "naked" and phase == "covering")
        if not stays:
            events.append(self._step(MOVE_TO[phase], result, now_ns, why, alarm))
        if not events and self._told != (self.closing, self.close_all):
            events.append(self._step("", result, now_ns, why, alarm))
        self._told = (self.closing, self.close_all)
        return events

    def _step(self, move: str, result: Plan, now_ns: int, why: str, alarm: str) -> BracketEvent:
        before = self.state
        if move:
            self.state = _phase(fire(BRACKET_ROWS, self.state, move))
            self.walk.append((before, move, self.state))
        return BracketEvent(
            move,
            before,
            self.state,
            now_ns,
            result.exposure,
            result.uncovered,
            why,
            alarm,
            self.closing,
            self.close_all,
        )

    def apply(self, event: BracketEvent) -> None:
        """Fold one journalled event. Raises OrderInvariantError when it does not fit what stands."""
        if event.from_state != self.state:
            raise OrderInvariantError(
                f"bracket {self.signal.signal_id}: {event.move!r} starts in {event.from_state}, not in {self.state}"
            )
        if event.move:
            self.state = _phase(fire(BRACKET_ROWS, self.state, event.move))
            self.walk.append((event.from_state, event.move, event.to_state))
        self.closing, self.close_all = event.closing, event.close_all
        self._told = (self.closing, self.close_all)


def _since(start: int | None, now_ns: int) -> int:
    return now_ns if start is None else start


def _immediate(order: OrderView) -> bool:
    return order.role == "target" and not order.ended and order.dispatched_ns > 0
