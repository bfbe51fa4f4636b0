"""Work in processes of its own, beside each other. Nothing that runs in the world may come here."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def in_processes(work: Callable[[A], B], items: Sequence[A], workers: int, begin: Callable[[], None]) -> Iterator[B]:
    """Yield ``work(item)`` for each item as it comes; ``begin`` runs first in every process.

    Functions and items must be picklable. Fresh processes: nothing of this one's state is inherited. Leaving the
    iterator early ends them; what ``work`` raises is raised here.
    """
    context = multiprocessing.get_context("spawn")
    chunk = max(1, min(8, len(items) // (workers * 8)))  # few enough that all end at about the same time
    with context.Pool(workers, initializer=begin) as pool:
        yield from pool.imap_unordered(work, items, chunksize=chunk)
