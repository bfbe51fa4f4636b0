"""The machines, row by row."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import pytest
from statemachine import State, StateMachine
from statemachine.exceptions import TransitionNotAllowed

from engine.errors import OrderInvariantError
from engine.orders.bracket_machine import BRACKET_ENDED, BRACKET_ROWS, MOVE_TO, BracketMachine
from engine.orders.events import EXEC_TYPE_OF_MOVE
from engine.orders.machine import ENDED, ORDER_ROWS, OrderMachine, Rows, compile_rows, fire

ORDER_TABLE = """
new: deny>denied dispatch>pending
pending: accept>open cancel>canceled doubt>unknown expire>expired fill_out>filled not_sent>denied reject>rejected
    trade>filled[complete] trade>partial
unknown: accept>open cancel>canceled expire>expired fill_out>filled prove_dead>rejected reject>rejected
    trade>filled[complete] trade>partial
open: amended>open ask_amend>pending_amend ask_cancel>pending_cancel cancel>canceled expire>expired fill_out>filled
    prove_dead>rejected trade>filled[complete] trade>partial
partial: amended>filled[complete] amended>partial ask_amend>pending_amend ask_cancel>pending_cancel cancel>canceled
    expire>expired fill_out>filled trade>filled[complete] trade>partial
pending_amend: amended>filled[complete] amended>open amended>partial[touched] cancel>canceled expire>expired
    fill_out>filled prove_dead>rejected refuse_change>filled[complete] refuse_change>open
    refuse_change>partial[touched] trade>pending_amend
pending_cancel: amended>pending_cancel cancel>canceled expire>expired fill_out>filled prove_dead>rejected
    refuse_change>filled[complete] refuse_change>open refuse_change>partial[touched] trade>pending_cancel
filled: settle>settled trade>filled
canceled: settle>settled trade>canceled
expired: settle>settled trade>expired
rejected: accept>open cancel>canceled expire>expired fill_out>filled settle>settled trade>filled[complete] trade>partial
denied: settle>settled
settled:
"""

BRACKET_TABLE = """
entering: abandon>abandoned bare>naked begin_cover>covering finish>flat hand_over>taken_over hold>covered leave>exiting
covering: bare>naked finish>flat hand_over>taken_over hold>covered leave>exiting
covered: bare>naked begin_cover>covering finish>flat hand_over>taken_over leave>exiting
naked: begin_cover>covering finish>flat hand_over>taken_over hold>covered leave>exiting
exiting: abandon>abandoned bare>naked begin_cover>covering finish>flat hand_over>taken_over hold>covered
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


def by_library(machine: type[StateMachine], state: str, move: str, *, complete: bool, touched: bool) -> str:
    """Where python-statemachine itself goes; "" when it refuses."""
    model = SimpleNamespace(state=state)
    try:
        machine(model=model).send(move, complete=complete, touched=touched)
    except TransitionNotAllowed:
        assert model.state == state
        return ""
    return str(model.state)


def by_table(rows: Rows, state: str, move: str, *, complete: bool, touched: bool) -> str:
    """Where the compiled table goes; "" when it refuses."""
    try:
        return fire(rows, state, move, complete=complete, touched=touched)
    except OrderInvariantError:
        return ""


ROWS = [(ORDER_ROWS, row) for row in written(ORDER_TABLE)] + [(BRACKET_ROWS, row) for row in written(BRACKET_TABLE)]


@pytest.mark.parametrize(("machine", "table"), [(OrderMachine, ORDER_TABLE), (BracketMachine, BRACKET_TABLE)])
def test_table_is_what_was_agreed(machine: type[StateMachine], table: str) -> None:
    """A row that is added, changed or lost is seen here."""
    assert declared(machine) == written(table)


@pytest.mark.parametrize(("rows", "row"), ROWS, ids=lambda v: "-".join(v) if isinstance(v, tuple) else "")
def test_row_is_walked(rows: Rows, row: Row) -> None:
    """Each row leads where it says, under its own guard."""
    before, move, to, guard = row
    assert fire(rows, before, move, complete=guard == "complete", touched=guard == "touched") == to


@pytest.mark.parametrize(("machine", "rows"), [(OrderMachine, ORDER_ROWS), (BracketMachine, BRACKET_ROWS)])
def test_table_and_library_agree_everywhere(machine: type[StateMachine], rows: Rows) -> None:
    """Every state, move and guard leads to the same state in both; what one refuses the other refuses."""
    moves = sorted({move for _, move, _, _ in declared(machine)})
    for state, move, complete, touched in product(rows, moves, (False, True), (False, True)):
        flags = {"complete": complete, "touched": touched}
        assert by_table(rows, state, move, **flags) == by_library(machine, state, move, **flags), (state, move)


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
    assert fire(ORDER_ROWS, "pending_amend", "amended", complete=True, touched=True) == "filled"


def test_every_move_and_phase_has_a_published_word() -> None:
    """Each order move has an exec_type; each bracket phase but the first has a move that leads there."""
    moves = {move for _, move, _, _ in declared(OrderMachine)}
    assert moves | {""} == set(EXEC_TYPE_OF_MOVE)
    led = {(move, to) for _, move, to, _ in declared(BracketMachine)}
    assert all((move, phase) in led for phase, move in MOVE_TO.items())
    assert {s.id for s in OrderMachine.states} >= ENDED


def test_rows_are_read_from_the_declaration() -> None:
    """Compiled anew they are the rows that were compiled at import, each guard before what it guards."""
    rows = compile_rows(OrderMachine)
    assert rows == ORDER_ROWS
    assert rows["open"]["trade"] == (("complete", "filled"), ("", "partial"))
    assert rows["settled"] == {}
    assert compile_rows(BracketMachine) == BRACKET_ROWS


def test_guards_do_not_hold_unless_they_are_said_to() -> None:
    """The library asks them with what the event carries: nothing carried, nothing complete."""
    machine = OrderMachine()
    assert (machine.complete(), machine.touched()) == (False, False)
    assert (machine.complete(complete=True), machine.touched(touched=True)) == (True, True)


def test_row_is_taken_without_its_guard_unless_told() -> None:
    """Neither complete nor touched by default; what has no row names itself."""
    assert fire(ORDER_ROWS, "open", "trade") == "partial"
    assert fire(ORDER_ROWS, "pending_amend", "amended") == "open"
    with pytest.raises(OrderInvariantError, match="'fill_out' is not legal in state new"):
        fire(ORDER_ROWS, "new", "fill_out")


class Twofold(StateMachine):
    """A row under two guards."""

    here = State(initial=True)
    there = State(final=True)

    go = here.to(there, cond=["one", "two"])

    def one(self) -> bool:
        return True

    def two(self) -> bool:
        return True


def test_two_guards_of_a_row_are_both_named() -> None:
    """No machine of ours has such a row: it would be refused when it is fired."""
    rows = compile_rows(Twofold)
    assert rows["here"]["go"] == (("one two", "there"),)
    with pytest.raises(KeyError):
        fire(rows, "here", "go")
