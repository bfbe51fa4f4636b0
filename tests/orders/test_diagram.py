"""Diagrams: drawn from the machine itself, complete, with the walked way marked."""

from __future__ import annotations

import pytest
from statemachine import StateMachine

from engine.algos import ChaseMachine, IcebergMachine, TwapMachine
from engine.net.link import LinkMachine
from engine.orders.bracket_machine import BracketMachine
from engine.orders.diagram import diagram_of, dot, mermaid, outline, state_table, table
from engine.orders.machine import OrderMachine
from engine.risk.breaker import BreakerMachine
from engine.risk.trading_state import TradingMachine

WALK = [
    ("new", "dispatch", "pending"),
    ("pending", "trade", "partial"),
    ("partial", "trade", "partial"),
    ("partial", "trade", "partial"),
    ("partial", "trade", "filled"),
]


@pytest.mark.parametrize(
    "machine",
    [
        *(OrderMachine, BracketMachine, LinkMachine, BreakerMachine, TradingMachine),
        *(ChaseMachine, TwapMachine, IcebergMachine),
    ],
)
def test_every_state_and_transition_is_drawn(machine: type[StateMachine]) -> None:
    """Nothing of the machine is missing from the picture, and nothing else is in it."""
    transitions = {
        (state.id, event, transition.target.id)
        for state in machine.states
        for transition in state.transitions
        for event in map(str, transition.events)
    }
    drawn = diagram_of(machine)
    assert {(edge.source, edge.event, edge.target) for edge in drawn.edges} == transitions
    assert set(drawn.states) == {state.id for state in machine.states}
    rows = table(drawn).splitlines()[2:]
    assert len(rows) == len(drawn.edges)
    for source, event, target in transitions:
        assert any(f"`{source}` | `{event}` |" in row and f"| `{target}` |" in row for row in rows)
    for source, _, target in transitions:
        assert f"    {source} --> {target} : " in mermaid(drawn)
    brief = {row.split("`")[1]: row for row in state_table(drawn).splitlines()[2:]}
    assert list(brief) == list(drawn.states)
    for source, event, target in transitions:
        ways = [way for way in brief[source].split(";") if way.rstrip(" |").endswith(f"→ `{target}`")]
        assert any(event in way for way in ways), (source, event, target)
        assert f"  {source} -> {target} [" in dot(drawn)


def test_walk_is_numbered_and_lit() -> None:
    """Steps carry their numbers in order, a repeated one all of them; the last state is lit."""
    drawn = diagram_of(OrderMachine, WALK)
    text = mermaid(drawn)
    assert "    new --> pending : 1 dispatch\n" in text
    assert "    pending --> partial : 2 trade\n" in text
    assert "    partial --> partial : 3,4 trade\n" in text
    assert "    partial --> filled : 5 trade [complete]\n" in text
    assert "    class new,pending,partial walked\n" in text
    assert "    class filled last\n" in text
    assert 'partial -> partial [label="3,4 trade", color="#1f6f43"' in dot(drawn)
    assert 'filled [label="filled", fillcolor="#f2b134"' in dot(drawn)
    assert "| `partial` | `trade` |  | `partial` | 3,4 |" in table(drawn)


def test_an_order_that_went_nowhere_lights_its_first_state() -> None:
    """An intent without a request is a way of one state."""
    drawn = diagram_of(OrderMachine, [])
    assert (drawn.walked, drawn.last) == ({"new"}, "new")
    assert "class new last" in mermaid(drawn)


def test_without_an_order_nothing_is_marked() -> None:
    """The plain picture has no classes and no numbers."""
    assert "class" not in mermaid(diagram_of(OrderMachine))
    assert "walked" not in table(diagram_of(OrderMachine))


def test_outline_lists_every_state_once() -> None:
    """For a terminal: the walked states with the steps that left them."""
    rows = outline(diagram_of(OrderMachine, WALK))
    assert len(rows) == len(list(OrderMachine.states))
    assert ("●", "partial        3,4 trade → partial   5 trade → filled", True) in rows
    assert ("◉", "filled", True) in rows
    assert ("○", "open", False) in rows
