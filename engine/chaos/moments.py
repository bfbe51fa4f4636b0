"""The moments of an order's life at which trouble tells most: whoever wants to strike there waits for one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

import trio

ASKED, CHANGED = "asked", "changed"
"""A request row is written and its bytes are still to go: of a new order, of an amend or cancel."""
PLACED, PART, FILLED, CANCELED = "placed", "part", "filled", "canceled"
"""The exchange has taken an order, has filled a part of it, all of it, has taken it off."""
MOMENTS: Final = (ASKED, CHANGED, PLACED, PART, FILLED, CANCELED)


class _Waiter(NamedTuple):
    of: Collection[str]
    roles: Collection[str]
    woken: trio.Event
    names: list[str]


class Moments:
    """Wakes who waits. Nothing is kept: what came before somebody waited is no moment for him."""

    def __init__(self) -> None:
        self._waiting: list[_Waiter] = []

    def came(self, moment: str, role: str, cl_ord_id: str) -> None:
        """Tell that one of our orders has come to a moment."""
        for waiter in self._waiting:
            if moment in waiter.of and (role in waiter.roles or not waiter.roles) and not waiter.names:
                waiter.names.append(cl_ord_id)
                waiter.woken.set()

    async def next(self, *of: str, roles: Collection[str] = ()) -> str:
        """Wait for the next of these moments of an order of these roles (none: of any); return its cl_ord_id."""
        waiter = _Waiter(of, roles, trio.Event(), [])
        self._waiting.append(waiter)
        try:
            await waiter.woken.wait()
        finally:
            self._waiting.remove(waiter)
        return waiter.names[0]
