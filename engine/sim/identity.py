"""The exchange's API keys, and what a data directory keeps of them: the first key and how often it was started."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from engine.seams.chance import Chance
from engine.sim.ids import draw_credentials
from engine.sim.keys import ApiKey
from engine.sim.settings import SimSettings

FILE = "exchange-identity.json"


@dataclass(frozen=True, slots=True)
class Identity:
    """Goes into SimSettings as api_key, api_secret and boot."""

    api_key: str
    api_secret: str
    boot: int

    def __repr__(self) -> str:
        return f"Identity(api_key={self.api_key!r}, api_secret='***', boot={self.boot})"


def make_keys(settings: SimSettings, chance: Chance) -> list[ApiKey]:
    """Make every account's first key, the default account's as given, and the further ones."""
    keys: list[ApiKey] = []
    for name in settings.accounts:
        pair = draw_credentials(chance, name)
        if not keys:
            pair = settings.api_key or pair[0], settings.api_secret or pair[1]
        keys.append(ApiKey(name, name, pair, settings.permissions, settings))
    for spec in settings.more_keys:
        drawn = draw_credentials(chance, f"key/{spec.name}")
        pair = spec.api_key or drawn[0], spec.api_secret or drawn[1]
        keys.append(ApiKey(spec.name, spec.account, pair, spec.permissions, settings))
    return keys


def load_or_make_identity(directory: Path, chance: Chance) -> Identity:
    """Return the directory's identity with the boot counter raised by one, and store it (0600) before returning.

    The key is drawn from ``chance`` the first time. Raises OSError, and ValueError for a damaged file.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / FILE
    if path.exists():
        kept = _read(path)
        identity = Identity(kept.api_key, kept.api_secret, kept.boot + 1)
    else:
        identity = Identity(*draw_credentials(chance, "client"), boot=1)
    _write(path, identity)
    return identity


def _read(path: Path) -> Identity:
    try:
        kept = json.loads(path.read_bytes())
        return Identity(str(kept["api_key"]), str(kept["api_secret"]), int(kept["boot"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error!r}") from error


def _write(path: Path, identity: Identity) -> None:
    """Replace the file in one step, so that a crash leaves the old or the new one."""
    fresh = path.with_suffix(".new")
    row = {"api_key": identity.api_key, "api_secret": identity.api_secret, "boot": identity.boot}
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(row, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
