"""The machines checked as models, from their definitions alone: nothing unreachable, no dead end, nothing ignored."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from types import SimpleNamespace

import pytest
from statemachine.exceptions import TransitionNotAllowed

from engine.errors import OrderInvariantError
from engine.orders.machine import fire
from tests.machines.definitions import DEFINITIONS, Definition, Edge

EVERY = pytest.mark.parametrize("machine", DEFINITIONS, ids=lambda machine: machine.name)


def reached(start: Iterable[str], edges: set[Edge], *, backwards: bool = False) -> set[str]:
    """Every state that can be reached from these, or from which these can be."""
    found, waiting = set(start), list(start)
    while waiting:
        state = waiting.pop()
        for before, _, after in edges:
            here, there = (after, before) if backwards else (before, after)
            if here == state and there not in found:
                found.add(there)
                waiting.append(there)
    return found


@EVERY
def test_every_state_can_be_reached(machine: Definition):
    """From the initial state, by the edges of the definition."""
    assert reached([machine.initial], machine.edges()) == set(machine.rows)


@EVERY
def test_no_state_is_a_dead_end(machine: Definition):
    """From every state an end can be reached; what has none can come back to where it began."""
    ends = machine.ends or {machine.initial}
    assert reached(ends, machine.edges(), backwards=True) == set(machine.rows)


@EVERY
def test_no_event_is_ignored_in_silence(machine: Definition):
    """What has no row raises, in our table and in the library's machine, and moves nothing."""
    rows = machine.rows
    events = {event for state in rows.values() for event in state}
    for state, event in product(rows, events):
        if event in rows[state]:
            continue
        with pytest.raises(OrderInvariantError):
            fire(rows, state, event)
        model = SimpleNamespace(state=state)
        with pytest.raises(TransitionNotAllowed):
            machine.machine(model=model).send(event)
        assert model.state == state


@EVERY
def test_guards_leave_no_event_without_a_way(machine: Definition):
    """The last row of an event has no guard: whatever holds, it leads somewhere."""
    for state, events in machine.rows.items():
        for event, rows in events.items():
            assert rows[-1][0] == "", f"{event} in {state} may lead nowhere"
