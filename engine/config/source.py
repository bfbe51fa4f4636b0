"""The settings files of a running engine, to be read anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from engine.config.limits_section import LimitsSection
from engine.config.settings import Settings
from engine.runtime.reloading import ReadSettings
from engine.seams.threads import run_aside


class SettingsFiles:
    """``load`` reads files, environment and the command line of this process once more, as at its start."""

    def __init__(self, settings: Settings, load: Callable[[], Settings]) -> None:
        self._load = load
        self.values: Mapping[str, str] = dict(flat(settings))

    async def read(self) -> ReadSettings:
        """Read and check everything beside the loop, which it would hold up for tens of milliseconds."""
        settings = await run_aside(self._load)
        return ReadSettings(settings.engine_settings(), dict(flat(settings)))


def flat(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield every setting by its dotted name, as text; what is left out has none. Secrets are stars."""
    tables = settings.model_dump()
    tables["limits"] = (settings.limits or LimitsSection()).model_dump()
    yield from _named("", tables)


def _named(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _named(f"{place}.{name}" if place else str(name), inner)
    elif value is not None:
        yield place, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_text(one) for one in value) + "]"
    return str(value)
