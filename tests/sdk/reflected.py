"""The public names of python-kraken-sdk, read from the package itself, and a proxy that notes which were used."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import kraken.spot


def public_methods() -> set[str]:
    """Return every public method and property that a class of ``kraken.spot`` adds, as ``Class.member``."""
    found = set()
    for name, cls in inspect.getmembers(kraken.spot, inspect.isclass):
        above = {member for base in _bases(name, cls) for member in vars(base)}
        own = {member for base in cls.__mro__ if base.__name__.startswith(name) for member in vars(base)}
        found |= {f"{name}.{member}" for member in own - above if not member.startswith("_") and _calls(cls, member)}
    return found


def _bases(name: str, cls: type) -> list[type]:
    """Return the bases that have an entry of their own; ``SpotWSClientBase`` is a part of ``SpotWSClient``."""
    return [base for base in cls.__mro__ if not base.__name__.startswith(name)]


def _calls(cls: type, member: str) -> bool:
    return callable(getattr(cls, member)) or isinstance(inspect.getattr_static(cls, member), property)


class Noted:
    """A client of the SDK; what is taken from it is noted as ``Class.name``."""

    used: ClassVar[set[str]] = set()

    def __init__(self, client: Any, name: str = "") -> None:
        self._client, self._name = client, name or type(client).__name__

    def __getattr__(self, member: str) -> Any:
        Noted.used.add(f"{self._name}.{member}")
        return getattr(self._client, member)
