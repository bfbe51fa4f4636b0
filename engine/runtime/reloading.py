"""New limits and pairs while the engine runs: everything is checked first, then it holds at once, or nothing does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec
import structlog
import trio

from engine.errors import ConfigError, VenueError
from engine.risk.limits import Limits
from engine.runtime.services import Services
from engine.runtime.settings import EngineSettings

log = structlog.get_logger()

RELOAD_ROW: Final = "reload"
"""The journal's kind for a Reloaded. It belongs to no signal and to no order."""
CHANGEABLE: Final = ("limits.", "market.pairs", "market.channels")
UNCHANGEABLE: Final = ("limits.currency",)
"""Every other limit is measured in it, and so is what the books have added up: with it nothing else is taken."""


class ReadSettings(msgspec.Struct, frozen=True):
    """What the files say now: for the engine, and every single setting as text by its dotted name. No secrets."""

    engine: EngineSettings
    values: Mapping[str, str]


class SettingsSource(Protocol):
    """Where the settings of this engine came from."""

    @property
    def values(self) -> Mapping[str, str]:
        """Every setting that the engine was started with, as text by its dotted name."""
        ...

    async def read(self) -> ReadSettings:
        """Read everything anew. Raises ConfigError with every fault, and has no effect."""
        ...


class Difference(msgspec.Struct, frozen=True):
    """One setting, as text; empty where it was or is left out."""

    name: str
    before: str
    after: str


class Reloaded(msgspec.Struct, frozen=True):
    """What a reload came to: ``changed`` holds from now on, ``kept`` differs in the files and takes a restart."""

    cause: str
    changed: tuple[Difference, ...]
    kept: tuple[Difference, ...]

    @property
    def words(self) -> str:
        """Put it into a sentence."""
        changed = ", ".join(f"{one.name}: {one.before or '-'} -> {one.after or '-'}" for one in self.changed)
        kept = ", ".join(one.name for one in self.kept)
        return f"{changed or 'nothing changed'}{f'; only after a restart: {kept}' if kept else ''}"


class Reloading:
    """``look`` is called right after a change, so that a loss beyond a lowered limit halts in the same moment."""

    def __init__(self, services: Services, source: SettingsSource | None, look: Callable[[], object]) -> None:
        self._services, self._source, self._look = services, source, look
        self._values = dict(source.values) if source is not None else {}
        self._one_at_a_time = trio.Lock()

    async def reload(self, cause: str) -> Reloaded:
        """Read the files anew and let new limits and pairs hold; durable when it returns.

        Raises ConfigError with every fault, and then nothing has changed. Nothing that rests is cancelled for a lower
        limit, but no entry that breaks it is sent any more; a loss that has reached its new limit halts, as ever.
        """
        if self._source is None:
            raise ConfigError("this engine was not started from files: there is nothing to read anew")
        async with self._one_at_a_time:
            try:
                read = await self._source.read()
                topics = self._checked(read)
            except ConfigError as error:
                self._services.alarms.occurred("RELOAD_REFUSED", "settings", str(error))
                raise
            # from here to the end of _swap nothing waits: every check sees the old limits or the new ones
            reloaded = self._differences(read.values, cause)
            self._journal(reloaded)
            self._swap(read.engine, topics)
            self._values |= {one.name: one.after for one in reloaded.changed}
            await self._services.journal.sync()
        return reloaded

    def _checked(self, read: ReadSettings) -> Callable[[], None]:
        """Refuse what cannot be taken; returns what changes the subscriptions."""
        limits, services = read.engine.limits, self._services
        for name in UNCHANGEABLE:
            before, after = self._values.get(name, ""), read.values.get(name, "")
            if before != after:
                raise ConfigError(f"{name} cannot change while the engine runs ({before} -> {after}): stop it first")
        if services.journal.identity.mode == "live" and limits.judges_nothing:
            raise ConfigError("no limits are set: a live venue is traded on only within limits")
        try:
            return services.market_data.prepared(read.engine.market)
        except VenueError as error:
            raise ConfigError(f"market.pairs: {error}") from error

    def _differences(self, values: Mapping[str, str], cause: str) -> Reloaded:
        names = sorted(name for name in {*values, *self._values} if values.get(name) != self._values.get(name))
        found = [Difference(name, self._values.get(name, ""), values.get(name, "")) for name in names]
        changed = tuple(one for one in found if one.name.startswith(CHANGEABLE))
        return Reloaded(cause, changed, tuple(one for one in found if not one.name.startswith(CHANGEABLE)))

    def _journal(self, reloaded: Reloaded) -> None:
        services = self._services
        services.journal.append(RELOAD_ROW, reloaded, ts_ns=services.clock.now_ns())
        log.warning("settings.reloaded", cause=reloaded.cause, what=reloaded.words)
        services.alarms.occurred("SETTINGS_RELOADED", "settings", reloaded.words)

    def _swap(self, settings: EngineSettings, subscribe: Callable[[], None]) -> None:
        services = self._services
        services.settings = msgspec.structs.replace(services.settings, limits=settings.limits, market=settings.market)
        hold_to(services, settings.limits)
        subscribe()
        self._look()


def hold_to(services: Services, limits: Limits) -> None:
    """Let these limits hold everywhere. Nothing here waits."""
    services.accounts.hold_to(limits)
    services.risk.hold_to(limits)
    services.halt_watch.hold_to(limits)
