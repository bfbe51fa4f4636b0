"""Where alarms go: addresses that hold secrets, read as keys are."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import NamedTuple

from engine.config.credentials import WAY_NAMES
from engine.config.key_files import read_private
from engine.config.settings import PREFIX, Settings
from engine.errors import ConfigError
from engine.kraken.settings import Secret


class AlarmWays(NamedTuple):
    """A webhook's address, and addresses that apprise knows (``tgram://…``, ``slack://…``, ``mailtos://…``)."""

    webhook: Secret | None = None
    notify: tuple[Secret, ...] = ()


def load_alarm_ways(settings: Settings) -> AlarmWays:
    """Read ENGINE_WEBHOOK_URL and ENGINE_NOTIFY_URLS, else $CREDENTIALS_DIRECTORY, else ``alarms.ways_file``.

    Addresses for apprise are separated by white space. Raises ConfigError, also for a file that others can read.
    """
    found = {name: os.environ.get(PREFIX + name.upper(), "").strip() for name in WAY_NAMES}
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not any(found.values()) and directory:
        places = {name: Path(directory) / name for name in WAY_NAMES}
        found = {name: read_private(place, guarded=True) for name, place in places.items() if place.is_file()}
    if not any(found.values()) and settings.alarms.ways_file is not None:
        found = _read_ways(settings.alarms.ways_file)
    webhook, notify = (found.get(name, "").strip() for name in WAY_NAMES)
    return AlarmWays(Secret(webhook) if webhook else None, tuple(Secret(one) for one in notify.split()))


def _read_ways(path: Path) -> dict[str, str]:
    try:
        table = tomllib.loads(read_private(path, guarded=False))
    except tomllib.TOMLDecodeError:
        raise ConfigError(f'{path} is no file of ways: it needs webhook_url = "…" or notify_urls = ["…"]') from None
    unknown = sorted(table.keys() - set(WAY_NAMES))
    if unknown:
        raise ConfigError(f"{path}: {', '.join(unknown)}: unknown key; it may hold {' and '.join(WAY_NAMES)}")
    return {name: " ".join(value) if isinstance(value, list) else str(value) for name, value in table.items()}
