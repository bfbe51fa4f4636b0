"""Reading settings from their layers, and telling every fault with its place."""

from __future__ import annotations

import os
import tomllib
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsError

from engine.config.credentials import CREDENTIAL_NAMES, OPTIONAL_NAMES, WAY_NAMES
from engine.config.settings import PREFIX, Settings
from engine.errors import ConfigError

DEFAULT_FILE = Path("config/engine.toml")
LIMITS_FILE = "limits.toml"
"""Its name beside the settings file."""


def load_settings(file: Path | None = None, command_line: dict[str, Any] | None = None) -> Settings:
    """Read settings; ``file`` None means config/engine.toml if it is there. ``command_line`` is nested as the model is.

    The limits.toml beside the settings file (beside config/engine.toml where none is given) is read with it.

    Raises ConfigError with every fault at once, one a line, each with where it stands and what is permitted.
    """
    chosen = file or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    table = _read_table(chosen) if chosen else {}
    limits = (chosen or DEFAULT_FILE).parent / LIMITS_FILE
    faults = _add_limits(table, limits, chosen) if limits.is_file() else []
    faults += _open_secrets(table, chosen)
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

    faults += _unknown_names()
    try:
        settings = Layered(**given)
    except ValidationError as error:
        where = {"limits": limits} if limits.is_file() else {}
        faults += [
            _spoken(fault, where.get(str(fault["loc"][0]), chosen), given) for fault in error.errors(include_url=False)
        ]
    except SettingsError as error:
        faults.append(f"environment: {error}")
    if faults:
        raise ConfigError("\n".join(faults))
    return settings


def _read_table(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {file}: {error.strerror}; init writes one") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not TOML: {error}") from error


def _open_secrets(table: dict[str, Any], file: Path | None) -> list[str]:
    """A token in a file that others can read opens the door to them."""
    control = table.get("control")
    if file is None or not isinstance(control, dict) or "token" not in control:
        return []
    mode = file.stat().st_mode & 0o777
    if not mode & 0o077:
        return []
    return [f"{file}: control.token: others can read this file (mode {mode:04o}): run chmod 600 {file}"]


def _add_limits(table: dict[str, Any], file: Path, settings_file: Path | None) -> list[str]:
    """Put the limits file's one table into the settings; returns what is wrong with that."""
    given = _read_table(file)
    faults = [
        f"{file}: {name}: unknown key; this file holds the table limits alone" for name in given if name != "limits"
    ]
    if "limits" not in given:
        return [*faults, f"{file}: limits: missing (the table that this file is for)"]
    if "limits" in table:
        return [*faults, f"{settings_file}: limits: stands in {file} too; keep one of them"]
    table["limits"] = given["limits"]
    return faults


def _unknown_names() -> list[str]:
    """The library passes over unknown names at the top level; a misspelt one must not be lost."""
    known = (*Settings.model_fields, *CREDENTIAL_NAMES, *OPTIONAL_NAMES, *WAY_NAMES)
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
            if path[-1] in (*CREDENTIAL_NAMES, *OPTIONAL_NAMES)
            else ""
        )
        return f"{where}: {name}: unknown key{hint}"
    if fault["type"] == "string_pattern_mismatch" and (choices := _described(path)):
        return f"{where}: {name}: must be {choices}"
    value = fault.get("input")
    shown = f", is {value}" if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else ""
    return f"{where}: {name}: {fault['msg'][:1].lower()}{fault['msg'][1:]}{_permitted(path)}{shown}"


def _reaches(table: Any, path: tuple[Any, ...]) -> bool:
    for part in path:
        inside = part in range(len(table)) if isinstance(table, list) else isinstance(table, dict) and part in table
        if not inside:
            return False
        table = table[part]
    return True


def _described(path: tuple[Any, ...]) -> str:
    """Return a setting's own words for what it may be, where a pattern says it badly."""
    kind: Any = Settings
    words = ""
    for part in path:
        model = next((one for one in _kinds(kind) if hasattr(one, "model_fields")), None)
        if model is None or part not in model.model_fields:
            return ""
        kind, words = model.model_fields[part].annotation, model.model_fields[part].description or ""
    return words


def _permitted(path: tuple[Any, ...]) -> str:
    """Name both ends of a number's range, not only the one that was passed."""
    kind: Any = Settings
    marks: list[Any] = []
    for part in path:
        model = next((one for one in _kinds(kind) if hasattr(one, "model_fields")), None)
        if model is not None and part in model.model_fields:
            field = model.model_fields[part]
            kind, marks = field.annotation, [*field.metadata, *_marks(field.annotation)]
            continue
        table = next((one for one in _kinds(kind) if get_origin(one) is dict), None)
        if table is None:
            return ""
        kind = get_args(table)[1]
        marks = _marks(kind)
    ends = [
        f"{word} {getattr(mark, end)}"
        for end, word in (("ge", "from"), ("gt", "above"), ("le", "to"))
        for mark in marks
        if hasattr(mark, end)
    ]
    return f" (permitted: {' '.join(ends)})" if ends else ""


def _kinds(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the one type; without their marks."""
    members = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    return tuple(get_args(one)[0] if get_origin(one) is Annotated else one for one in members)


def _marks(kind: Any) -> list[Any]:
    """Return the ranges written on a type or on a member of a union."""
    members = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    written = [mark for one in members if get_origin(one) is Annotated for mark in get_args(one)[1:]]
    return [found for mark in written for found in getattr(mark, "metadata", [mark])]
