"""The four notations of a diagram, to the letter: they stand in the README, in the wheel and on the board."""

from __future__ import annotations

from statemachine import State, StateMachine

from engine.orders.diagram import Diagram, Edge, diagram_of, dot, mermaid, outline, state_table, table


class Kettle(StateMachine):
    """Small enough to be read: a guard, two guards, two events on one arrow, an end."""

    cold = State(initial=True)
    hot = State()
    gone = State(final=True)

    heat = cold.to(hot, cond=["filled", "plugged"])
    sun = cold.to(hot)
    cool = hot.to(cold, cond="filled")
    pour = hot.to(gone)

    def filled(self) -> bool:
        return True

    def plugged(self) -> bool:
        return True


PLAIN = diagram_of(Kettle)
BACK = [("cold", "sun", "hot"), ("hot", "cool", "cold")]
WALKED = diagram_of(Kettle, BACK)
DONE = diagram_of(Kettle, [("cold", "heat", "hot"), ("hot", "pour", "gone")])


def test_picture_is_all_of_the_machine() -> None:
    """Name, states in the order of a life, first and last state, and every edge with its guards."""
    drawn = diagram_of(Kettle)
    assert drawn == Diagram(
        "Kettle",
        ("cold", "hot", "gone"),
        "cold",
        frozenset({"gone"}),
        (
            Edge("cold", "heat", "filled and plugged", "hot"),
            Edge("cold", "sun", "", "hot"),
            Edge("hot", "cool", "filled", "cold"),
            Edge("hot", "pour", "", "gone"),
        ),
    )


def test_walk_lights_its_states_and_numbers_its_edges() -> None:
    """Only what was walked; the place where it stands is told apart."""
    drawn = diagram_of(Kettle, BACK)
    assert (drawn.name, drawn.initial, drawn.states) == ("Kettle", "cold", ("cold", "hot", "gone"))
    assert (drawn.finals, drawn.walked, drawn.last) == ({"gone"}, {"cold", "hot"}, "cold")
    assert [edge.steps for edge in drawn.edges] == [(), (1,), (2,), ()]
    assert (DONE.walked, DONE.last) == ({"cold", "hot", "gone"}, "gone")


def test_mermaid_to_the_letter() -> None:
    """Events between the same states share an arrow; finals lead out."""
    assert mermaid(PLAIN) == (
        "stateDiagram-v2\n"
        "    [*] --> cold\n"
        "    cold --> hot : heat [filled and plugged], sun\n"
        "    hot --> cold : cool [filled]\n"
        "    hot --> gone : pour\n"
        "    gone --> [*]\n"
    )
    lit = mermaid(WALKED).splitlines()
    assert lit[2:4] == ["    cold --> hot : heat [filled and plugged]", "    cold --> hot : 1 sun"]
    assert lit[-4:] == [
        "    classDef walked fill:#d7f0e0,stroke:#1f6f43,color:#000000",
        "    classDef last fill:#f2b134,stroke:#1f6f43,color:#000000,stroke-width:3px",
        "    class hot walked",
        "    class cold last",
    ]
    assert mermaid(diagram_of(Kettle, [])).splitlines()[-2:] == [lit[-3], "    class cold last"]


def test_dot_to_the_letter() -> None:
    """What Graphviz is given, walked and idle arrows apart."""
    assert dot(WALKED) == (
        "digraph Kettle {\n"
        '  graph [rankdir=TB, nodesep=0.5, ranksep=0.7, fontname="Helvetica"];\n'
        '  node [shape=box, style="rounded,filled", fillcolor="#ffffff", fontname="Helvetica", fontsize=13];\n'
        '  edge [fontname="Helvetica", fontsize=10];\n'
        '  start [shape=circle, style=filled, fillcolor="#000000", label="", width=0.15];\n'
        "  start -> cold;\n"
        '  cold [label="cold", fillcolor="#f2b134", color="#1f6f43", penwidth=3];\n'
        '  hot [label="hot", fillcolor="#d7f0e0", color="#1f6f43", penwidth=2];\n'
        '  gone [label="gone", peripheries=2, color="#8a8f98", fontcolor="#8a8f98"];\n'
        '  cold -> hot [label="heat [filled and plugged]", color="#8a8f98", fontcolor="#8a8f98"];\n'
        '  cold -> hot [label="1 sun", color="#1f6f43", fontcolor="#1f6f43", penwidth=2.5];\n'
        '  hot -> cold [label="2 cool [filled]", color="#1f6f43", fontcolor="#1f6f43", penwidth=2.5];\n'
        '  hot -> gone [label="pour", color="#8a8f98", fontcolor="#8a8f98"];\n'
        "}\n"
    )


def test_dot_of_a_plain_picture_is_dark_and_a_bare_one_has_no_words() -> None:
    """Without an order nothing is pale; bare, the page writes the words itself and stands closer."""
    plain, bare = dot(PLAIN).splitlines(), dot(PLAIN, bare=True).splitlines()
    assert plain[6:9] == ['  cold [label="cold"];', '  hot [label="hot"];', '  gone [label="gone", peripheries=2];']
    assert plain[9] == '  cold -> hot [label="heat [filled and plugged]\\nsun", color="#333333", fontcolor="#333333"];'
    assert bare[1] == '  graph [rankdir=TB, nodesep=0.25, ranksep=0.4, fontname="Helvetica"];'
    assert bare[2].endswith("fontsize=18];")
    assert bare[9] == '  cold -> hot [label="", color="#333333", fontcolor="#333333"];'


def test_table_to_the_letter() -> None:
    """A walk adds a column."""
    assert table(PLAIN) == (
        "| state | event | guard | next state |\n"
        "| --- | --- | --- | --- |\n"
        "| `cold` | `heat` | filled and plugged | `hot` |\n"
        "| `cold` | `sun` |  | `hot` |\n"
        "| `hot` | `cool` | filled | `cold` |\n"
        "| `hot` | `pour` |  | `gone` |\n"
    )
    lit = table(WALKED).splitlines()
    assert lit[:2] == ["| state | event | guard | next state | walked |", "| --- | --- | --- | --- | --- |"]
    assert lit[3] == "| `cold` | `sun` |  | `hot` | 1 |"
    twice = diagram_of(Kettle, [*BACK, *BACK])
    assert table(twice).splitlines()[3].endswith("| 1,3 |")


def test_state_table_to_the_letter() -> None:
    """One line a state; where nothing follows it says so."""
    assert state_table(PLAIN) == (
        "| state | event → next state |\n"
        "| --- | --- |\n"
        "| `cold` | heat [filled and plugged], sun → `hot` |\n"
        "| `hot` | cool [filled] → `cold`; pour → `gone` |\n"
        "| `gone` | end |\n"
    )


def test_outline_to_the_letter() -> None:
    """For a terminal: where it stands, where it was, and what led on, in the order of the steps."""
    assert outline(WALKED) == [
        ("◉", "cold           1 sun → hot", True),
        ("●", "hot            2 cool → cold", True),
        ("○", "gone", False),
    ]
    there = [("cold", "sun", "hot"), ("hot", "cool", "cold"), ("cold", "heat", "hot"), ("hot", "pour", "gone")]
    assert outline(diagram_of(Kettle, there))[:2] == [
        ("●", "cold           1 sun → hot   3 heat → hot", True),
        ("●", "hot            2 cool → cold   4 pour → gone", True),
    ]


def test_step_under_two_guards_is_numbered_once() -> None:
    """The library keeps a row for each guard: the first that fits the step has it."""

    class Door(StateMachine):
        shut = State(initial=True)
        ajar = State(final=True)

        push = shut.to(ajar, cond="oiled") | shut.to(ajar)

        def oiled(self) -> bool:
            return True

    walked = diagram_of(Door, [("shut", "push", "ajar")])
    assert [edge.steps for edge in walked.edges] == [(1,), ()]
