"""The verb ``doctor``: would an engine start here, and would it be safe? Looks at everything, orders nothing."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import trio
from cyclopts import Parameter

from engine.cli.asking import Config, DataDir, Json
from engine.cli.complaints import complain
from engine.cli.doctor.finding import Finding, bad, doubtful, exit_of_all, good
from engine.cli.doctor.journal import look_at_engine, look_at_journal
from engine.cli.doctor.machine import look_at_machine
from engine.cli.doctor.place import look_at_place
from engine.cli.doctor.venue import VenueCheck, alone
from engine.cli.exchanges import adapter, open_apart
from engine.cli.exits import Exit, exit_of
from engine.cli.interrupts import open_interrupts
from engine.cli.output import Output
from engine.config import Settings, load_settings
from engine.control.client import open_client
from engine.errors import ConfigError, JournalBusy, JournalError, VenueError
from engine.runtime.logs import Logs, configure_logs

MARKS = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}


def doctor(
    *,
    offline: Annotated[bool, Parameter(help="Do not ask the venue: machine, settings, disk and journal only.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Look whether an engine would start here, and be safe: machine, settings, disk, journal, venue, keys.

    Orders nothing. Exit code 0 also with warnings; else that of the gravest failure. While an engine runs on the data
    directory its key is not used: a second user would spoil the nonces of the first, and the engine tells how its
    links are.

    Example: python -m engine doctor --config ~/live/kraken.toml
    """
    logs = configure_logs(sys.stderr, level="critical")
    output, found = Output(), look_at_machine()
    try:
        settings = _settings(config, data_dir, found)
        if settings is not None:
            found += look_at_place(settings.directory)
            found += look_at_journal(settings.directory)
            trio.run(partial(_ask, settings, logs, found, offline=offline))
    except Exception as error:
        _tell(output, found, as_json=as_json)
        return complain(error, logs)
    _tell(output, found, as_json=as_json)
    return exit_of_all(found)


def _settings(config: Path | None, data_dir: Path | None, found: list[Finding]) -> Settings | None:
    """Read the settings; None, with a finding for each fault, when they cannot be used."""
    try:
        settings = load_settings(config, {} if data_dir is None else {"data_dir": data_dir})
        limits = settings.engine_settings().limits
    except ConfigError as error:
        found += [bad("settings", line, "mend it there", Exit.USAGE) for line in str(error).splitlines()]
        return None
    found.append(good("settings", f"venue {settings.venue}, data directory {settings.directory}"))
    if limits.judges_nothing:
        found.append(doubtful("limits", "no limit stands at all", "set them in limits.toml beside the settings"))
    else:
        found.append(good("limits", "entries are held to limits; limits shows them"))
    return settings


async def _ask(settings: Settings, logs: Logs, found: list[Finding], *, offline: bool) -> None:
    async with open_interrupts() as stop:
        with stop:
            engine = await _engine(settings.directory)
            found += engine or [good("engine", "none runs on this data directory")]
            if not offline:
                await _venue(settings, logs, found, running=bool(engine))
        if stop.cancelled_caught:
            found.append(bad("doctor", "broken off", "run it again to see the rest"))


async def _engine(directory: Path) -> list[Finding]:
    async with open_client(directory) as client:
        return [] if client is None else await look_at_engine(client)


async def _venue(settings: Settings, logs: Logs, found: list[Finding], *, running: bool) -> None:
    with _place(settings) as place:
        try:
            async with open_apart(settings, place) as kraken:
                venue = adapter(kraken, place, logs.hide)
                check = VenueCheck(kraken, venue, place)
                found += await check.public()
                if any(one.name == "REST" and one.health == "fail" for one in found):
                    return
                if running and settings.venue != "embedded":
                    found.append(good("key", "not asked: the engine that runs uses it"))
                    return
                with alone(settings, venue):
                    found += await check.private()
        except ConfigError as error:
            found += [bad("key", line, "mend it there", Exit.USAGE) for line in str(error).splitlines()]
        except JournalBusy as error:
            found.append(good("key", f"not asked: {error}"))
        except (VenueError, JournalError) as error:
            found.append(bad("venue", str(error), "look at the network and at the settings", exit_of(error)))


@contextmanager
def _place(settings: Settings) -> Iterator[Path]:
    """Give where nonces are kept: the data directory, or, when there is none yet, one that is gone afterwards."""
    if settings.venue != "embedded" and settings.directory.is_dir():
        yield settings.directory
        return
    with tempfile.TemporaryDirectory(prefix="doctor-") as place:
        yield Path(place)


def _tell(output: Output, found: list[Finding], *, as_json: bool) -> None:
    counts = {health: sum(one.health == health for one in found) for health in MARKS}
    if as_json:
        output.json(
            {"ok": not counts["fail"], "failures": counts["fail"], "warnings": counts["warn"], "findings": found}
        )
        return
    width = max(len(one.name) for one in found)
    for one in found:
        output.text(f"{MARKS[one.health]}  {one.name:{width}}  {one.text}\n")
        if one.what_to_do:
            output.text(f"      {'':{width}}  -> {one.what_to_do}\n")
    output.text(f"{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} wrong\n")
