"""The exchange's API keys, and what a data directory keeps of them: one per account, and how often it was started."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.seams.chance import Chance
from engine.sim.ids import draw_credentials
from engine.sim.keys import ApiKey
from engine.sim.settings import SimSettings

FILE = "exchange-identity.json"


@dataclass(frozen=True, slots=True)
class Identity:
    """Goes into SimSettings as api_key, api_secret and boot; ``others`` are the keys of further accounts by name."""

    api_key: str
    api_secret: str
    boot: int
    others: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Identity(api_key={self.api_key!r}, api_secret='***', boot={self.boot})"


def make_keys(settings: SimSettings, chance: Chance) -> list[ApiKey]:
    """Make every account's first key, the default account's as given, and the further ones."""
    keys: list[ApiKey] = []
    for name in settings.accounts:
        terms = settings.terms_of(name)
        pair = terms.key or draw_credentials(chance, name)
        if not keys:
            pair = settings.api_key or pair[0], settings.api_secret or pair[1]
        permissions = settings.permissions if terms.permissions is None else terms.permissions
        keys.append(ApiKey(name, name, pair, permissions, settings))
    for spec in settings.more_keys:
        drawn = draw_credentials(chance, f"key/{spec.name}")
        pair = spec.api_key or drawn[0], spec.api_secret or drawn[1]
        keys.append(ApiKey(spec.name, spec.account, pair, spec.permissions, settings))
    return keys


def load_or_make_identity(directory: Path, chance: Chance, others: Sequence[str] = ()) -> Identity:
    """Return the directory's identity with the boot counter raised by one, and store it (0600) before returning.

    Keys are drawn from ``chance`` the first time that an account is named; ``others`` are the accounts beside the
    default one. Raises OSError, and ValueError for a damaged file.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / FILE
    kept = _read(path) if path.exists() else Identity(*draw_credentials(chance, "client"), boot=0)
    fresh = {name: draw_credentials(chance, name) for name in others if name not in kept.others}
    identity = Identity(kept.api_key, kept.api_secret, kept.boot + 1, {**kept.others, **fresh})
    _write(path, identity)
    return identity


def _read(path: Path) -> Identity:
    try:
        kept = json.loads(path.read_bytes())
        others = {str(name): (str(key), str(secret)) for name, (key, secret) in kept.get("others", {}).items()}
        return Identity(str(kept["api_key"]), str(kept["api_secret"]), int(kept["boot"]), others)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged: {error!r}") from error


def _write(path: Path, identity: Identity) -> None:
    """Replace the file in one step, so that a crash leaves the old or the new one."""
    fresh = path.with_suffix(".new")
    row = {
        "api_key": identity.api_key,
        "api_secret": identity.api_secret,
        "boot": identity.boot,
        "others": {name: list(pair) for name, pair in identity.others.items()},
    }
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
