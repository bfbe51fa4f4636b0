"""The checks before the wire: what one look costs an order, with few and with many brackets alive."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import trio

from engine.journal.opening import seeded_journal
from engine.orders.bracket_events import Policy
from engine.orders.brackets import Bracket
from engine.orders.commands import NewOrder
from engine.orders.order import Order
from engine.orders.signal import Signal, StopLoss
from engine.orders.specs import entry_order, stop_order
from engine.risk.limits import Limits, StrategyLimits, SymbolLimits
from engine.runtime.account_desk import AccountDesk
from engine.runtime.entry_gate import EntryGate
from engine.runtime.margin_desk import Lags, MarginDesk
from engine.runtime.margin_settings import MarginSettings
from engine.runtime.money_bus import MoneyBus
from engine.runtime.risk_desk import RiskDesk
from engine.runtime.trading_desk import TradingDesk
from engine.seams.clock import VirtualClock
from engine.seams.disk import Disk
from engine.values.money import Price, Qty
from engine.venue.protocol import Balance, VenueIdentity
from tests.bench.figures import Section, spread
from tests.risk.limits_world import BTC, INSTRUMENT, book_of

LIVING = (0, 50, 500)
WARM_UP, LOOKS = 200, 3000
MUCH = Decimal(10**12)
LIMITS = Limits(
    symbols=(BTC,),
    order_value_most=MUCH,
    collar_bps=Decimal(200),
    exposure_most=MUCH,
    open_orders_most=100_000,
    orders_per_second=100_000,
    repeats_most=100_000,
    daily_realized_loss_most=MUCH,
    daily_loss_most=MUCH,
    drawdown_most=MUCH,
    signal_age_most_s=1e6,
    market_data_age_most_s=1e6,
    check_balance=True,
    each_symbol=SymbolLimits(Qty(MUCH), Qty(MUCH), MUCH),
    each_strategy=StrategyLimits(MUCH, 100_000, MUCH, MUCH),
)
"""Every limit is set, so that every check does its work; none is reached."""


class _Link:
    """As much of a venue's link as the checks look at."""

    def __init__(self, ts_ns: int) -> None:
        self._book = book_of([("99", "50"), ("98", "50")], [("100", "50"), ("101", "50")], ts_ns)

    def book(self, symbol: str) -> Any:
        """Return the one book."""
        return self._book

    def instrument(self, symbol: str) -> Any:
        """Return the one market."""
        return INSTRUMENT


class _World:
    """A risk desk among so many brackets whose entries rest, and one whose stop is to be placed."""

    def __init__(self, journal: Any, clock: VirtualClock, living: int) -> None:
        link: Any = _Link(clock.now_ns())
        trading = TradingDesk(journal, clock)
        accounts = AccountDesk(LIMITS, journal, link, clock)
        balances = {"USD": Balance("USD", MUCH), "BTC": Balance("BTC", MUCH)}
        self.link = link
        bus = MoneyBus(journal, 1)
        margin = MarginDesk(MarginSettings(), Lags(5, 60), LIMITS.currency, link, clock, accounts, bus)
        self.desk = RiskDesk(LIMITS, journal, link, clock, EntryGate(), trading, accounts, balances, margin)
        brackets = [self._bracket(number, clock) for number in range(living + 1)]
        self.signal = msgspec.structs.replace(brackets[0].signal, signal_id="new")
        self.bracket = brackets[-1]
        entry = self.bracket.orders["entry"]
        filled = msgspec.structs.replace(entry, state="filled", done_qty=entry.order_qty, most=Qty(Decimal(0)))
        self.bracket.orders["entry"] = filled
        self.stop: NewOrder = stop_order(self.bracket.signal, INSTRUMENT, "stop", entry.order_qty)
        self.view = Order(self.stop, "stop").view()

    def _bracket(self, number: int, clock: VirtualClock) -> Bracket:
        signal = Signal(
            f"signal-{number}",
            BTC,
            "buy",
            "limit",
            Qty(Decimal("0.01")),
            StopLoss(Price(Decimal(90))),
            strategy_id=f"strategy-{number % 7}",
            limit_price=Price(Decimal(100)),
        )
        bracket = Bracket(signal, INSTRUMENT, Policy())
        order = Order(entry_order(signal, INSTRUMENT, "entry"), "entry")
        order.dispatched(1)
        bracket.learn(order.view(), [], 1)
        self.desk.open(bracket, clock.now_ns())
        return bracket

    def judge_entry(self) -> None:
        """Judge a new entry by every check."""
        denial = self.desk.entry(self.signal, INSTRUMENT, self.link.book(BTC))
        if denial is not None:
            raise RuntimeError(f"no limit should be reached: {denial}")

    def judge_exit(self) -> None:
        """Judge a stop by its four checks."""
        denial = self.desk.last_look(self.stop, self.view, self.bracket.signal.signal_id)
        if denial is not None:
            raise RuntimeError(f"an exit was denied: {denial}")

    def learn(self) -> None:
        """Count a bracket anew, as after each of its changes."""
        self.desk.moved(self.bracket)


async def measure(directory: Path) -> list[Section]:
    """Look at entries, exits and changes, each many times, among more and more living brackets."""
    clock, identity = VirtualClock(), VenueIdentity("sim", "bench", "simulated")
    figures = []
    for living in LIVING:
        with closing(seeded_journal(Disk(), identity, clock)) as journal:
            world = _World(journal, clock, living)
            for name, look in (
                ("entry, every check", world.judge_entry),
                ("exit, its four checks", world.judge_exit),
                ("a bracket counted anew", world.learn),
            ):
                figures.append(spread(f"{name}, {living} brackets alive", _times(look)))
                await trio.lowlevel.checkpoint()
    note = "an entry is looked at three times: when its signal comes, when it is decided, right before the wire"
    return [Section("Risk checks, cost of one look", figures, [note])]


def _times(look: Callable[[], None]) -> list[float]:
    for _ in range(WARM_UP):
        look()
    seconds = []
    for _ in range(LOOKS):
        began_s = time.perf_counter()
        look()
        seconds.append(time.perf_counter() - began_s)
    return seconds
