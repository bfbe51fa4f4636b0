"""Pictures of a machine, drawn from the library's own states and transitions, with the way one order walked lit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from statemachine import StateMachine

Walk = Sequence[tuple[str, str, str]]
"""(from, move, to) of every step, as Order and Bracket keep it."""

_WALKED, _LAST, _IDLE = "#1f6f43", "#f2b134", "#8a8f98"
_PALE = "#d7f0e0"


@dataclass(frozen=True)
class Edge:
    """One transition. ``steps`` are the places in the walk at which it was taken, from 1."""

    source: str
    event: str
    guard: str
    target: str
    steps: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """The numbers of its steps, its event, and its guard in brackets."""
        numbers = ",".join(map(str, self.steps))
        return " ".join(part for part in (numbers, self.event, f"[{self.guard}]" if self.guard else "") if part)


@dataclass(frozen=True)
class Diagram:
    """A machine as drawn. ``walked`` are the states the order was in, ``last`` where it stands."""

    name: str
    states: tuple[str, ...]
    initial: str
    finals: frozenset[str]
    edges: tuple[Edge, ...]
    walked: frozenset[str] = frozenset()
    last: str = ""

    def arrows(self) -> dict[tuple[str, str, bool], list[Edge]]:
        """Group edges into arrows: those between the same states share one, walked and idle ones apart."""
        arrows: dict[tuple[str, str, bool], list[Edge]] = {}
        for edge in self.edges:
            arrows.setdefault((edge.source, edge.target, bool(edge.steps)), []).append(edge)
        return arrows


def diagram_of(machine: type[StateMachine], walk: Walk | None = None) -> Diagram:
    """Extract a machine's picture; ``walk`` lights what was walked (an empty one lights the initial state)."""
    states = tuple(state.id for state in machine.states)
    initial = next(state.id for state in machine.states if state.initial)
    finals = frozenset(state.id for state in machine.states if state.final)
    steps = list(enumerate(walk or (), start=1))
    edges: list[Edge] = []
    taken: set[int] = set()
    for state in machine.states:
        for transition in state.transitions:
            guard = " and ".join(str(condition) for condition in transition.cond)
            for event in transition.events:
                edge = (state.id, str(event), transition.target.id)
                here = tuple(number for number, step in steps if tuple(step) == edge and number not in taken)
                taken.update(here)
                edges.append(Edge(edge[0], edge[1], guard, edge[2], here))
    if walk is None:
        return Diagram(machine.__name__, states, initial, finals, tuple(edges))
    walked = frozenset({initial, *(state for source, _, target in walk for state in (source, target))})
    return Diagram(machine.__name__, states, initial, finals, tuple(edges), walked, walk[-1][2] if walk else initial)


def mermaid(diagram: Diagram) -> str:
    """Draw as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {diagram.initial}"]
    for (source, target, _), edges in diagram.arrows().items():
        lines.append(f"    {source} --> {target} : {', '.join(edge.label for edge in edges)}")
    lines += [f"    {state} --> [*]" for state in diagram.states if state in diagram.finals]
    before = [state for state in diagram.states if state in diagram.walked and state != diagram.last]
    if diagram.last:
        lines.append(f"    classDef walked fill:{_PALE},stroke:{_WALKED},color:#000000")
        lines.append(f"    classDef last fill:{_LAST},stroke:{_WALKED},color:#000000,stroke-width:3px")
        lines += [f"    class {','.join(before)} walked"] if before else []
        lines.append(f"    class {diagram.last} last")
    return "\n".join(lines) + "\n"


def dot(diagram: Diagram, *, bare: bool = False) -> str:
    """Draw in Graphviz' language; ``bare`` has no words beside its arrows, for a page that writes them."""
    near, size = ("nodesep=0.25, ranksep=0.4", 18) if bare else ("nodesep=0.5, ranksep=0.7", 13)
    lines = [
        f"digraph {diagram.name} {{",
        f'  graph [rankdir=TB, {near}, fontname="Helvetica"];',
        f'  node [shape=box, style="rounded,filled", fillcolor="#ffffff", fontname="Helvetica", fontsize={size}];',
        '  edge [fontname="Helvetica", fontsize=10];',
        '  start [shape=circle, style=filled, fillcolor="#000000", label="", width=0.15];',
        f"  start -> {diagram.initial};",
    ]
    lines += [f"  {state} [{_node(diagram, state)}];" for state in diagram.states]
    for (source, target, walked), edges in diagram.arrows().items():
        label = "" if bare else "\\n".join(edge.label for edge in edges)
        idle = _IDLE if diagram.last else "#333333"
        look = (
            f'color="{_WALKED}", fontcolor="{_WALKED}", penwidth=2.5'
            if walked
            else f'color="{idle}", fontcolor="{idle}"'
        )
        lines.append(f'  {source} -> {target} [label="{label}", {look}];')
    return "\n".join([*lines, "}"]) + "\n"


def _node(diagram: Diagram, state: str) -> str:
    look = [f'label="{state}"']
    if state in diagram.finals:
        look.append("peripheries=2")
    if state == diagram.last:
        look.append(f'fillcolor="{_LAST}", color="{_WALKED}", penwidth=3')
    elif state in diagram.walked:
        look.append(f'fillcolor="{_PALE}", color="{_WALKED}", penwidth=2')
    elif diagram.last:
        look.append(f'color="{_IDLE}", fontcolor="{_IDLE}"')
    return ", ".join(look)


def table(diagram: Diagram) -> str:
    """Write every transition as a Markdown table, in the order of a life; walked steps in a column of their own."""
    lit = bool(diagram.last)
    heads = ["state", "event", "guard", "next state", *(["walked"] if lit else [])]
    lines = [_row(heads), _row(["---"] * len(heads))]
    for edge in diagram.edges:
        cells = [f"`{edge.source}`", f"`{edge.event}`", edge.guard, f"`{edge.target}`"]
        lines.append(_row([*cells, *([",".join(map(str, edge.steps))] if lit else [])]))
    return "\n".join(lines) + "\n"


def state_table(diagram: Diagram) -> str:
    """Write a Markdown table with a line for each state: what may happen in it [guard] and where that leads."""
    lines = [_row(["state", "event → next state"]), _row(["---", "---"])]
    for state in diagram.states:
        ways: dict[str, list[str]] = {}
        for edge in diagram.edges:
            if edge.source == state:
                ways.setdefault(edge.target, []).append(edge.label)
        said = "; ".join(f"{', '.join(labels)} → `{target}`" for target, labels in ways.items())
        lines.append(_row([f"`{state}`", said or "end"]))
    return "\n".join(lines) + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def outline(diagram: Diagram) -> list[tuple[str, str, bool]]:
    """List (mark, text, lit) of every state for a terminal: the walked ones with the steps that left them."""
    rows: list[tuple[str, str, bool]] = []
    for state in diagram.states:
        left = sorted((edge for edge in diagram.edges if edge.source == state and edge.steps), key=lambda e: e.steps)
        text = "   ".join(f"{','.join(map(str, edge.steps))} {edge.event} → {edge.target}" for edge in left)
        mark = "◉" if state == diagram.last else "●" if state in diagram.walked else "○"
        rows.append((mark, f"{state:15}{text}".rstrip(), state in diagram.walked))
    return rows
