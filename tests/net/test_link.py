"""The link's machine, row by row."""

from types import SimpleNamespace

import pytest

from engine.errors import OrderInvariantError
from engine.net.link import COMPLETE, LinkMachine, fire

ROWS = """
disconnected: dial>connecting
connecting: connect>connected lose>reconnecting stop>disconnected
connected: authenticate>authenticated complete>healthy lose>reconnecting stop>disconnected
authenticated: complete>healthy lose>reconnecting stop>disconnected
healthy: degrade>degraded lose>reconnecting sicken>unhealthy stop>disconnected
degraded: lose>reconnecting recover>healthy sicken>unhealthy stop>disconnected
unhealthy: degrade>degraded lose>reconnecting recover>healthy stop>disconnected
reconnecting: dial>connecting stop>disconnected
"""
TABLE = [
    (line.partition(":")[0], *move.split(">"))
    for line in ROWS.strip().splitlines()
    for move in line.partition(":")[2].split()
]
EVENTS = sorted({event for _, event, _ in TABLE})


def test_table_is_the_machine():
    """The rows above are all the rows there are, and every state of the issue has its place."""
    drawn = {(s.id, str(e), t.target.id) for s in LinkMachine.states for t in s.transitions for e in t.events}
    assert drawn == set(TABLE)
    assert [state.id for state in LinkMachine.states] == [
        "disconnected", "connecting", "connected", "authenticated", "healthy", "degraded", "unhealthy", "reconnecting",
    ]  # fmt: skip
    assert {"healthy", "degraded", "unhealthy"} == COMPLETE


@pytest.mark.parametrize(("start", "event", "end"), TABLE)
def test_every_row_is_walked(start, event, end):
    """Each legal move ends where the table says, and the model carries the state."""
    model = SimpleNamespace(state=start)
    assert fire(LinkMachine(model=model), event) == end == model.state


@pytest.mark.parametrize("start", [state.id for state in LinkMachine.states])
def test_other_moves_raise_and_change_nothing(start):
    """What has no row raises, and the state stays."""
    for event in EVENTS:
        if (start, event) in {(s, e) for s, e, _ in TABLE}:
            continue
        model = SimpleNamespace(state=start)
        with pytest.raises(OrderInvariantError, match=event):
            fire(LinkMachine(model=model), event)
        assert model.state == start
