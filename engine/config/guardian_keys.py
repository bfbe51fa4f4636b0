"""The guardian's own key, and how it knows whose journal and orders it is to take over."""

from __future__ import annotations

import tomllib
from typing import NamedTuple

from engine.config.credentials import Credentials
from engine.config.key_files import read_private
from engine.config.settings import Settings
from engine.errors import ConfigError
from engine.kraken.settings import Secret

NAMES = ("api_key", "api_secret", "engine_account", "engine_mark")
INTRODUCTION = "`python -m engine guardian --introduce`, run where the engine's key is, prints both"


class GuardianCredentials(NamedTuple):
    """A second key of the engine's account. ``engine_account`` and ``engine_mark`` belong to the engine's own key."""

    credentials: Credentials
    engine_account: str
    engine_mark: bytes


def load_guardian_credentials(settings: Settings) -> GuardianCredentials | None:
    """Read ``guardian.key_file``; None where none is set: the guardian then uses the engine's own key.

    Raises ConfigError, also for a key file that others can read. No message holds any part of a secret.
    """
    path = settings.guardian.key_file
    if path is None:
        return None
    try:
        table = tomllib.loads(read_private(path, guarded=False))
    except tomllib.TOMLDecodeError:
        raise ConfigError(f"{path} is no key file: it needs the lines {', '.join(NAMES)}") from None
    missing = [name for name in NAMES if not isinstance(table.get(name), str) or not table[name].strip()]
    if missing:
        raise ConfigError(f"{path} lacks {' and '.join(missing)}; {INTRODUCTION}")
    try:
        mark = bytes.fromhex(table["engine_mark"].strip())
    except ValueError:
        raise ConfigError(f"{path}: engine_mark is no hexadecimal text; {INTRODUCTION}") from None
    own = Credentials(Secret(table["api_key"].strip()), Secret(table["api_secret"].strip()))
    return GuardianCredentials(own, table["engine_account"].strip(), mark)
