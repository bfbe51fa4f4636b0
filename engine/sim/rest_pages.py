"""What the endpoints that page through history share: time bounds, offsets, pages of fifty (protocol section 1.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from engine.sim.errors import invalid
from engine.sim.numbers import NS, amount
from engine.sim.rest_params import Params, names, optional_text, truth, whole

PAGE = 50
_MOST_SKIPPED = 10_000_000
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time: after ``start_ns``, up to and with ``end_ns``; None is no bound."""

    start_ns: int | None
    end_ns: int | None

    def __bool__(self) -> bool:
        return self.start_ns is not None or self.end_ns is not None

    def holds(self, at_ns: int) -> bool:
        """Tell whether a moment is within."""
        return (self.start_ns is None or at_ns > self.start_ns) and (self.end_ns is None or at_ns <= self.end_ns)


def span(params: Params, time_of: Callable[[str], int | None]) -> Span:
    """Read ``start`` and ``end``: epoch seconds, or the id of something whose time is meant. Raises Refused."""
    return Span(*(_moment(params, name, time_of) for name in ("start", "end")))


def _moment(params: Params, name: str, time_of: Callable[[str], int | None]) -> int | None:
    value = optional_text(params, name)
    if value is None:
        return None
    known = time_of(value)
    if known is not None:
        return known
    try:
        return int(amount(value) * NS)
    except ValueError:
        raise invalid(name) from None


def paged(params: Params, rows: Iterable[Row], count: int | None = None) -> tuple[list[Row], dict[str, object]]:
    """Cut the page at ``ofs`` out of rows, newest first; return it and the ``count`` member beside it.

    ``count`` is how many rows there are, where that is known without going through them. Raises Refused.
    """
    offset, counted = whole(params, "ofs", 0, _MOST_SKIPPED, least=0), not truth(params, "without_count")
    if counted and count is None:
        rows = list(rows)
        count = len(rows)
    page = list(islice(rows, offset, offset + PAGE))
    return page, {"count": count} if counted else {}


def ids(params: Params, name: str, most: int) -> list[str]:
    """Read a comma list of 1 to ``most`` ids, each once. Raises Refused."""
    found = list(dict.fromkeys(names(params, name)))
    if not 1 <= len(found) <= most:
        raise invalid(name)
    return found
