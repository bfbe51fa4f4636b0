"""The red button's shell: the latch, its journal rows, and the entries that end when it falls."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog

from engine.journal.journal import Journal
from engine.risk.denials import Denial
from engine.risk.trading_state import (
    EVERY_STRATEGY,
    TRADING_ROW,
    Cause,
    TradingEvent,
    TradingState,
    TradingStateName,
)
from engine.seams.clock import Clock

log = structlog.get_logger()


class TradingView(msgspec.Struct, frozen=True):
    """``strategies`` are those that are not ACTIVE on their own account; ``causes`` everything that stands."""

    state: TradingStateName
    strategies: dict[str, TradingStateName]
    causes: tuple[Cause, ...]


def _nobody(strategy_id: str, why: str) -> None:
    """Stand in until the engine can end entries."""


class TradingDesk:
    """Halts and resumes trading. Every move is in the journal, in the tick in which it takes effect.

    ``on_tightened`` is called with a strategy (empty: all) and why: its entries that the latch does not let pass are
    to be ended. A latch that an earlier process left stands from the first moment.
    """

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal, self._clock = journal, clock
        self._latch = TradingState.replayed(
            row.decode(TradingEvent) for row in journal.rows(kind=TRADING_ROW, signal_id="")
        )
        self.on_tightened: Callable[[str, str], object] = _nobody
        if self._latch.causes():
            log.error("trading.still_halted", state=self._latch.overall, causes=_told(self._latch.causes()))

    def state_of(self, strategy_id: str) -> TradingStateName:
        """Return what a strategy may do now."""
        return self._latch.of(strategy_id)

    def view(self) -> TradingView:
        """Return where it stands."""
        return TradingView(self._latch.overall, self._latch.strategies(), self._latch.causes())

    def stands(self, code: str, strategy_id: str = EVERY_STRATEGY) -> bool:
        """Tell whether a cause of this kind stands in this scope."""
        return any(one.code == code and one.strategy_id == strategy_id for one in self._latch.causes(strategy_id))

    def halt(
        self, code: str, reason: str, strategy_id: str = EVERY_STRATEGY, *, reducing: bool = False
    ) -> TradingEvent | None:
        """Let no entry pass, or with ``reducing`` only what reduces. None when this cause stands already.

        Entries end at once; what has filled stays protected. The row is durable before anything later is sent.
        """
        tighten = self._latch.reduce if reducing else self._latch.halt
        event = tighten(code, reason, self._clock.now_ns(), strategy_id)
        if event is None:
            return None
        log.error("trading.halted", state=event.to_state, code=code, why=reason, strategy=strategy_id or "all")
        self._append(event)
        self.on_tightened(strategy_id, f"{event.to_state}: {code}: {reason}")
        return event

    def resume(self, reason: str, strategy_id: str = EVERY_STRATEGY) -> TradingEvent | None:
        """Release a scope by a person's word. None when it is ACTIVE."""
        event = self._latch.resume(reason, self._clock.now_ns(), strategy_id)
        if event is not None:
            log.warning("trading.resumed", why=reason, strategy=strategy_id or "all")
            self._append(event)
        return event

    def denial(self, strategy_id: str, *, reduces: bool) -> Denial | None:
        """Deny an entry that the latch does not let pass; ``reduces`` says that it is proved to reduce."""
        state = self._latch.of(strategy_id)
        if state == "ACTIVE" or (state == "REDUCING" and reduces):
            return None
        return Denial(f"TRADING_{state}", _told(self._latch.causes(strategy_id)))

    def _append(self, event: TradingEvent) -> None:
        self._journal.append(TRADING_ROW, event, ts_ns=event.ts_ns)


def _told(causes: tuple[Cause, ...]) -> str:
    return "; ".join(f"{one.code}{f' of {one.strategy_id}' if one.strategy_id else ''}: {one.reason}" for one in causes)
