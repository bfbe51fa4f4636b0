"""Every machine of the engine, as the flat table that is read off its one definition."""

from __future__ import annotations

from typing import NamedTuple

from statemachine import StateMachine

from engine.algos.chase import ChaseMachine
from engine.algos.iceberg import IcebergMachine
from engine.algos.twap import TwapMachine
from engine.net.link import LinkMachine
from engine.orders.bracket_machine import BRACKET_ENDED, BracketMachine
from engine.orders.machine import OrderMachine, Rows, compile_rows
from engine.risk.breaker import BreakerMachine
from engine.risk.trading_state import TradingMachine

Edge = tuple[str, str, str]
"""State, event, the state it leads to."""


ALGORITHMS: tuple[type[StateMachine], ...] = (ChaseMachine, IcebergMachine, TwapMachine)


def finals(machine: type[StateMachine]) -> frozenset[str]:
    """Return the states that end a machine."""
    return frozenset(str(state.id) for state in machine.states if state.final)


class Definition(NamedTuple):
    """A machine. ``ends`` are the states in which its life may rest for ever; none: it lives as long as the engine."""

    name: str
    machine: type[StateMachine]
    ends: frozenset[str]

    @property
    def initial(self) -> str:
        """Where it begins."""
        return str(self.machine.initial_state.id)

    @property
    def rows(self) -> Rows:
        """Its table."""
        return compile_rows(self.machine)

    def edges(self) -> set[Edge]:
        """Every edge that the definition allows."""
        return {
            (state, event, target)
            for state, events in self.rows.items()
            for event, rows in events.items()
            for _, target in rows
        }


DEFINITIONS = (
    Definition("order", OrderMachine, frozenset({"settled"})),
    Definition("bracket", BracketMachine, BRACKET_ENDED),
    Definition("link", LinkMachine, frozenset()),
    Definition("breaker", BreakerMachine, frozenset()),
    Definition("trading", TradingMachine, frozenset()),
    *(Definition(machine.__name__.removesuffix("Machine").lower(), machine, finals(machine)) for machine in ALGORITHMS),
)
