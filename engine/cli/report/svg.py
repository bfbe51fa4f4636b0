"""Plots as SVG, drawn here: no script, no font, no request. Colours come from the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 720, 200
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 26
TICKS = 4
BAR_MOST = 36


def line_chart(points: Sequence[tuple[float, float]], unit: str, span: tuple[float, float], title: str) -> str:
    """Draw steps over the hours of a day; ``points`` are (hour, value) in order."""
    low, high = min([0.0, *(value for _, value in points)]), max([0.0, *(value for _, value in points)])
    high = high if high > low else low + 1
    x, y = _scale(span, (LEFT, WIDTH - RIGHT)), _scale((low, high), (HEIGHT - BOTTOM, TOP))
    path, before = f"M{x(span[0]):.1f},{y(0):.1f}", 0.0
    for hour, value in points:
        path += f"L{x(hour):.1f},{y(before):.1f}L{x(hour):.1f},{y(value):.1f}"
        before = value
    path += f"L{x(span[1]):.1f},{y(before):.1f}"
    return _svg(title, _levels(low, high, y, unit) + _hours(span, x) + f'<path class="line" d="{path}"/>')


def bar_chart(bars: Sequence[tuple[str, float]], unit: str, title: str) -> str:
    """Draw a bar for each value; below zero is better and looks so."""
    values = [value for _, value in bars]
    low, high = min([0.0, *values]), max([0.0, *values])
    high = high if high > low else low + 1
    y, step = _scale((low, high), (HEIGHT - BOTTOM, TOP)), (WIDTH - LEFT - RIGHT) / max(1, len(bars))
    wide = min(BAR_MOST, max(0.5, step * 0.8))
    marks = ""
    for place, (name, value) in enumerate(bars):
        top, size = min(y(value), y(0)), abs(y(value) - y(0))
        kind = "worse" if value > 0 else "better"
        marks += (
            f'<rect class="{kind}" x="{LEFT + (place + 0.5) * step - wide / 2:.1f}" y="{top:.1f}"'
            f' width="{wide:.1f}" height="{max(0.5, size):.1f}">'
            f"<title>{escape(name)}: {value:.2f} {escape(unit)}</title></rect>"
        )
    return _svg(title, _levels(low, high, y, unit) + marks)


def strip_chart(rows: Sequence[tuple[str, Sequence[float]]], unit: str, title: str) -> str:
    """Draw every value as a dot in its row, over a logarithmic axis that all rows share."""
    values = [max(value, 0.001) for _, row in rows for value in row]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = high if high > low else low + 1
    left, pitch = 150, 30
    height = TOP + pitch * len(rows) + BOTTOM
    x = _scale((low, high), (left, WIDTH - RIGHT - 20))
    marks = ""
    for power in range(low, high + 1):
        marks += f'<line class="grid" x1="{x(power):.1f}" x2="{x(power):.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>'
        where = f'text-anchor="middle" x="{x(power):.1f}" y="{height - 8}"'
        marks += f'<text class="label" {where}>{10.0**power:g} {escape(unit)}</text>'
    for place, (name, row) in enumerate(rows):
        middle = TOP + pitch * place + pitch / 2
        marks += f'<text class="label" text-anchor="end" x="{left - 10}" y="{middle + 4:.1f}">{escape(name)}</text>'
        for value in row:
            marks += f'<circle class="dot" r="3" cx="{x(math.log10(max(value, 0.001))):.1f}" cy="{middle:.1f}"/>'
    return _svg(title, marks, height)


class _scale:  # noqa: N801 - a function that remembers two spans
    def __init__(self, given: tuple[float, float], drawn: tuple[float, float]) -> None:
        self._low, self._size = given[0], given[1] - given[0]
        self._begin, self._length = drawn[0], drawn[1] - drawn[0]

    def __call__(self, value: float) -> float:
        return self._begin + (value - self._low) / self._size * self._length


def _levels(low: float, high: float, y: _scale, unit: str) -> str:
    marks = ""
    for place in range(TICKS + 1):
        value = low + (high - low) * place / TICKS
        marks += f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        marks += f'<text class="label" text-anchor="end" x="{LEFT - 6}" y="{y(value) + 4:.1f}">{value:.4g}</text>'
    zero = f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(0):.1f}" y2="{y(0):.1f}"/>'
    return marks + zero + f'<text class="label" x="{LEFT + 4}" y="{TOP + 8}">{escape(unit)}</text>'


def _hours(span: tuple[float, float], x: _scale) -> str:
    step = (span[1] - span[0]) / 6
    marks = ""
    for place in range(7):
        hour = span[0] + place * step
        minutes = round(hour * 60)
        text = f"{minutes // 60:02d}:{minutes % 60:02d}"
        marks += f'<text class="label" text-anchor="middle" x="{x(hour):.1f}" y="{HEIGHT - 8}">{text}</text>'
    return marks


def _svg(title: str, inside: str, height: int = HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}"'
        f' preserveAspectRatio="xMinYMin meet">{inside}</svg>'
    )
