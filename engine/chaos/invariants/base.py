"""What an invariant is: a name, a line that says it, and what it wants to see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from engine.chaos.ledger import Ledger, Twin
from engine.chaos.tap import Asked
from engine.chaos.trace import Trace
from engine.journal.row import Row
from engine.orders.events import ExecutionReport
from engine.sim import TIERS
from engine.sim.events import OrderReport
from engine.values.time import NS

if TYPE_CHECKING:
    from engine.chaos.world import World

Moment = Literal["booted", "calm", "taken_back", "settled", "stopped"]
"""An engine accepts signals; the weather is over; every entry was canceled three seconds ago; the run has waited long
enough; the engine has been stopped."""
DEAREST_ORDER = 9
"""Points: a new order, or the cancel of one that has only just come."""
LIST, LEFT = 4, 3
"""Points: of a list of closed orders or of fills as the engine counts it, and those it leaves to tokens."""
STATES = 1
"""Points of the question how orders stand."""
AMEND, BATCHES = 1, 2
"""Points: of an amend by REST, and those it leaves to batches."""
_MOST = 20
"""Violations kept of one run: the first one matters, the others are its consequences."""


@dataclass(frozen=True)
class Violation:
    """A broken invariant. ``subjects`` are the orders and signals concerned, ``tail`` the trace up to it."""

    invariant: str
    at_s: float
    text: str
    subjects: tuple[str, ...]
    tail: tuple[str, ...]


class Court:
    """What invariants look at, and where they complain."""

    def __init__(self, world: World, trace: Trace, ledger: Ledger) -> None:
        self.world, self.trace, self.ledger = world, trace, ledger
        self.violations: list[Violation] = []
        self.on_first: Callable[[], object] = lambda: None
        """Called when the first rule breaks: a run that is only to show whether one does may end there."""
        self._told: set[tuple[str, tuple[str, ...]]] = set()

    @property
    def now_s(self) -> float:
        """Virtual seconds since the beginning."""
        return self.trace.now_s

    def counter_full(self, symbol: str = "", points: int = DEAREST_ORDER) -> bool:
        """Tell whether the exchange's counter of a market, or of any, has no room for a request: for the dearest."""
        core = self.world.exchange._venue.core
        bound, now_ns = core.rates.threshold_of("client"), core.clock.now_ns()
        markets = (symbol,) if symbol else core.markets
        return any(core.rates.level("client", one, now_ns) > bound - points for one in markets)

    def by_rest_alone(self) -> bool:
        """Tell whether this world's orders go by REST however its streams are."""
        return self.world._venue_changes.get("orders_via") == "rest"

    def rest_lags_beyond(self) -> bool:
        """Tell whether REST is behind by more now than the engine allows for."""
        replica = self.world.exchange._venue.replica
        return replica is not None and replica.lag_ns > self.world.settings.visibility_lag_s * NS

    def calls_full(self) -> bool:
        """Tell whether the exchange's counter of our REST calls has no room for an amend."""
        exchange = self.world.exchange
        return exchange._venue.keys[exchange.api_key].calls.full(exchange.clock.now_ns(), AMEND + BATCHES)

    def calls_short(self, points: int = LIST) -> bool:
        """Tell whether a list of four points would wait, or what costs so many: three are left to those that bring the
        stream back.

        By the engine's own count, as it notes it down for the next process: it takes a list for dearer than the
        exchange may, and counts what was lost on its way, too.
        """
        limits = TIERS[self.world.exchange.settings.tier or "intermediate"]
        level = (self.world.nonces.spent_until() - self.world.clock.now_ns()) / NS * float(limits.rest_decay)
        return level > limits.rest_max - points - LEFT

    def deaf(self) -> bool:
        """Tell whether nothing can tell the engine what fills: nobody is on a private stream, and REST has no room."""
        return self.calls_short(STATES) and not self.world.exchange._sockets(private=True)

    def broken(self, invariant: str, text: str, *subjects: str) -> None:
        """Note a violation, once for the same orders."""
        if (invariant, subjects) in self._told or len(self.violations) >= _MOST:
            return
        self._told.add((invariant, subjects))
        self.trace.note("oracle", subjects[0] if subjects else "", f"BROKEN {invariant}: {text}")
        self.violations.append(Violation(invariant, self.now_s, text, subjects, tuple(self.trace.tail())))
        if len(self.violations) == 1:
            self.on_first()


class Invariant:
    """One rule. Subclasses override what they want to see; their docstring's first line says the rule."""

    name: ClassVar[str]

    def __init__(self, court: Court) -> None:
        self.court, self.ledger = court, court.ledger

    def broken(self, text: str, *subjects: str) -> None:
        """Complain."""
        self.court.broken(self.name, text, *subjects)

    def on_row(self, row: Row, fact: Any) -> None:
        """A row has been appended; the ledger still stands before it. ``fact`` is its body where that has a type."""

    def on_venue(self, report: OrderReport, twin: Twin | None) -> None:
        """The exchange has told of a client's order; ``twin`` is ours, None for a foreign one."""

    def on_done(self) -> None:
        """A command of the exchange that concerned a client's order is over, with all it set off."""

    def on_market(self, symbol: str) -> None:
        """The best prices of a market of the exchange have changed."""

    def on_asked(self, asked: Asked) -> None:
        """The engine has put a request on the wire."""

    def on_answered(self, end: str, data: bytes) -> None:
        """The exchange has put bytes on the wire."""

    def on_log(self, level: str, event: str, text: str) -> None:
        """The engine has logged something."""

    def on_report(self, report: ExecutionReport) -> None:
        """A subscriber has received an execution report."""

    def on_called(self, report: ExecutionReport, life: int) -> None:
        """A listener to the engine of this life has been told an execution report."""

    def on_tick(self) -> None:
        """Half a second has passed."""

    def on_moment(self, moment: Moment) -> None:
        """The run has come to one of its stages."""
