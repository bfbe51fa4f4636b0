"""Where keys are read from: the environment, a credentials directory or a file that only its owner can read."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

from engine.config.credentials import CREDENTIAL_NAMES, FORMER_NAME, OPTIONAL_NAMES, Credentials
from engine.config.settings import PREFIX, Settings
from engine.errors import ConfigError
from engine.kraken.settings import Secret


def load_credentials(settings: Settings) -> Credentials:
    """Read ENGINE_API_KEY and so on, else $CREDENTIALS_DIRECTORY, else ``kraken.key_file``.

    Raises ConfigError, also for a key file that others can read. No message holds any part of a secret.
    """
    names = (*CREDENTIAL_NAMES, *OPTIONAL_NAMES)
    found = {name: os.environ.get(PREFIX + name.upper(), "").strip() for name in names}
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not any(found.values()) and directory and (Path(directory) / CREDENTIAL_NAMES[0]).is_file():
        found = _read_directory(Path(directory))
    if not any(found.values()) and settings.kraken.key_file is not None:
        found = _read_key_file(settings.kraken.key_file)
    if not all(found.get(name) for name in CREDENTIAL_NAMES):
        raise ConfigError(
            f'venue = "{settings.venue}" needs an API key: set kraken.key_file to a file (mode 0600) with the lines'
            ' api_key = "…" and api_secret = "…", or set ENGINE_API_KEY and ENGINE_API_SECRET;'
            " `python -m engine init` writes both files"
        )
    return Credentials(
        Secret(found["api_key"]),
        Secret(found["api_secret"]),
        query_key=_given(found.get("query_key")),
        query_secret=_given(found.get("query_secret")),
        former_secrets=tuple(Secret(text) for text in found.get(FORMER_NAME, "").replace(",", " ").split()),
    )


def _given(text: str | None) -> Secret | None:
    return Secret(text) if text else None


def _read_directory(directory: Path) -> dict[str, str]:
    names = [*CREDENTIAL_NAMES, *(name for name in OPTIONAL_NAMES if (directory / name).is_file())]
    return {name: read_private(directory / name, guarded=True).strip() for name in names}


def _read_key_file(path: Path) -> dict[str, str]:
    text = read_private(path, guarded=False)
    try:
        table = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except ValueError:
        raise ConfigError(f'{path} is no key file: it needs the lines api_key = "…" and api_secret = "…"') from None
    missing = [name for name in CREDENTIAL_NAMES if not isinstance(table.get(name), str)]
    if missing:
        raise ConfigError(f"{path} lacks {' and '.join(missing)}")
    empty = [name for name in CREDENTIAL_NAMES if not table[name].strip()]
    if empty:
        raise ConfigError(f"{path}: {' and '.join(empty)} still to be filled in, from Kraken's API page")
    return {name: _line(table[name]) for name in (*CREDENTIAL_NAMES, *OPTIONAL_NAMES) if name in table}


def _line(value: object) -> str:
    return ",".join(str(one) for one in value) if isinstance(value, list) else str(value).strip()


def read_private(path: Path, *, guarded: bool) -> str:
    """Read a secret. ``guarded``: whoever made the directory (systemd) answers for its modes."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'not text'}") from None
    if not guarded and mode & 0o077:
        raise ConfigError(f"others can read {path} (mode {mode & 0o777:04o}): run chmod 600 {path}")
    return text
