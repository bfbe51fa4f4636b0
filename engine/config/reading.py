"""Reading settings from their layers, and telling every fault with its place."""

from __future__ import annotations

import os
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsError

from engine.config.credentials import CREDENTIAL_NAMES, QUERY_NAMES
from engine.config.settings import PREFIX, Settings
from engine.errors import ConfigError

DEFAULT_FILE = Path("config/engine.toml")


def load_settings(file: Path | None = None, command_line: dict[str, Any] | None = None) -> Settings:
    """Read settings; ``file`` None means config/engine.toml if it is there. ``command_line`` is nested as the model is.

    Raises ConfigError with every fault at once, one a line, each with where it stands and what is permitted.
    """
    chosen = file or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    table = _read_table(chosen) if chosen else {}
    given = command_line or {}

    class Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=table)

    faults = _unknown_names()
    try:
        settings = Layered(**given)
    except ValidationError as error:
        faults += [_spoken(fault, chosen, given) for fault in error.errors(include_url=False)]
    except SettingsError as error:
        faults.append(f"environment: {error}")
    if faults:
        raise ConfigError("\n".join(faults))
    return settings


def _read_table(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not TOML: {error}") from error


def _unknown_names() -> list[str]:
    """The library passes over unknown names at the top level; a misspelt one must not be lost."""
    known = (*Settings.model_fields, *CREDENTIAL_NAMES, *QUERY_NAMES)
    ours = [name for name in sorted(os.environ) if name.upper().startswith(PREFIX)]
    unknown = [name for name in ours if name[len(PREFIX) :].lower().partition("__")[0] not in known]
    return [f"environment: {name}: unknown; {PREFIX}… may be {_names(known)}, and SECTION__KEY" for name in unknown]


def _names(fields: tuple[str, ...]) -> str:
    return ", ".join(name.upper() for name in fields)


def _spoken(fault: Any, file: Path | None, command_line: dict[str, Any]) -> str:
    path = tuple(part for part in fault["loc"] if part != "[key]")
    name = ".".join(str(part + 1 if isinstance(part, int) else part) for part in path)
    variable = PREFIX + "__".join(str(part) for part in path).upper()
    if _reaches(command_line, path):
        where = "command line"
    elif variable in os.environ:
        where = f"environment: {variable}"
    else:
        where = str(file or "built-in settings")
    if fault["type"] == "extra_forbidden":
        hint = (
            " (keys belong into a key file, see kraken.key_file)"
            if path[-1] in (*CREDENTIAL_NAMES, *QUERY_NAMES)
            else ""
        )
        return f"{where}: {name}: unknown key{hint}"
    value = fault.get("input")
    shown = f", is {value}" if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else ""
    return f"{where}: {name}: {fault['msg'][:1].lower()}{fault['msg'][1:]}{_permitted(path)}{shown}"


def _reaches(table: Any, path: tuple[Any, ...]) -> bool:
    for part in path:
        if not isinstance(table, dict) or part not in table:
            return False
        table = table[part]
    return True


def _permitted(path: tuple[Any, ...]) -> str:
    """Name both ends of a number's range, not only the one that was passed."""
    model: Any = Settings
    field = None
    for part in path:
        fields = getattr(model, "model_fields", {})
        if part not in fields:
            return ""
        field = fields[part]
        model = field.annotation
    marks = getattr(field, "metadata", ())
    ends = [
        f"{word} {getattr(mark, end)}"
        for end, word in (("ge", "from"), ("gt", "above"), ("le", "to"))
        for mark in marks
        if hasattr(mark, end)
    ]
    return f" (permitted: {' '.join(ends)})" if ends else ""
