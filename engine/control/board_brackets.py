"""The brackets on the board: every living one with its cover, and the last that have ended."""

from __future__ import annotations

from collections import OrderedDict, deque
from decimal import Decimal
from typing import Final

import trio

from engine.accounts.pnl import money_of
from engine.control.board import MS, BoardBracket, amount
from engine.orders.brackets import Bracket
from engine.orders.events import ExecutionReport
from engine.orders.replay import rebuild_bracket
from engine.runtime.bracket_end import end_reason, outcome_of
from engine.runtime.engine import Engine
from engine.runtime.history import facts_of, last_rows
from engine.values.money import trimmed

ENDED_MOST: Final = 200
ENDED_AT_FIRST: Final = 30
"""Ended brackets folded from the journal when the board is first looked at, some milliseconds each."""
ROWS_AT_ONCE: Final = 8
"""Rows made before other tasks run: about half a millisecond."""
REBUILT_AT_ONCE: Final = 2
LOOKED_AT_IN_TURN: Final = 25
"""Quiet brackets looked at in each step beside those that were reported on: none stays unseen for long."""
WATCHED_STEPS: Final = 10
"""A bracket thinks after its order's report, and covers within its window: it is looked at for so many steps more."""
_FINEST: Final = Decimal("1E-8")
_RESTLESS = frozenset({"covering", "naked", "exiting"})


class BracketRows:
    """Rows by signal_id. ``step`` says what has changed since it was last asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.rows: dict[str, BoardBracket] = {}
        self._living: dict[str, Bracket] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._watched: dict[str, int] = {}
        self._turn: deque[str] = deque()
        self._read = 0  # the journal up to here has been looked through for brackets that ended

    async def seed(self) -> None:
        """Take everything that lives and the last that have ended. Other tasks run in between."""
        self._read, _ = self._engine.journal.head
        closed = await last_rows(self._engine.journal, "closed", ENDED_AT_FIRST)
        for signal_id in dict.fromkeys(row.signal_id for row in closed):
            bracket = None if signal_id in self._engine.brackets.active else self._rebuilt(signal_id)
            if bracket is not None:
                self._put(self._row(bracket))
            await trio.lowlevel.checkpoint()
        for scope in self._engine.brackets.scopes():
            self._living[scope.signal_id] = scope.bracket
            self._put(self._row(scope.bracket))
            await trio.lowlevel.checkpoint()
        self._forget()

    def note(self, report: ExecutionReport) -> None:
        """Look at this order's bracket in the next steps."""
        if report.cl_ord_id:
            self._watched[report.signal_id] = WATCHED_STEPS

    async def step(self) -> tuple[list[BoardBracket], list[str]]:
        """Return the rows that have changed, and the names of those that are no longer shown; as OrderRows.step."""
        changed: list[BoardBracket] = []
        folded = 0
        for number, signal_id in enumerate(self._wanted(), 1):
            if number % ROWS_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
            scope = self._engine.brackets.active.get(signal_id)
            bracket = self._living.pop(signal_id, None) if scope is None else scope.bracket
            if scope is not None:
                self._living[signal_id] = scope.bracket
            elif bracket is None and signal_id not in self.rows:  # began and ended between two steps
                if folded == REBUILT_AT_ONCE:
                    self._watched[signal_id] = WATCHED_STEPS
                    continue
                bracket, folded = self._rebuilt(signal_id), folded + 1
            if bracket is not None and (row := self._row(bracket)) != self.rows.get(signal_id):
                self._put(row)
                changed.append(row)
        gone = self._forget()
        return [row for row in changed if row.signal_id in self.rows], gone

    def _wanted(self) -> list[str]:
        """Name the brackets to look at now, and let those that were reported on come to rest."""
        active = self._engine.brackets.active
        wanted = dict.fromkeys(self._watched)
        wanted.update(dict.fromkeys(one for one in active if one not in self.rows))
        wanted.update(dict.fromkeys(self._just_ended()))
        wanted.update(dict.fromkeys(one for one, row in self.rows.items() if row.state in _RESTLESS and not row.ended))
        if not self._turn:
            self._turn.extend(active)
        for _ in range(min(LOOKED_AT_IN_TURN, len(self._turn))):
            wanted[self._turn.popleft()] = None
        self._watched = {name: left - 1 for name, left in self._watched.items() if left > 1}
        return list(wanted)

    def _just_ended(self) -> list[str]:
        """Name the brackets whose end was journalled since the last step: some have had no order to report on."""
        ended = [one for one in self._living if one not in self._engine.brackets.active]
        upto, _ = self._engine.journal.head
        if upto != self._read:
            ended += [row.signal_id for row in self._engine.journal.rows(after=self._read, kind="closed")]
            self._read = upto
        return ended

    def _rebuilt(self, signal_id: str) -> Bracket | None:
        services = self._engine.services
        return rebuild_bracket(facts_of(services.journal, signal_id=signal_id), services.settings.policy)

    def _row(self, bracket: Bracket) -> BoardBracket:
        signal, orders, now_ns = bracket.signal, bracket.orders.values(), self._engine.services.clock.now_ns()
        stop, target = bracket.terms.stop_loss, bracket.terms.take_profit
        realized = money_of(signal, bracket.instrument, orders).realized_pnl
        before = self.rows.get(signal.signal_id)
        since_ns = min((o.dispatched_ns or o.changed_ns for o in orders), default=0)
        gauge = bracket.uncovered_qty_s if bracket.ended else bracket.gauge(now_ns)
        return BoardBracket(
            signal_id=signal.signal_id,
            strategy_id=signal.strategy_id,
            symbol=bracket.instrument.symbol,
            side=signal.side,
            state=bracket.state,
            outcome=outcome_of(bracket) if bracket.ended else "",
            order_qty=trimmed(signal.order_qty),
            held=trimmed(bracket.exposure),
            uncovered=trimmed(bracket.uncovered),
            uncovered_qty_s=trimmed(gauge.quantize(_FINEST)),
            stop_price="" if stop is None else trimmed(stop.trigger_price),
            target_price=amount(None if target is None else target.price),
            realized=trimmed(realized.quantize(_FINEST)),
            since_ms=since_ns // MS or (now_ns // MS if before is None else before.since_ms),
            changed_ms=max((o.changed_ns for o in orders), default=0) // MS,
            ended=bracket.ended,
            orders=len(bracket.orders),
            reason=end_reason(bracket) if bracket.ended else bracket.closing,
        )

    def _put(self, row: BoardBracket) -> None:
        self.rows[row.signal_id] = row
        if row.ended:
            self._ended[row.signal_id] = None
        else:
            self._ended.pop(row.signal_id, None)  # a late report has opened it again

    def _forget(self) -> list[str]:
        gone: list[str] = []
        while len(self._ended) > ENDED_MOST:
            signal_id, _ = self._ended.popitem(last=False)
            del self.rows[signal_id]
            gone.append(signal_id)
        return gone
