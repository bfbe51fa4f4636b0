"""What the board shows, gathered from the running engine: whole, and what has changed since it was last asked."""

from __future__ import annotations

import os
from collections import deque
from contextlib import ExitStack
from typing import Final

import trio

import engine as package
from engine.control.board import (
    MS,
    Board,
    BoardAlarm,
    BoardChange,
    BoardEngine,
    BoardHealth,
    BoardMoney,
    BoardPoint,
    BoardTrading,
    Happening,
    amount,
    happening,
)
from engine.control.board_brackets import BracketRows
from engine.control.board_health import HealthDesk
from engine.control.board_orders import OrderRows
from engine.orders.events import ExecutionReport
from engine.runtime.bus import Lagged, Subscription
from engine.runtime.engine import Engine
from engine.runtime.executions import executions

SLOW_STEP_S: Final = 1.0
"""How often what moves slowly is looked at: money, links, budgets. So something is told at least this often."""
ACTIVITY_MOST: Final = 200
ACTIVITY_AT_FIRST: Final = 50
REPORTS_MOST: Final = 8192
"""Reports between two steps; beyond that everything is taken anew."""


class BoardState:
    """Holds rows and sections while somebody looks. ``begin`` before anything else.

    ``started_s`` is when the engine started, on trio's clock.
    """

    def __init__(self, engine: Engine, started_s: float) -> None:
        self._engine = engine
        self._started_ms = self.now_ms() - round(1000 * (trio.current_time() - started_s))
        self._orders, self._brackets = OrderRows(engine), BracketRows(engine)
        self._health = HealthDesk(engine, started_s)
        self._activity: deque[Happening] = deque(maxlen=ACTIVITY_MOST)
        self._reports: Subscription | None = None
        self._subscribed = ExitStack()
        self._beginning = trio.Lock()
        self._slow_s = 0.0
        self._points_ns = 0
        self._trading: BoardTrading | None = None
        self._alarms: tuple[BoardAlarm, ...] = ()
        self._money: BoardMoney | None = None
        self._told_health: BoardHealth | None = None

    def now_ms(self) -> int:
        """Return our wall clock."""
        return self._engine.services.clock.now_ns() // MS

    @property
    def begun(self) -> bool:
        """Whether it follows the engine and has missed nothing."""
        return self._reports is not None

    async def begin(self) -> None:
        """Take everything as it is, unless that was done already. Other tasks run in between."""
        async with self._beginning:
            if self.begun:
                return
            self._orders, self._brackets = OrderRows(self._engine), BracketRows(self._engine)
            with ExitStack() as subscribed:  # before anything is read: what happens meanwhile is told then
                reports = subscribed.enter_context(self._engine.subscribe(REPORTS_MOST))
                await self._orders.seed()
                await self._brackets.seed()
                last = await executions(self._engine.journal, ACTIVITY_AT_FIRST)
                told = [line for report in last if (line := happening(report)) is not None]
                self._activity = deque(told, maxlen=ACTIVITY_MOST)
                self._told_health = await self._health.look()
                self._subscribed = subscribed.pop_all()
                self._reports = reports

    def end(self) -> None:
        """Let go of everything: nobody looks any more."""
        self._subscribed.close()
        self._reports = None

    def board(self, number: int) -> Board:
        """Return everything as of the last step; ``number`` is that of the last change in it."""
        assert self._told_health is not None  # noqa: S101 - it has begun
        return Board(
            number=number,
            offset=self._engine.journal.head[0],
            at_ms=self.now_ms(),
            engine=self._identity(),
            orders=tuple(self._orders.rows.values()),
            brackets=tuple(self._brackets.rows.values()),
            activity=tuple(self._activity),
            points=self._points(0),
            trading=self._trading or self._trading_now(),
            alarms=self._alarms_now(),
            money=self._money or self._money_now(),
            health=self._told_health,
        )

    async def step(self, number: int) -> BoardChange | None:
        """Return what has changed since the last step as frame ``number``, None for nothing.

        Not ``begun`` afterwards: so much was reported that everything must be taken anew. Other tasks run in between;
        the caller lets nobody else in meanwhile, and does not let it be cancelled.
        """
        happenings = self._drain()
        if not self.begun:
            return None
        orders, orders_gone = await self._orders.step()
        brackets, brackets_gone = await self._brackets.step()
        slow = trio.current_time() >= self._slow_s
        if slow:
            self._slow_s = trio.current_time() + SLOW_STEP_S
            self._told_health = await self._health.look()
        trading, money = self._trading_now(), self._money_now() if slow else self._money
        alarms = self._alarms_now()
        told_trading, told_alarms, told_money = trading != self._trading, alarms != self._alarms, money != self._money
        self._trading, self._alarms, self._money = trading, alarms, money
        ended = self._engine.services.bus.closed
        rows = orders or orders_gone or brackets or brackets_gone or happenings
        if not (slow or ended or rows or told_trading or told_alarms):
            return None
        return BoardChange(
            number=number,
            offset=self._engine.journal.head[0],
            at_ms=self.now_ms(),
            orders=tuple(orders),
            orders_gone=tuple(orders_gone),
            brackets=tuple(brackets),
            brackets_gone=tuple(brackets_gone),
            activity=tuple(happenings),
            points=self._points(self._points_ns) if slow else (),
            trading=trading if told_trading else None,
            alarms=alarms if told_alarms else None,
            money=money if told_money else None,
            health=self._told_health if slow else None,
            ended=ended,
        )

    def _drain(self) -> list[Happening]:
        found: list[Happening] = []
        for report in self._reports.take() if self._reports is not None else ():
            if isinstance(report, Lagged):
                self.end()
                return []
            self._note(report)
            line = happening(report)
            if line is not None:
                found.append(line)
        self._activity.extend(found)
        return found[-ACTIVITY_MOST:]

    def _note(self, report: ExecutionReport) -> None:
        self._orders.note(report)
        self._brackets.note(report)

    def _trading_now(self) -> BoardTrading:
        services = self._engine.services
        return BoardTrading(services.trading.view(), services.gate.reasons())

    def _alarms_now(self) -> tuple[BoardAlarm, ...]:
        return tuple(
            BoardAlarm(
                number=one.number,
                code=one.code,
                subject=one.subject,
                level=one.level,
                text=one.text,
                what_to_do=one.what_to_do,
                first_ms=one.first_ns // MS,
                last_ms=one.last_ns // MS,
                count=one.count,
                acked_ms=one.acked_ns // MS,
            )
            for one in self._engine.services.alarms.alarms()
        )

    def _money_now(self) -> BoardMoney:
        held, pnl = self._engine.money.positions(), self._engine.money.pnl()
        return BoardMoney(held.positions, held.totals, pnl.rows)

    def _points(self, after_ns: int) -> tuple[BoardPoint, ...]:
        points = self._engine.money.curve.points(after_ns)
        self._points_ns = max((one.ts_ns for one in points), default=after_ns)
        return tuple(BoardPoint(p.ts_ns // MS, p.quote, amount(p.realized), amount(p.unrealized)) for p in points)

    def _identity(self) -> BoardEngine:
        identity = self._engine.journal.identity
        return BoardEngine(
            version=package.__version__,
            venue=identity.venue,
            account=identity.account,
            mode=identity.mode,
            pid=os.getpid(),
            started_ms=self._started_ms,
        )
