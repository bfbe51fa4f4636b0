"""What an object keeps: the sizes of everything that can hold more and more, found by walking from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

_GROWING: Final = (dict, list, set, deque)
_NOT_ITS_OWN: Final = ("engine.sim", "engine.chaos", "engine.seams")
"""Of the world around an engine: disk and exchange remember what they like."""
_LOOKED_INTO: Final = 50
"""So many of a container's members are walked: they are alike."""


def sizes(root: object) -> Iterator[tuple[str, int]]:
    """Yield (where, how many) for each container that this object, and those of ours that it holds, can reach."""
    seen, waiting = {id(root)}, [(type(root).__name__, root)]
    while waiting:
        where, holder = waiting.pop()
        if isinstance(holder, _GROWING):
            yield where, len(holder)
        for name, member in _members(where, holder):
            if id(member) not in seen:
                seen.add(id(member))
                waiting.append((name, member))


def _members(where: str, holder: object) -> Iterator[tuple[str, Any]]:
    if isinstance(holder, (*_GROWING, tuple)):
        inside = list(holder.values() if isinstance(holder, dict) else holder)[:_LOOKED_INTO]
        yield from ((f"{where}[]", one) for one in inside)
        return
    kind = type(holder)
    if not kind.__module__.startswith("engine.") or kind.__module__.startswith(_NOT_ITS_OWN):
        return
    slots = (name for one in kind.__mro__ for name in getattr(one, "__slots__", ()))
    for name in (*getattr(holder, "__dict__", ()), *slots):
        if hasattr(holder, name):
            yield f"{kind.__name__}.{name}", getattr(holder, name)
