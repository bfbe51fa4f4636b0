"""The verb ``init``: the three files that live use needs, explained key by key, and what to do with them."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import platformdirs

import engine
from engine.cli.exits import Exit
from engine.cli.output import Output
from engine.config.settings import APP
from engine.errors import ConfigError
from engine.kraken.key_info import NEEDED, READING

CONFIG_FILE, KEY_FILE, LIMITS_FILE = "kraken.toml", "kraken-key.toml", "limits.toml"
CONFIG_MODE, KEY_MODE = 0o644, 0o600
"""Settings hold no secret; whoever can read a key file can trade."""

_HEAD = """\
# Settings for Kraken itself: real money. Every key stands here with its built-in value, and may be left out.
"""
_KEY_TEXT = """\
# The API key of one Kraken account. Keep this file at mode 0600: the engine refuses it when others can read it.
#
# On Kraken: Settings, API, Create API key. Tick exactly these, and nothing that withdraws:
{needed}
# Leave the nonce window at 0, add this machine to the IP allow list, and use the key for this engine only:
# another program on the same key spoils its nonces.

api_key = ""        # the public key (Kraken: "API key")
api_secret = ""     # the private key, 88 characters that end in == (Kraken shows it once)

# If wanted, a second key of the same account for reads, so that no question ever waits before an order. Tick only:
{reading}

query_key = ""
query_secret = ""

# After a change of key: the private keys of before, so that orders which they placed are still known as ours.

former_secrets = []
"""


def init(directory: Path | None) -> Exit:
    """Write all three files, or none; say what to do next. Raises ConfigError when one is there already."""
    place = (directory or platformdirs.user_config_path(APP, appauthor=False)).expanduser().absolute()
    config, key, limits = place / CONFIG_FILE, place / KEY_FILE, place / LIMITS_FILE
    _make(place)
    there = [str(path) for path in (config, key, limits) if os.path.lexists(path)]
    if there:
        raise ConfigError(f"{' and '.join(there)} already there: nothing is overwritten; choose another --dir")
    _write(key, key_text(), KEY_MODE)
    _write(limits, _explained("limits.toml"), CONFIG_MODE)
    _write(config, config_text(key, place / "data"), CONFIG_MODE)
    Output().text(_next_steps(config, key, limits))
    return Exit.DONE


def key_text() -> str:
    """Return the key file, with the permissions by their names on Kraken's page."""
    needed = "\n".join(f"#   {name}" for name in NEEDED.values())
    return _KEY_TEXT.format(needed=needed, reading="\n".join(f"#   {NEEDED[name]}" for name in READING))


def config_text(key_file: Path, data_dir: Path) -> str:
    """Return config/engine.toml made for Kraken: without the simulated exchange, with a key and a place of its own."""
    text, _, _ = _explained("engine.toml").partition("# The simulated Kraken,")
    for line, instead in (
        (_line(text, "# Settings of the engine."), _HEAD),
        (_line(text, "venue = "), 'venue = "kraken"\n'),
        (_line(text, "# data_dir = "), f"data_dir = {_quoted(data_dir)}\n"),
        (_line(text, "# key_file = "), f"key_file = {_quoted(key_file)}\n"),
    ):
        text = text.replace(line, instead, 1)
    return text.rstrip() + "\n"


def _explained(name: str) -> str:
    """Read a file of config/, from the wheel or from the checkout."""
    packed = resources.files("engine.config").joinpath(name)
    if packed.is_file():
        return packed.read_text(encoding="utf-8")
    return (Path(engine.__file__).parents[1] / "config" / name).read_text(encoding="utf-8")


def _line(text: str, start: str) -> str:
    return next(line for line in text.splitlines(keepends=True) if line.startswith(start))


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _make(place: Path) -> None:
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the directory {place}: {error.strerror}; choose another --dir") from error


def _write(path: Path, text: str, mode: int) -> None:
    """Make a file that was not there, with its mode from the first moment on."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; choose another --dir") from error


def _next_steps(config: Path, key: Path, limits: Path) -> str:
    return (
        f"{config}  settings for Kraken itself, every key explained\n"
        f"{key}  to be filled in (mode 0600)\n"
        f"{limits}  what entries are held to, made for a simulated account: set your own\n"
        "\nNext:\n"
        "  1. Make an API key on Kraken with the permissions that the key file names, and write it there.\n"
        "  2. Look through the settings and the limits. The tier must be that of your account.\n"
        "  3. Start with one signal of the smallest size; the key, the clock and the venue are checked first:\n"
        f"     python -m engine run --config {config} --signals one.jsonl\n"
    )
