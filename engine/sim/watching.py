"""What each command has changed, collected for those who keep a second copy of the exchange."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from engine.sim.core import HOUSE, Core
from engine.sim.events import CommandDone, Event, LedgerEntry, OrderReport, PositionMoved, PublicTrade
from engine.sim.orders import SimOrder, SimTrade
from engine.sim.positions import Position


@dataclass
class Changes:
    """What one command did to the clients: orders by id (live), trades, ledger, positions; and every print."""

    ts_ns: int = 0
    orders: dict[str, SimOrder] = field(default_factory=dict)
    trades: list[SimTrade] = field(default_factory=list)
    ledger: list[LedgerEntry] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)  # by id, as they are after it
    prints: list[PublicTrade] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.orders or self.ledger or self.prints)


Taker = Callable[[Changes], None]


class Watcher:
    """Hands each command's changes to its takers before anything of the command leaves the process."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._changes = Changes()
        self._takers: list[Taker] = []

    def watch(self, taker: Taker) -> None:
        """Call ``taker`` after every command, also after one that changed nothing here."""
        if not self._takers:
            self._core.listen(self._on_event)
        self._takers.append(taker)

    def _on_event(self, event: Event) -> None:
        changes = self._changes
        match event:
            case OrderReport() if event.order.account != HOUSE:
                changes.orders[event.order.order_id] = event.order
                if event.trade is not None:
                    changes.trades.append(event.trade)
            case LedgerEntry():
                changes.ledger.append(event)
            case PositionMoved():
                changes.positions[event.position.position_id] = event.position
            case PublicTrade():
                changes.prints.append(event)
            case CommandDone():
                self._changes, changes.ts_ns = Changes(), event.ts_ns
                for taker in self._takers:
                    taker(changes)
            case _:
                pass
