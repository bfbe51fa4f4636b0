"""The board as lines of a terminal, for any width from forty columns and any height from ten lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from rich.text import Text

from engine.control.board import Board, BoardBracket, BoardOrder
from engine.values.money import trimmed

WIDE, MIDDLE = 110, 76
"""Columns from which on more is shown of every row."""
BAR = 8
BAD, GOOD, WORTH_A_LOOK, DIM = "bold red", "green", "yellow", "dim"


class Cell(NamedTuple):
    """A piece of text and how it looks."""

    text: str
    style: str = ""


class Section(NamedTuple):
    """A part of the picture: its first line always shows, of the others as many as there is room for.

    ``least`` lines are kept for it before any other section gets more.
    """

    title: Cell
    lines: list[Text]
    least: int = 2


def draw(board: Board | None, said: str, width: int, height: int, now_ms: int) -> list[Text]:
    """Return at most ``height`` lines of at most ``width`` columns; ``said`` is about a connection that is gone."""
    if board is None:
        return [Text(said or "connecting to the engine …"), Text("q quits", style=DIM)][:height]
    lines = [*_head(board, said, now_ms), *_stops(board)]
    sections = _sections(board, width, now_ms)
    room = height - len(lines) - 1
    for section, count in zip(sections, _shares(sections, room), strict=True):
        if count:
            hidden = len(section.lines) - (count - 1)
            more = f"  ({hidden} more)" if hidden > 0 else ""
            lines.append(Text.assemble(section.title, (more, DIM)))
            lines += section.lines[: count - 1]
    lines = [*lines[: height - 1], Text("q quits", style=DIM)]
    for line in lines:
        line.no_wrap = True
        line.truncate(width, overflow="ellipsis")
    return lines


def _shares(sections: Sequence[Section], room: int) -> list[int]:
    """Give each section its least lines in order, then what is left to those that want more."""
    wants = [1 + len(section.lines) for section in sections]
    shares = []
    for section, want in zip(sections, wants, strict=True):
        share = min(want, section.least, room)
        shares.append(share)
        room -= share
    for place, want in enumerate(wants):
        more = min(want - shares[place], room)
        shares[place] += more
        room -= more
    return shares


def _head(board: Board, said: str, now_ms: int) -> Iterator[Text]:
    engine = board.engine
    state = board.trading.latch.state
    yield Text.assemble(
        (state, GOOD if state == "ACTIVE" else BAD),
        (f"  {engine.venue} {engine.mode}", BAD if engine.mode == "live" else "bold"),
        (f"  {said}" if said else "", BAD),
        f"  up {_age(now_ms - engine.started_ms)}  pid {engine.pid}  version {engine.version}",
    )


def _stops(board: Board) -> Iterator[Text]:
    """What keeps entries back, with its reason: always in sight."""
    latch = board.trading.latch
    for cause in latch.causes:
        yield Text(f"HALT {cause.code}: {cause.reason}", style=BAD)
    for where, why in board.trading.gate.items():
        yield Text(f"ENTRIES KEPT BACK {where}: {why}", style=BAD)


def _sections(board: Board, width: int, now_ms: int) -> list[Section]:
    living = [one for one in board.orders if not one.ended]
    brackets = [one for one in board.brackets if not one.ended]
    bare = [one for one in brackets if Decimal(one.uncovered or 0)]
    unseen = [one for one in board.alarms if not one.acked_ms]
    cover = Cell(f"brackets {len(brackets)}, {len(bare)} not covered", BAD if bare else "bold")
    alarm_style = BAD if any(one.level == "critical" for one in unseen) else WORTH_A_LOOK if unseen else "bold"
    return [
        Section(Cell(f"alarms {len(board.alarms)}", alarm_style), list(_alarms(board, now_ms)), 3),
        Section(cover, list(_brackets(brackets, width, now_ms)), 6),
        Section(Cell(f"orders {len(living)}", "bold"), list(_orders(living, width, now_ms)), 6),
        Section(Cell("positions", "bold"), list(_positions(board, width)), 3),
        Section(Cell("links", "bold"), list(_links(board, width)), 4),
        Section(Cell("budgets", "bold"), list(_budgets(board)), 3),
    ]


def _alarms(board: Board, now_ms: int) -> Iterator[Text]:
    styles = {"critical": BAD, "warning": WORTH_A_LOOK}
    for one in board.alarms:
        seen = ", seen" if one.acked_ms else ""
        age = _age(now_ms - one.first_ms)
        text = f"  {one.level} {one.code} {one.subject} for {age}{seen}: {one.text} -> {one.what_to_do}"
        yield Text(text, style=DIM if one.acked_ms else styles.get(one.level, ""))


def _brackets(found: Iterable[BoardBracket], width: int, now_ms: int) -> Iterator[Text]:
    rows = []
    for one in sorted(found, key=lambda row: (not Decimal(row.uncovered or 0), -row.since_ms)):
        bare = bool(Decimal(one.uncovered or 0))
        row = [
            Cell(one.signal_id[:8]),
            Cell(one.symbol),
            _side(one.side),
            Cell(one.state, BAD if one.state == "naked" else ""),
            Cell(f"{one.held}/{one.order_qty}"),
            Cell(
                f"bare {one.uncovered}" if bare else "covered" if Decimal(one.held or 0) else "-", BAD if bare else GOOD
            ),
        ]
        if width >= MIDDLE:
            row += [Cell(f"stop {one.stop_price or '-'}"), Cell(f"target {one.target_price or '-'}")]
        if width >= WIDE:
            row += [
                Cell(f"won {one.realized}" if one.realized else ""),
                Cell(_age(now_ms - one.since_ms)),
                Cell(one.strategy_id),
            ]
        rows.append(row)
    yield from _table(rows)


def _orders(found: Iterable[BoardOrder], width: int, now_ms: int) -> Iterator[Text]:
    rows = []
    for one in sorted(found, key=lambda row: (not row.doubt, -row.since_ms)):
        price = one.limit_price or one.trigger_price or "market"
        row = [
            Cell(one.cl_ord_id[:8]),
            Cell(one.role),
            Cell(one.symbol),
            _side(one.side),
            Cell(one.state, BAD if one.doubt else ""),
            Cell(_bar(one.cum_qty, one.order_qty)),
        ]
        if width >= MIDDLE:
            row += [Cell(f"{one.cum_qty}/{one.order_qty}"), Cell(f"{one.order_type} {price}")]
        if width >= WIDE:
            row += [Cell(_age(now_ms - one.since_ms) if one.since_ms else "not sent"), Cell(one.reason, WORTH_A_LOOK)]
        rows.append(row)
    yield from _table(rows)


def _positions(board: Board, width: int) -> Iterator[Text]:
    rows = []
    for one in board.money.totals:
        row = [Cell(one.symbol), Cell(trimmed(one.qty)), Cell(f"at {_amount(one.avg_px)}"), _profit(one.unrealized)]
        if width >= MIDDLE:
            row.append(Cell(f"mark {_amount(one.mark_px)}"))
        rows.append(row)
    rows += [[Cell("profit"), Cell(one.quote), Cell("realised"), _profit(one.realized)] for one in board.money.pnl]
    yield from _table(rows)


def _links(board: Board, width: int) -> Iterator[Text]:
    rows = []
    for one in board.health.links:
        late = "" if one.latency_s is None else f"{one.latency_s * 1000:.0f} ms"
        row = [Cell(one.name), Cell(one.state, BAD if one.why else GOOD), Cell(late), Cell(f"{one.rate_in:.0f}/s")]
        if width >= MIDDLE:
            row += [Cell(f"lost {one.disconnects}"), Cell(f"gaps {one.gaps_total}"), Cell(one.why, WORTH_A_LOOK)]
        rows.append(row)
    breaker = board.health.breaker
    rows.append([Cell("breaker"), Cell(breaker.state, GOOD if breaker.state == "closed" else BAD), Cell(""), Cell("")])
    yield from _table(rows)


def _budgets(board: Board) -> Iterator[Text]:
    rows = []
    for one in board.health.counters:
        full = one.threshold and one.level / one.threshold
        rows.append(
            [
                Cell(one.symbol),
                Cell(_filled(full), BAD if full > 0.8 else ""),
                Cell(f"{one.level:.0f}/{one.threshold:.0f} points"),
                Cell(f"{one.open_orders}/{one.most_open_orders} orders"),
                Cell(f"{one.waiting} wait" if one.waiting else "", WORTH_A_LOOK),
            ]
        )
    yield from _table(rows)


def _table(rows: Sequence[Sequence[Cell]]) -> Iterator[Text]:
    """Lay cells out in columns as wide as their widest."""
    if not rows:
        return
    columns = max(len(row) for row in rows)
    widths = [max((len(row[at].text) for row in rows if at < len(row)), default=0) for at in range(columns)]
    for row in rows:
        line = Text("  ")
        for at, cell in enumerate(row):
            line.append(f"{cell.text:{widths[at]}}", style=cell.style)
            line.append(" ")
        line.rstrip()
        yield line


def _side(side: str) -> Cell:
    return Cell(side, GOOD if side == "buy" else "magenta")


def _profit(value: Decimal | None) -> Cell:
    if value is None:
        return Cell("-")
    return Cell(f"{value:+.2f}", GOOD if value >= 0 else BAD)


def _amount(value: Decimal | None) -> str:
    return "-" if value is None else trimmed(round(value, 8))


def _bar(done: str, whole: str) -> str:
    total = Decimal(whole or 0)
    return _filled(float(Decimal(done or 0) / total) if total else 0.0)


def _filled(share: float) -> str:
    full = round(max(0.0, min(1.0, share)) * BAR)
    return "█" * full + "░" * (BAR - full)


def _age(ms: int) -> str:
    seconds = max(0, ms // 1000)
    for size, name in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{name}{seconds % size // (size // 60 if size > 60 else 1):02d}"
    return f"{seconds}s"
