"""The machines, row by row."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from statemachine import StateMachine

from engine.errors import OrderInvariantError
from engine.orders.brackets import BRACKET_ENDED, MOVE_TO, BracketMachine
from engine.orders.events import EXEC_TYPE_OF_MOVE
from engine.orders.machine import ENDED, OrderMachine, fire

ORDER_ROWS = """
new: deny>denied dispatch>pending
pending: accept>open cancel>canceled doubt>unknown expire>expired fill_out>filled not_sent>denied reject>rejected
    trade>filled[complete] trade>partial
unknown: accept>open cancel>canceled expire>expired fill_out>filled prove_dead>rejected reject>rejected
    trade>filled[complete] trade>partial
open: amended>open ask_amend>pending_amend ask_cancel>pending_cancel cancel>canceled expire>expired fill_out>filled
    trade>filled[complete] trade>partial
partial: amended>filled[complete] amended>partial ask_amend>pending_amend ask_cancel>pending_cancel cancel>canceled
    expire>expired fill_out>filled trade>filled[complete] trade>partial
pending_amend: amended>filled[complete] amended>open amended>partial[touched] cancel>canceled expire>expired
    fill_out>filled refuse_change>filled[complete] refuse_change>open refuse_change>partial[touched]
    trade>pending_amend
pending_cancel: amended>pending_cancel cancel>canceled expire>expired fill_out>filled refuse_change>filled[complete]
    refuse_change>open refuse_change>partial[touched] trade>pending_cancel
filled: settle>settled trade>filled
canceled: settle>settled trade>canceled
expired: settle>settled trade>expired
rejected: accept>open cancel>canceled expire>expired fill_out>filled settle>settled trade>filled[complete] trade>partial
denied: settle>settled
settled:
"""

BRACKET_ROWS = """
entering: abandon>abandoned bare>naked begin_cover>covering finish>flat hand_over>taken_over hold>covered leave>exiting
covering: bare>naked finish>flat hand_over>taken_over hold>covered leave>exiting
covered: bare>naked begin_cover>covering finish>flat hand_over>taken_over leave>exiting
naked: begin_cover>covering finish>flat hand_over>taken_over hold>covered leave>exiting
exiting: bare>naked begin_cover>covering finish>flat hand_over>taken_over hold>covered
flat: reopen>covering
abandoned: reopen>covering
taken_over: reopen>covering
"""

Row = tuple[str, str, str, str]


def written(table: str) -> list[Row]:
    """Rows (from, move, to, guard) of a table as text."""
    rows: list[Row] = []
    state = ""
    for word in table.split():
        if word.endswith(":"):
            state = word[:-1]
            continue
        move, _, end = word.partition(">")
        to, _, guard = end.partition("[")
        rows.append((state, move, to, guard.rstrip("]")))
    return sorted(rows)


def declared(machine: type[StateMachine]) -> list[Row]:
    """Rows (from, move, to, guard) of a machine, as the library extracted them."""
    return sorted(
        (state.id, row.event, row.target.id, " ".join(str(guard) for guard in row.cond))
        for state in machine.states
        for row in state.transitions
    )


def machine_in(machine: type[StateMachine], state: str) -> StateMachine:
    return machine(model=SimpleNamespace(state=state))


ROWS = [(OrderMachine, row) for row in written(ORDER_ROWS)] + [(BracketMachine, row) for row in written(BRACKET_ROWS)]


@pytest.mark.parametrize(("machine", "table"), [(OrderMachine, ORDER_ROWS), (BracketMachine, BRACKET_ROWS)])
def test_table_is_what_was_agreed(machine: type[StateMachine], table: str) -> None:
    """A row that is added, changed or lost is seen here."""
    assert declared(machine) == written(table)


@pytest.mark.parametrize(("machine", "row"), ROWS, ids=lambda v: "-".join(v) if isinstance(v, tuple) else v.__name__)
def test_row_is_walked(machine: type[StateMachine], row: Row) -> None:
    """Each row leads where it says, under its own guard."""
    before, move, to, guard = row
    walked = machine_in(machine, before)
    assert fire(walked, move, complete=guard == "complete", touched=guard == "touched") == to


@pytest.mark.parametrize("machine", [OrderMachine, BracketMachine])
def test_illegal_moves_raise_and_change_nothing(machine: type[StateMachine]) -> None:
    """Every pair of state and move without a row is refused with our error and leaves the state."""
    rows = declared(machine)
    legal = {(before, move) for before, move, _, _ in rows}
    for state in machine.states:
        for move in {move for _, move, _, _ in rows}:
            if (state.id, move) in legal:
                continue
            walked = machine_in(machine, state.id)
            with pytest.raises(OrderInvariantError, match=machine.__name__):
                fire(walked, move, complete=True, touched=True)
            assert walked.model.state == state.id


@pytest.mark.parametrize(
    ("machine", "start", "ends"),
    [(OrderMachine, "new", frozenset({"settled"})), (BracketMachine, "entering", BRACKET_ENDED)],
)
def test_every_state_is_reached_and_reaches_an_end(
    machine: type[StateMachine], start: str, ends: frozenset[str]
) -> None:
    """No state is an island and none is a trap."""
    after = {state.id: {row.target.id for row in state.transitions} for state in machine.states}

    def reach(state: str) -> set[str]:
        seen, waiting = {state}, [state]
        while waiting:
            waiting += fresh if (fresh := list(after[waiting.pop()] - seen)) else []
            seen |= set(waiting)
        return seen

    assert reach(start) == set(after)
    assert all(reach(state) & ends for state in after)


def test_complete_outranks_touched() -> None:
    """An amend down to what has filled ends filled, though it is touched as well."""
    assert fire(machine_in(OrderMachine, "pending_amend"), "amended", complete=True, touched=True) == "filled"


def test_every_move_and_phase_has_a_published_word() -> None:
    """Each order move has an exec_type; each bracket phase but the first has a move that leads there."""
    moves = {move for _, move, _, _ in declared(OrderMachine)}
    assert moves | {""} == set(EXEC_TYPE_OF_MOVE)
    led = {(move, to) for _, move, to, _ in declared(BracketMachine)}
    assert all((move, phase) in led for phase, move in MOVE_TO.items())
    assert {s.id for s in OrderMachine.states} >= ENDED
