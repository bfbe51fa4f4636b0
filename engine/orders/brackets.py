"""A bracket: one signal's whole life, from its entry to flat. What it learns, and what it concludes from that."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

import msgspec

from engine.orders.bracket_course import BracketCourse, Conclusion, Latch
from engine.orders.bracket_events import BracketEvent, MarketFacts, Policy
from engine.orders.bracket_machine import BRACKET_ENDED
from engine.orders.closing import would_fire
from engine.orders.contingents import plan
from engine.orders.cover_watch import CoverWatch
from engine.orders.endings import COINS_GONE, GONE, OTHER_EXIT, POSITION_GONE, TAKEN_TWICE, TIME_BARRIER
from engine.orders.entry_fills import CHILD_NS, EntryFills
from engine.orders.events import OrderEvent
from engine.orders.exit_terms import ExitTerms, Moved
from engine.orders.losses import Losses
from engine.orders.plans import BARE, PASSING, Phase, Plan, Situation
from engine.orders.signal import Signal
from engine.orders.slices import SliceTerms
from engine.orders.standing import entered_of, exposure_of
from engine.orders.step_memory import StepMemory
from engine.orders.steps import (
    NO_FUNDS,
    NO_INDEX,
    NO_POSITION,
    AmendStop,
    CancelExit,
    ExitStep,
    PlaceTarget,
    Step,
    Swap,
)
from engine.orders.swap_watch import SwapWatch
from engine.orders.targets import has_traded, next_place, rests, targets_rest
from engine.orders.view import OrderView
from engine.orders.watchdogs import Watchdogs
from engine.values.instrument import Instrument
from engine.values.money import NO_QTY, ZERO, Price, Qty
from engine.values.time import NS


class Bracket:
    """The one mutable record of a bracket. Exactly one task may touch it.

    ``uncovered_qty_s`` is the gauge: uncovered base units times seconds since the first fill. ``signal`` is what was
    asked for; ``terms`` is the same signal with its exits where they stand now.
    """

    def __init__(self, signal: Signal, instrument: Instrument, policy: Policy) -> None:
        self.signal, self.instrument, self.policy = signal, instrument, policy
        self._exits = ExitTerms(signal, instrument)
        self._moves: list[Moved] = []  # made since the last thought: the journal does not know them yet
        self._entry, self._watchdogs = EntryFills(signal), Watchdogs(signal)
        self._course = BracketCourse(signal.signal_id)
        self.orders: dict[str, OrderView] = {}
        self.swap: Swap | None = None
        self.closing = ""
        self.close_all = False
        self.slice_terms: SliceTerms | None = None  # of a close of all; None: the whole at once
        self.entry_pending = False  # an attempt is still to be made
        self.unwanted = ""  # why a person, a halt or the engine's end has taken the entry back
        self._losses, self._cover = Losses(), CoverWatch(policy)
        self._steps, self._swaps = StepMemory(policy), SwapWatch(policy)
        self._close_ready_at = 0
        self.refused: tuple[ExitStep, ...] = ()
        """What its exits need and the venue has refused for good, as of the last plan."""

    @property
    def state(self) -> Phase:
        """Where it stands in its machine."""
        return self._course.state

    @property
    def walk(self) -> list[tuple[str, str, str]]:
        """How it came there: (from, move, to)."""
        return self._course.walk

    @property
    def ended(self) -> bool:
        """Nothing is left to do for it."""
        return self.state in BRACKET_ENDED

    @property
    def untold(self) -> bool:
        """Whether its latch has changed since its last event."""
        return self._course.told != self._latch

    @property
    def _latch(self) -> Latch:
        return Latch(self.closing, self.close_all, self._entry.childless, self.unwanted)

    @property
    def _all(self) -> Collection[OrderView]:
        return self.orders.values()

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
        return self._exits.now

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
        entered = entered_of(self.signal, self.instrument, tuple(self.orders.values()))
        return next_place(self.terms, self.instrument, entered, self.exposure)

    # --- what it learns -------------------------------------------------------------------------------------------

    def learn(self, view: OrderView, events: list[OrderEvent], now_ns: int) -> None:
        """Take an order's new view and the events that led to it."""
        self.orders[view.cl_ord_id] = self._steps.widened(view)
        for event in events:
            if event.move in ("reject", "deny", "not_sent", "refuse_change") or (not event.move and event.code):
                self._block(view, event, now_ns)
            elif event.move in ("cancel", "expire") and self._unasked(view):
                self._losses.lose(view.cl_ord_id, now_ns)
            elif event.move in ("accept", "amended") and view.role == "stop":
                self._losses.placed(view.cl_ord_id)
            if event.move in ("cancel", "expire") and view.role == "close":
                self._close_ready_at = now_ns + round(self.policy.retry_pause_s * NS)  # the book was empty
            elif event.move == "cancel" and view.role == "stop" and now_ns >= self._close_ready_at:
                self._gather_freed(view, now_ns)
        if view.role == "entry" and view.done_qty:
            self._entry.note(self._all, now_ns)
        self._watchdogs.note(view, now_ns)
        if view.ended and rests(view):
            self._steps.funds_freed()

    def commanded(self, cl_ord_id: str, step: Step) -> None:
        """Remember what was asked of an order: a refusal blocks exactly that, an asked-for end is not a loss."""
        self._steps.asked(cl_ord_id, step)
        if isinstance(step, AmendStop | CancelExit):
            view = msgspec.structs.replace(self.orders[cl_ord_id], busy=True, waits=False)
            self.orders[cl_ord_id] = self._steps.widened(view)
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
        """Latch: what is left of the entry goes, also after a restart, and no attempt is made any more.

        What has filled is covered before that: a batch of cancels may pass the counter, and then nothing goes for long.
        """
        entries = [o for o in self.orders.values() if o.role == "entry"]
        if self.entry_pending or not self.orders or any(not o.ended for o in entries):
            if not self.unwanted:
                self._cover.hurry()
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

    def _gather_freed(self, freed: OrderView, now_ns: int) -> None:
        """Let a close wait a moment for further stops whose cancels are on the wire: one for each costs a point."""
        others = (order for order in self.orders.values() if order.cl_ord_id != freed.cl_ord_id)
        if any(order.role == "stop" and order.state == "pending_cancel" for order in others):
            self._close_ready_at = now_ns + round(self.policy.cover_window_s * NS)

    def _unasked(self, view: OrderView) -> bool:
        taken_back = self._steps.may_have_ended(view.cl_ord_id)
        return view.role == "stop" and not view.triggered and not would_fire(view) and not taken_back

    def _block(self, view: OrderView, event: OrderEvent, now_ns: int) -> None:
        if event.code == NO_INDEX and not self._exits.no_index:
            self._exits.no_index = True  # the same stop that looks at the last price is another command
            return
        self._steps.refused(view.cl_ord_id, event, now_ns)

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
            target = self.orders.get(had_swap.target)
            self._swaps.after(now_ns, traded=target is not None and target.done_qty > 0)
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
        told = Conclusion(
            phase, now_ns, result.exposure, result.uncovered, self.uncovered_qty_s, self._latch, why, alarm
        )
        moves, self._moves = self._moves, []
        return result, self._course.follow(told, moves)

    def _follow(self, market: MarketFacts, now_ns: int) -> None:
        """Let the stop follow the market: to break-even, or behind the peak."""
        if market.best is None or not market.usable or self._closing_for_good or self.exposure <= 0:
            return
        moved = self._exits.follow(market.best, self._entry.average_px(self._all), now_ns)
        if moved is not None:
            self._fold_move(moved)

    def _judge_end(self, now_ns: int) -> None:
        """Close at market what its time has run out for, or what a target of one-cancels-other has left over."""
        if self._closing_for_good or self.taken:
            return
        at = self.barrier_ns
        if at is not None and now_ns >= at:
            self.close(TIME_BARRIER)
        elif self.signal.contingency == "oco" and self.exposure > 0 and any(has_traded(o) for o in self._all):
            self.close(OTHER_EXIT)

    @property
    def _closing_for_good(self) -> bool:
        return bool(self.closing) and self.closing not in PASSING

    @property
    def barrier_ns(self) -> int | None:
        """When what is held is closed at market; None without a bound, or while nothing has filled to count from."""
        return self._entry.barrier_ns

    @property
    def unseen(self) -> Qty:
        """Entered quantity whose stop the venue may have made of a conditional close, and nobody has seen."""
        return self._entry.unseen(self._all)

    @property
    def fill_known(self) -> tuple[Qty, int]:
        """How much of the entry has filled as far as we know, and when the last of it was told."""
        return self._entry.qty, self._entry.last_ns

    def prove_childless(self, filled: Qty) -> None:
        """Take as proved: of ``filled`` entered quantity the venue has made no stops but those known now."""
        self._entry.prove_childless(self._all, filled)
        if not self.unseen:
            self._cover.begin_anew()  # a stop of ours may be placed only from now on

    def _cover_ready(self, now_ns: int, *, crowded: bool) -> bool:
        """Whether missing cover is placed now: no fills are gathered any more, no stop of the venue's may be coming."""
        if self._entry.conditional or self._entry.over(self._all):
            return True
        return self._cover.gathered(now_ns, crowded=crowded) and self.signal.protect_from == "first_fill"

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
        moments = [*self._steps.moments(), *self._cover.moments(), *self._swaps.moments(self.swap, self._all)]
        moments += [self._close_ready_at, *self._watchdogs.moments(self.orders)]
        if self.unseen:
            moments.append(self._entry.last_ns + CHILD_NS)
        moments += [at for at in (self.barrier_ns, self._exits.wake_ns()) if at is not None]
        return min((at for at in moments if at > now_ns), default=None)

    def _situation(self, market: MarketFacts, now_ns: int) -> Situation:
        swap_ready = self.swap is not None or now_ns >= self._swaps.ready_ns
        return Situation(
            signal=self.terms,
            instrument=self.instrument,
            orders=tuple(self.orders.values()),
            now_ns=now_ns,
            touch_qty=market.touch_qty if market.usable and swap_ready else NO_QTY,
            trigger_passed=market.usable and market.trigger_passed,
            cover_ready=self._cover_ready(now_ns, crowded=market.crowded),
            swap=self.swap,
            swap_expired=self._swaps.expired(self.swap, now_ns),
            closing=self.closing,
            close_all=self.close_all,
            taken=self.taken,
            entry_pending=self.entry_pending,
            asked=frozenset(self._steps.asked_to_cancel),
            close_ready=now_ns >= self._close_ready_at,
            overdue=self._swaps.overdue(self._all, now_ns),
            blocked=self._steps.blocked,
            deferred=self._steps.deferred,
            slice_terms=self.slice_terms,
            stuck=self._watchdogs.stuck(self.orders, now_ns),
            past_triggers=self._exits.past_triggers,
            unseen=self.unseen,
            bare_long=self._cover.too_long(now_ns),
            trim_ready=self._entry.over(self._all) or self._cover.trims(now_ns, crowded=market.crowded),
        )

    def _watch_cover(self, result: Plan, now_ns: int) -> None:
        filling = not self._entry.over(self._all)
        missing = result.phase == "covering" and result.missing > 0 and filling
        # a swap leaves its quantity bare on purpose, and it and its target have bounds of their own
        targeting = result.swap is not None or self._swaps.targets_in_time(self._all, now_ns)
        chosen = self.signal.protect_from == "full_fill" and filling
        uncovered = Qty(max(ZERO, result.uncovered - self._still_resting()))
        bare = uncovered > 0 and result.phase in ("covering", "exiting") and not targeting and not chosen
        surplus = result.surplus > 0
        self._cover.see(uncovered, Qty(result.exposure), now_ns, bare=bare, missing=missing, surplus=surplus)

    def _still_resting(self) -> Decimal:
        """Return what a change will take from stops that has not been let go: it rests until then."""
        stops = (o for o in self.orders.values() if o.role == "stop" and o.waits)
        return sum((o.leaves_qty - o.least for o in stops if o.state in ("open", "partial")), ZERO)

    def gauge(self, now_ns: int) -> Decimal:
        """Return the gauge as of now: base units times seconds."""
        return self._cover.gauge(now_ns)

    def apply(self, event: BracketEvent) -> None:
        """Fold one journalled event. Raises OrderInvariantError when it does not fit what stands."""
        self._course.replay(event)
        self.closing, self.close_all, self._entry.childless = event.closing, event.close_all, event.childless_qty
        self.unwanted = event.unwanted
        if event.moved:
            self._fold_move(Moved(event.moved, event.stop, event.target, event.place), told=True)
        self._cover.restore(event.uncovered, event.uncovered_qty_s, event.ts_ns)
