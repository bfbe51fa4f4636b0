"""A bracket: one signal's whole life, from its entry to flat. Its machine, its memory, its plan."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, cast

import msgspec

from engine.errors import OrderInvariantError
from engine.orders.bracket_events import BracketEvent as BracketEvent  # their old place: others import them from here
from engine.orders.bracket_events import MarketFacts as MarketFacts
from engine.orders.bracket_events import Policy as Policy
from engine.orders.bracket_machine import BRACKET_ENDED as BRACKET_ENDED
from engine.orders.bracket_machine import BRACKET_ROWS as BRACKET_ROWS
from engine.orders.bracket_machine import MOVE_TO
from engine.orders.bracket_machine import BracketMachine as BracketMachine
from engine.orders.contingents import (
    BARE,
    PASSING,
    AmendStop,
    CancelExit,
    Phase,
    PlaceTarget,
    Plan,
    Situation,
    Step,
    Swap,
    entered_of,
    exposure_of,
    plan,
    would_fire,
)
from engine.orders.cover_watch import CoverWatch
from engine.orders.events import OrderEvent
from engine.orders.exit_terms import STILL, ExitTerms, Moved
from engine.orders.losses import Losses
from engine.orders.machine import fire
from engine.orders.order import OrderView
from engine.orders.signal import Signal
from engine.orders.slices import SliceTerms
from engine.orders.specs import made_by_venue
from engine.orders.step_memory import StepMemory
from engine.orders.steps import NO_FUNDS, NO_INDEX, NO_POSITION, ExitStep
from engine.orders.steps import TRANSIENT_CODES as TRANSIENT_CODES
from engine.orders.swap_pauses import SwapPauses
from engine.orders.targets import portions, rests, targets_rest
from engine.values.instrument import Instrument
from engine.values.money import NO_QTY, ZERO, Price, Qty
from engine.values.time import NS

Outcome = Literal["target", "stop", "abandoned", "denied", "flattened", "detached", "taken_over", "liquidated"]

TIME_BARRIER: Final = "its time has run out"
OTHER_EXIT: Final = "the other exit has traded"
COINS_GONE: Final = "the coins are gone: a person has moved or sold them"
POSITION_GONE: Final = "the margin position is gone: the venue or a person has closed it"
GONE: Final = frozenset({COINS_GONE, POSITION_GONE})
TAKEN_TWICE: Final = "protection was taken away twice"
CHILD_NS: Final = NS
"""The stop of a conditional close is told with the fill that makes it; missing for so long, the venue is asked."""


def _phase(state: str) -> Phase:
    return cast("Phase", state)  # every target in BRACKET_ROWS is one


class Bracket:
    """The one mutable record of a bracket. Exactly one task may touch it.

    ``uncovered_qty_s`` is the gauge: uncovered base units times seconds since the first fill. ``signal`` is what was
    asked for; ``terms`` is the same signal with its exits where they stand now.
    """

    def __init__(self, signal: Signal, instrument: Instrument, policy: Policy) -> None:
        self.signal, self.instrument, self.policy = signal, instrument, policy
        self._exits = ExitTerms(signal, instrument)
        self._moves: list[Moved] = []  # made since the last thought: the journal does not know them yet
        self._first_fill_ns = self._last_fill_ns = 0  # of the entry
        self._filled = NO_QTY  # of the entry, as of the last view
        self._triggered_ns: dict[str, int] = {}  # stops that have fired
        self._no_index = False  # the venue has none for this market
        self._childless = NO_QTY  # entered quantity of which the venue certainly made no stop
        self.state: Phase = "entering"
        self.orders: dict[str, OrderView] = {}
        self.walk: list[tuple[str, str, str]] = []
        self.swap: Swap | None = None
        self.closing = ""
        self.close_all = False
        self.slice_terms: SliceTerms | None = None  # of a close of all; None: the whole at once
        self.entry_pending = False  # an attempt is still to be made
        self.unwanted = ""  # why a person, a halt or the engine's end has taken the entry back
        self._losses, self._cover = Losses(), CoverWatch(policy)
        self._steps, self._swaps = StepMemory(policy), SwapPauses(policy)
        self._close_ready_at = 0
        self.refused: tuple[ExitStep, ...] = ()
        """What its exits need and the venue has refused for good, as of the last plan."""
        self._told = self._latch  # as the journal knows it

    @property
    def ended(self) -> bool:
        """Nothing is left to do for it."""
        return self.state in BRACKET_ENDED

    @property
    def untold(self) -> bool:
        """Whether its latch has changed since its last event."""
        return self._told != self._latch

    @property
    def _latch(self) -> tuple[str, bool, Qty, str]:
        return self.closing, self.close_all, self._childless, self.unwanted

    @property
    def exposure(self) -> Decimal:
        """Base units still to be undone; negative = an excess of exits."""
        return exposure_of(self.signal, self.instrument, tuple(self.orders.values()))

    @property
    def uncovered(self) -> Qty:
        """Held quantity without a sure stop, as of the last plan."""
        return self._cover.qty

    @property
    def uncovered_qty_s(self) -> Decimal:
        """The gauge as of the last plan: uncovered base units times seconds."""
        return self._cover.qty_s

    @property
    def vanished(self) -> int:
        """Times that resting stops ended without our asking."""
        return self._losses.times

    @property
    def terms(self) -> Signal:
        """The signal with its exits where they stand now; without an index price its stop looks at the last one."""
        signal = self._exits.signal
        stop = signal.stop_loss
        if stop is None or stop.reference == "last" or not self._no_index:
            return signal
        return msgspec.structs.replace(signal, stop_loss=msgspec.structs.replace(stop, reference="last"))

    @property
    def watched(self) -> Signal:
        """The terms with the one target that is watched now: none while targets rest beside the stop."""
        terms = self.terms
        if terms.take_profit is None or (not terms.more_targets and terms.exits != "both-rest"):
            return terms
        resting = targets_rest(terms, self.orders.values(), frozenset(self._steps.asked_to_cancel))
        nearest = None if resting else terms.targets[self._next_place()]
        return msgspec.structs.replace(terms, take_profit=nearest, more_targets=())

    def _next_place(self) -> int:
        """Which target comes next; the last one when all are done."""
        orders = tuple(self.orders.values())
        entered = entered_of(self.signal, self.instrument, orders)
        if not self.terms.more_targets or not entered:
            return 0
        parts = portions(self.terms, self.instrument, entered, self.exposure)
        return parts[0].place if parts else len(self.terms.targets) - 1

    # --- what it learns -------------------------------------------------------------------------------------------

    def learn(self, view: OrderView, events: list[OrderEvent], now_ns: int) -> None:
        """Take an order's new view and the events that led to it."""
        self.orders[view.cl_ord_id] = self._as_commanded(view)
        for event in events:
            if event.move in ("reject", "deny", "not_sent", "refuse_change") or (not event.move and event.code):
                self._block(view, event, now_ns)
            elif event.move in ("cancel", "expire") and self._unasked(view):
                self._losses.lose(view.cl_ord_id, now_ns)
            elif event.move in ("accept", "amended") and view.role == "stop":
                self._losses.placed(view.cl_ord_id)
            if event.move in ("cancel", "expire") and view.role == "close":
                self._close_ready_at = now_ns + round(self.policy.retry_pause_s * NS)  # the book was empty
        if view.role == "entry" and view.done_qty:
            self._note_fill(now_ns)
        if view.role == "stop" and view.triggered:
            self._triggered_ns.setdefault(view.cl_ord_id, now_ns)
        if view.ended and rests(view):
            self._steps.funds_freed()

    def _note_fill(self, now_ns: int) -> None:
        filled = Qty(sum((o.done_qty for o in self.orders.values() if o.role == "entry"), ZERO))
        if filled != self._filled:
            self._first_fill_ns = self._first_fill_ns or now_ns
            self._last_fill_ns, self._filled = now_ns, filled

    def commanded(self, cl_ord_id: str, step: Step) -> None:
        """Remember what was asked of an order: a refusal blocks exactly that, an asked-for end is not a loss."""
        self._steps.asked(cl_ord_id, step)
        if isinstance(step, AmendStop | CancelExit):
            view = msgspec.structs.replace(self.orders[cl_ord_id], busy=True, waits=False)
            self.orders[cl_ord_id] = self._as_commanded(view)
        if isinstance(step, PlaceTarget) and not step.rest and self.swap is not None:
            self.swap = msgspec.structs.replace(self.swap, target=cl_ord_id)

    def move_exits(self, stop: Price | None, target: Price | None) -> None:
        """Move the stop's trigger, the next target, or both; what rests is amended in place. None = unchanged.

        Raises ValueError with the reason, and changes nothing, when these exits cannot move so. Whether the market has
        passed the new stop is for the caller to judge: such a stop fires, or is closed at market.
        """
        self._fold_move(self._exits.checked(stop, target, self._next_place()))

    def _fold_move(self, moved: Moved, *, told: bool = False) -> None:
        """Take a move over; a command that was refused with the old prices is another command now."""
        self._exits.fold(moved)
        if moved.stop is not None:
            self._steps.unblock("place_stop")
        if moved.target is not None:
            self._steps.unblock("place_target")
        if not told:
            self._moves.append(moved)

    def close(self, why: str) -> None:
        """Latch: from now on everything held is traded at market, and resting stops give way to that."""
        self.closing = why if self.closing in PASSING else self.closing or why
        self.close_all = True

    def unwant_entry(self, why: str) -> None:
        """Latch: what is left of the entry goes, also after a restart, and no attempt is made any more."""
        entries = [o for o in self.orders.values() if o.role == "entry"]
        if self.entry_pending or not self.orders or any(not o.ended for o in entries):
            self.unwanted = self.unwanted or why

    def ask_again(self) -> None:
        """Let a close that was refused for good be asked for once more: a person says so, who may have mended why."""
        self._steps.unblock("cancel", "place_close")

    def short_of_coins_ns(self) -> int | None:
        """Since when an exit is refused for want of funds while nothing else of ours could hold them; None: it is not.

        On margin: refused because there is nothing to reduce. That alone does not say that they are gone: whoever knows
        the balance, or the positions, judges and lets go.
        """
        exits = [o for o in self.orders.values() if o.role != "entry"]
        if not exits or self.taken or self.exposure <= 0 or not all(o.ended for o in exits):
            return None
        last = exits[-1]
        lacking = last.code in NO_POSITION if self.signal.margin else last.code == NO_FUNDS
        return last.dispatched_ns if lacking and not last.done_qty else None

    def let_go(self) -> None:
        """Leave what is held to whoever has taken it."""
        self.closing = POSITION_GONE if self.signal.margin else COINS_GONE
        self.close_all, self.slice_terms = False, None

    def keep(self) -> None:
        """Take a close back: the next plan protects what is held."""
        self.closing, self.close_all, self.slice_terms = "", False, None

    def _as_commanded(self, view: OrderView) -> OrderView:
        """Widen a busy stop's doubt by our last command: its order may not have looked at that yet."""
        step = self._steps.last.get(view.cl_ord_id)
        if not view.busy or view.ended:
            return view
        if isinstance(step, AmendStop):
            after = Qty(max(ZERO, step.order_qty - view.done_qty))
            return msgspec.structs.replace(view, least=min(view.least, after), most=max(view.most, after))
        return msgspec.structs.replace(view, least=NO_QTY) if isinstance(step, CancelExit) else view

    def _unasked(self, view: OrderView) -> bool:
        taken_back = self._steps.may_have_ended(view.cl_ord_id)
        return view.role == "stop" and not view.triggered and not would_fire(view) and not taken_back

    def _block(self, view: OrderView, event: OrderEvent, now_ns: int) -> None:
        if event.code == NO_INDEX and not self._no_index:
            self._no_index = True  # the same stop that looks at the last price is another command
            return
        self._steps.refused(view.cl_ord_id, event, now_ns)

    def _swap_ended(self, ended: Swap, now_ns: int) -> None:
        target = self.orders.get(ended.target)
        self._swaps.after(now_ns, traded=target is not None and target.done_qty > 0)

    # --- what it concludes ----------------------------------------------------------------------------------------

    def think(self, market: MarketFacts, now_ns: int) -> tuple[Plan, list[BracketEvent]]:
        """Plan the missing steps and move the machine to where the bracket now stands."""
        self._cover.run(now_ns)
        self._steps.expire(now_ns)
        self._follow(market, now_ns)
        self._judge_end(now_ns)
        had_swap = self.swap
        result = self._plan(market, now_ns)
        if had_swap and not result.swap:
            self._swap_ended(had_swap, now_ns)
            if not result.steps:
                result = self._plan(market, now_ns)  # nothing else will wake us for the next swap
        bare = self._cover.too_long(now_ns)
        may_close = not self.closing and not self.taken and not self.unseen
        if bare and self.policy.naked_action == "close" and may_close:
            self.closing = BARE  # not close(): a stop that turns out to rest keeps its quantity
            result = self._plan(market, now_ns)  # nothing else will wake us for it
        phase: Phase = "naked" if bare and result.phase in ("covering", "exiting") else result.phase
        why = self.closing or ("target touched" if self.swap else "")
        alarm = {"naked": "NAKED", "taken_over": "TAKEN_OVER" if self.taken else ""}.get(phase, "")
        if phase == "flat" and self.signal.margin and result.exposure < 0:
            alarm = "EXITS_EXCEEDED"  # at the cost of another position: it is not traded back
        if self.taken and not self.close_all:
            why = self.closing if self.closing in GONE else TAKEN_TWICE
        return result, self._move(phase, result, now_ns, why, alarm)

    def _follow(self, market: MarketFacts, now_ns: int) -> None:
        """Let the stop follow the market: to break-even, or behind the peak."""
        if market.best is None or not market.usable or self._closing_for_good or self.exposure <= 0:
            return
        moved = self._exits.follow(market.best, self.entry_px, now_ns)
        if moved is not None:
            self._fold_move(moved)

    @property
    def entry_px(self) -> Decimal:
        """Average price of what was entered, zero before any fill; of coins that were there, what they were worth."""
        if not self.signal.entered:
            return self.signal.limit_price or ZERO
        entries = [o for o in self.orders.values() if o.role == "entry" and o.cum_qty]
        qty = sum((o.cum_qty for o in entries), ZERO)
        return sum((o.cum_cost for o in entries), ZERO) / qty if qty else ZERO

    def _judge_end(self, now_ns: int) -> None:
        """Close at market what its time has run out for, or what a target of one-cancels-other has left over."""
        if self._closing_for_good or self.taken:
            return
        at = self.barrier_ns
        if at is not None and now_ns >= at:
            self.close(TIME_BARRIER)
        elif (
            self.signal.contingency == "oco" and self.exposure > 0 and any(_has_traded(o) for o in self.orders.values())
        ):
            self.close(OTHER_EXIT)

    @property
    def _closing_for_good(self) -> bool:
        return bool(self.closing) and self.closing not in PASSING

    @property
    def barrier_ns(self) -> int | None:
        """When what is held is closed at market; None without a bound, or while nothing has filled to count from."""
        if self.signal.exit_at_ns is not None:
            return self.signal.exit_at_ns
        if self.signal.exit_after_s is None or not self._first_fill_ns:
            return None
        return self._first_fill_ns + int(self.signal.exit_after_s * NS)

    @property
    def unseen(self) -> Qty:
        """Entered quantity whose stop the venue may have made of a conditional close, and nobody has seen."""
        if not self._conditional:
            return NO_QTY
        return Qty(max(ZERO, self._filled - self._children - self._childless))

    @property
    def _children(self) -> Decimal:
        """What the stops were made for that the venue is known to have made."""
        stops = (o for o in self.orders.values() if o.role == "stop" and o.order_id and made_by_venue(o.spec))
        return sum((o.spec.order_qty for o in stops), ZERO)

    @property
    def fill_known(self) -> tuple[Qty, int]:
        """How much of the entry has filled as far as we know, and when the last of it was told."""
        return self._filled, self._last_fill_ns

    def prove_childless(self, filled: Qty) -> None:
        """Take as proved: of ``filled`` entered quantity the venue has made no stops but those known now."""
        self._childless = max(self._childless, Qty(filled - self._children))
        if not self.unseen:
            self._cover.begin_anew()  # a stop of ours may be placed only from now on

    def lacks_children(self, now_ns: int) -> bool:
        """Tell whether the stops that a conditional close makes are overdue and the venue is to be asked for them."""
        return self.unseen > 0 and now_ns >= self._last_fill_ns + CHILD_NS

    @property
    def _conditional(self) -> bool:
        return self.signal.exits == "conditional-close"

    def _cover_ready(self, now_ns: int, *, crowded: bool) -> bool:
        """Whether missing cover is placed now: no fills are gathered any more, no stop of the venue's may be coming."""
        if self._conditional or self._entry_over:
            return True
        return self._cover.gathered(now_ns, crowded=crowded) and self.signal.protect_from == "first_fill"

    def _stuck(self, now_ns: int) -> frozenset[str]:
        """Fired stops with a limit whose watchdog has run out."""
        return frozenset(name for name, at in self._watchdogs() if now_ns >= at)

    def _watchdogs(self) -> list[tuple[str, int]]:
        stop = self.signal.stop_loss
        limit_ns = int(stop.watchdog_s * NS) if stop is not None else 0
        fired = [(name, at, self.orders[name]) for name, at in self._triggered_ns.items()]
        return [(name, at + limit_ns) for name, at, o in fired if not o.ended and o.spec.limit_price is not None]

    @property
    def _entry_over(self) -> bool:
        """Nothing more can fill: one that has filled up is over, whatever its own cancel still waits for."""
        return not any(o.most for o in self.orders.values() if o.role == "entry")

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
    def taken(self) -> bool:
        """Whether a person, or the venue, has what is left."""
        return self._losses.final or self.closing in GONE

    def _plan(self, market: MarketFacts, now_ns: int) -> Plan:
        result = plan(self._situation(market, now_ns))
        self.swap, self.closing, self.refused = result.swap, result.closing, result.refused
        self._watch_cover(result, now_ns)
        return result

    def wake_ns(self, now_ns: int) -> int | None:
        """Next moment at which the plan may change by time alone."""
        moments = [*self._steps.moments(), *self._cover.moments()]
        if self.swap is not None:
            moments.append(self.swap.started_ns + self._swap_bound)
        moments += [o.dispatched_ns + self._swap_bound for o in self.orders.values() if _immediate(o)]
        moments += [self._swaps.ready_ns, self._close_ready_at]
        moments += [at for _, at in self._watchdogs()]
        if self.unseen:
            moments.append(self._last_fill_ns + CHILD_NS)
        moments += [at for at in (self.barrier_ns, self._exits.wake_ns()) if at is not None]
        return min((at for at in moments if at > now_ns), default=None)

    def _situation(self, market: MarketFacts, now_ns: int) -> Situation:
        swap_ready = self.swap is not None or now_ns >= self._swaps.ready_ns
        expired = self.swap is not None and now_ns >= self.swap.started_ns + self._swap_bound
        return Situation(
            signal=self.terms,
            instrument=self.instrument,
            orders=tuple(self.orders.values()),
            now_ns=now_ns,
            touch_qty=market.touch_qty if market.usable and swap_ready else NO_QTY,
            trigger_passed=market.usable and market.trigger_passed,
            cover_ready=self._cover_ready(now_ns, crowded=market.crowded),
            swap=self.swap,
            swap_expired=expired,
            closing=self.closing,
            close_all=self.close_all,
            taken=self.taken,
            entry_pending=self.entry_pending,
            asked=frozenset(self._steps.asked_to_cancel),
            close_ready=now_ns >= self._close_ready_at,
            overdue=self._overdue(now_ns),
            blocked=self._steps.blocked,
            deferred=self._steps.deferred,
            slice_terms=self.slice_terms,
            stuck=self._stuck(now_ns),
            past_triggers=self._exits.past_triggers,
            unseen=self.unseen,
        )

    def _watch_cover(self, result: Plan, now_ns: int) -> None:
        missing = result.phase == "covering" and result.missing > 0 and not self._entry_over
        # a swap leaves its quantity bare on purpose, and it and its target have bounds of their own
        targeting = result.swap is not None or self._targets_in_time(now_ns)
        chosen = self.signal.protect_from == "full_fill" and not self._entry_over
        uncovered = Qty(max(ZERO, result.uncovered - self._still_resting()))
        bare = uncovered > 0 and result.phase in ("covering", "exiting") and not targeting and not chosen
        self._cover.see(uncovered, Qty(result.exposure), now_ns, bare=bare, missing=missing)

    def _still_resting(self) -> Decimal:
        """Return what a change will take from stops that has not been let go: it rests until then."""
        stops = (o for o in self.orders.values() if o.role == "stop" and o.waits)
        return sum((o.leaves_qty - o.least for o in stops if o.state in ("open", "partial")), ZERO)

    def gauge(self, now_ns: int) -> Decimal:
        """Return the gauge as of now: base units times seconds."""
        return self._cover.gauge(now_ns)

    def _move(self, phase: Phase, result: Plan, now_ns: int, why: str, alarm: str) -> list[BracketEvent]:
        events = [self._step("", result, now_ns, moved.by, "", moved) for moved in self._moves]
        self._moves = []
        if self.state in BRACKET_ENDED and phase not in ("entering", *BRACKET_ENDED):
            events.append(self._step("reopen", result, now_ns, "the venue had more to say", ""))
        stays = phase == self.state or self.state in BRACKET_ENDED or (self.state == "naked" and phase == "covering")
        # nothing leads back: exits whose entry's fill is not in the journal have ended, and the entry still rests
        stays = stays or phase == "entering"
        if not stays:
            events.append(self._step(MOVE_TO[phase], result, now_ns, why, alarm))
        if not events and self.untold:
            events.append(self._step("", result, now_ns, why, alarm))
        self._told = self._latch
        return events

    def _step(self, move: str, result: Plan, now_ns: int, why: str, alarm: str, moved: Moved = STILL) -> BracketEvent:
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
            moved.by,
            moved.stop,
            moved.target,
            moved.place,
            self.uncovered_qty_s,
            self._childless,
            self.unwanted,
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
        self.closing, self.close_all, self._childless = event.closing, event.close_all, event.childless_qty
        self.unwanted = event.unwanted
        self._told = self._latch
        if event.moved:
            self._fold_move(Moved(event.moved, event.stop, event.target, event.place), told=True)
        self._cover.restore(event.uncovered, event.uncovered_qty_s, event.ts_ns)


def _immediate(order: OrderView) -> bool:
    return order.role == "target" and not order.ended and order.dispatched_ns > 0 and not rests(order)


def _has_traded(order: OrderView) -> bool:
    return order.role == "target" and order.done_qty > 0 and (order.ended or rests(order))
