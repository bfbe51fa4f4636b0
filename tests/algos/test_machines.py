"""The algorithms' machines as models: nothing unreachable, no dead end, nothing ignored in silence."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import pytest
from statemachine.exceptions import TransitionNotAllowed

from engine.algos import ChaseMachine, IcebergMachine, TwapMachine
from engine.algos.stage import Course
from tests.machines.definitions import Definition
from tests.machines.test_model import reached

ENDS = frozenset({"complete", "short", "stopped"})
EVERY = pytest.mark.parametrize(
    "machine",
    [
        Definition("chase", ChaseMachine, ENDS),
        Definition("twap", TwapMachine, ENDS),
        Definition("iceberg", IcebergMachine, ENDS),
    ],
    ids=lambda machine: machine.name,
)


@EVERY
def test_every_state_is_reached_and_leads_to_an_end(machine: Definition):
    """From the beginning, and to one of the three ends; those are final."""
    assert reached([machine.initial], machine.edges()) == set(machine.rows)
    assert reached(machine.ends, machine.edges(), backwards=True) == set(machine.rows)
    assert {state.id for state in machine.machine.states if state.final} == ENDS


@EVERY
def test_a_move_without_a_row_raises_and_changes_nothing(machine: Definition):
    """Whatever state it is in."""
    events = {event for state in machine.rows.values() for event in state}
    for state, event in product(machine.rows, events):
        if event not in machine.rows[state]:
            model = SimpleNamespace(state=state)
            with pytest.raises(TransitionNotAllowed):
                machine.machine(model=model).send(event)
            assert model.state == state


@EVERY
def test_what_is_filled_is_complete_however_it_ends(machine: Definition):
    """Asked to stop, and the last lot fills on the way: that is complete."""
    for filled, end in ((True, "complete"), (False, "stopped")):
        course = Course(machine.machine)
        course.send("drain")
        course.send("drained", filled=filled)
        assert (course.state, course.ended, len(course.walk)) == (end, True, 2)
