"""The halt latch: ACTIVE, REDUCING or HALTED, for all trading and for each strategy. Exits never ask here.

Pure. Every move is an event for the journal (kind ``trading``); folding those rows gives the latch again, so a halt
survives any restart. It is released by a command alone, never by time and never because its cause has passed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, cast

import msgspec
from statemachine import State, StateMachine

from engine.errors import OrderInvariantError
from engine.orders.machine import compile_rows, fire

TradingStateName = Literal["ACTIVE", "REDUCING", "HALTED"]
TradingMove = Literal["reduce", "halt", "resume"]

TRADING_ROW: Final = "trading"
"""The journal's kind for a TradingEvent. It belongs to no signal and to no order."""

EVERY_STRATEGY: Final = ""

CAUSES_MOST: Final = 32
"""Causes that stand at once in one scope; each has a code of its own, and the codes are fewer."""


class TradingMachine(StateMachine):
    """What may be sent beside exits: everything, only what reduces, nothing. ``model`` carries ``state``."""

    # StateMachine's own values, kept in view because the parent class StateChart has the opposite ones
    allow_event_without_transition = False
    enable_self_transition_entries = False
    atomic_configuration_update = True
    catch_errors_as_events = False

    ACTIVE = State("ACTIVE", initial=True)  # entries pass
    REDUCING = State("REDUCING")  # an entry passes only when it is proved to reduce the position
    HALTED = State("HALTED")  # no entry passes

    reduce = ACTIVE.to(REDUCING) | REDUCING.to(REDUCING) | HALTED.to(HALTED)  # a lesser cause never loosens
    halt = ACTIVE.to(HALTED) | REDUCING.to(HALTED) | HALTED.to(HALTED)  # a further cause is told as well
    resume = REDUCING.to(ACTIVE) | HALTED.to(ACTIVE)


TRADING_ROWS: Final = compile_rows(TradingMachine)
_RANK: Final[dict[TradingStateName, int]] = {"ACTIVE": 0, "REDUCING": 1, "HALTED": 2}


class TradingEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One move of the latch, journalled and folded on replay.

    ``code`` names the kind of cause (COMMAND, HALT_FILE, …), ``reason`` is for people. ``strategy_id`` is empty for all
    trading.
    """

    move: TradingMove
    from_state: TradingStateName
    to_state: TradingStateName
    ts_ns: int
    code: str
    reason: str
    strategy_id: str = EVERY_STRATEGY


class Cause(msgspec.Struct, frozen=True):
    """Why a scope is not ACTIVE. ``ts_ns`` is our wall clock in UTC nanoseconds."""

    move: TradingMove
    code: str
    reason: str
    ts_ns: int
    strategy_id: str = EVERY_STRATEGY


class TradingState:
    """The latch. Its methods return the event to journal, or None when nothing changes.

    The caller journals an event in the same tick as it was made, and acts only then.
    """

    def __init__(self) -> None:
        self._states: dict[str, TradingStateName] = {}
        self._causes: dict[str, dict[str, Cause]] = {}

    @classmethod
    def replayed(cls, events: Iterable[TradingEvent]) -> TradingState:
        """Fold journalled events in their order. Raises OrderInvariantError for one that cannot follow."""
        latch = cls()
        for event in events:
            latch.apply(event)
        return latch

    @property
    def overall(self) -> TradingStateName:
        """The state of all trading, whatever single strategies may not do."""
        return self._states.get(EVERY_STRATEGY, "ACTIVE")

    def of(self, strategy_id: str) -> TradingStateName:
        """Return the stricter of the state of all trading and of this strategy's."""
        return max(self.overall, self._states.get(strategy_id, "ACTIVE"), key=_RANK.__getitem__)

    def causes(self, strategy_id: str | None = None) -> tuple[Cause, ...]:
        """Return what stands, oldest first: for one strategy (causes for all trading included), or everything."""
        scopes = self._causes if strategy_id is None else (EVERY_STRATEGY, strategy_id)
        found = [cause for scope in dict.fromkeys(scopes) for cause in self._causes.get(scope, {}).values()]
        return tuple(sorted(found, key=lambda cause: cause.ts_ns))

    def strategies(self) -> dict[str, TradingStateName]:
        """Return every strategy that is not ACTIVE on its own account."""
        return {name: state for name, state in sorted(self._states.items()) if name != EVERY_STRATEGY}

    def halt(self, code: str, reason: str, now_ns: int, strategy_id: str = EVERY_STRATEGY) -> TradingEvent | None:
        """Let no entry pass. None when a halt with this code stands already in this scope."""
        return self._tighten("halt", code, reason, now_ns, strategy_id)

    def reduce(self, code: str, reason: str, now_ns: int, strategy_id: str = EVERY_STRATEGY) -> TradingEvent | None:
        """Let only reducing entries pass. None when this code stands already in this scope, or a stricter one."""
        return self._tighten("reduce", code, reason, now_ns, strategy_id)

    def resume(self, reason: str, now_ns: int, strategy_id: str = EVERY_STRATEGY) -> TradingEvent | None:
        """Release a scope from every cause that stands in it. None when it is ACTIVE."""
        if self._states.get(strategy_id, "ACTIVE") == "ACTIVE":
            return None
        return self._move("resume", "COMMAND", reason, now_ns, strategy_id)

    def _tighten(
        self, move: Literal["halt", "reduce"], code: str, reason: str, now_ns: int, strategy_id: str
    ) -> TradingEvent | None:
        standing = self._causes.get(strategy_id, {})
        known = standing.get(code)
        if known is not None and (known.move == "halt" or move == "reduce"):
            return None
        if known is None and len(standing) >= CAUSES_MOST:
            return None
        return self._move(move, code, reason, now_ns, strategy_id)

    def _move(self, move: TradingMove, code: str, reason: str, now_ns: int, strategy_id: str) -> TradingEvent:
        before = self._states.get(strategy_id, "ACTIVE")
        after = cast("TradingStateName", fire(TRADING_ROWS, before, move))
        event = TradingEvent(move, before, after, now_ns, code, reason, strategy_id)
        self.apply(event)
        return event

    def apply(self, event: TradingEvent) -> None:
        """Fold one event. Raises OrderInvariantError when it does not fit what stands."""
        scope = event.strategy_id
        before = self._states.get(scope, "ACTIVE")
        if event.from_state != before or fire(TRADING_ROWS, before, event.move) != event.to_state:
            raise OrderInvariantError(
                f"trading state {scope or 'of all'}: {event.move!r} from {event.from_state} to {event.to_state} "
                f"cannot follow {before}"
            )
        if event.to_state == "ACTIVE":
            self._states.pop(scope, None)
            self._causes.pop(scope, None)
            return
        self._states[scope] = event.to_state
        cause = Cause(event.move, event.code, event.reason, event.ts_ns, scope)
        self._causes.setdefault(scope, {})[event.code] = cause
