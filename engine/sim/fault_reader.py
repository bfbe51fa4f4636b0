"""Reads faults from a TOML file or a JSON body, and tells everything that is wrong with them at once.

seed = 7                      # of what happens by chance; else the exchange's

[[fault]]
kind = "lose_answer"          # every kind and its members: python -m engine exchange --faults-help
method = "add_order"          # REST endpoint or WebSocket method, or a list of them; * is every one
symbol = "BTC/USD"
nth = 2                       # the second that it meets; or at_s, or probability, or all of them
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import msgspec

from engine.sim.fault_kinds import KINDS, PAIR_MODES, Kind, Member, seconds, text, whole
from engine.sim.fault_names import FaultNames
from engine.sim.fault_plan import Fault, FaultPlan
from engine.sim.faults import EVERY, Transport

_TRANSPORTS = get_args(Transport)
_COMMON = ("kind", "name", "nth", "at_s", "for_s", "probability", "seed", "times", "symbol")
_TARGET_MEMBERS = {"request": ("method", "transport"), "frame": ("channel",), "venue": ("method", "transport")}
_MOST_ROWS = 1000


def read_faults(path: Path, names: FaultNames) -> FaultPlan:
    """Read a file. Raises OSError, and ValueError as ``parse_faults``."""
    try:
        return parse_faults(path.read_text(encoding="utf-8"), names)
    except UnicodeDecodeError as error:
        raise ValueError(f"not text: {error.reason}") from error


def parse_faults(source: str, names: FaultNames) -> FaultPlan:
    """Read TOML. Raises one ValueError that lists every mistake, a line each: ``fault[2].kind: ...``."""
    try:
        table = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not TOML: {error}") from error
    return plan_of(table, names)


def parse_json(body: bytes, names: FaultNames) -> FaultPlan:
    """Read a body: one fault, or what the file has, ``{"seed": ..., "fault": [...]}``. Raises as ``parse_faults``."""
    try:
        table = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(table, dict):
        raise ValueError("must be an object")
    return plan_of(table if "fault" in table else {"fault": [table]}, names)


def plan_of(table: Mapping[str, Any], names: FaultNames) -> FaultPlan:
    """Build the plan of a table. Raises as ``parse_faults``."""
    mistakes = [f"{name}: unknown" for name in table if name not in ("seed", "fault")]
    seed = table.get("seed")
    if seed is not None and not _is_seed(seed):
        mistakes.append("seed: must be a whole number or a text")
    rows = table.get("fault", [])
    if not isinstance(rows, list) or not 1 <= len(rows) <= _MOST_ROWS:
        mistakes.append(f"fault: from 1 to {_MOST_ROWS} [[fault]] are needed")
        rows = []
    faults = [_Row(f"fault[{number}]", row, names, mistakes).read() for number, row in enumerate(rows, 1)]
    if mistakes:
        raise ValueError("\n".join(mistakes))
    return FaultPlan(tuple(fault for fault in faults if fault is not None), seed)


def _is_seed(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


class _Row:
    """Reads one fault and notes every mistake in it."""

    def __init__(self, path: str, row: object, names: FaultNames, mistakes: list[str]) -> None:
        self._path, self._names, self._mistakes = path, names, mistakes
        self._row: Mapping[str, Any] = row if isinstance(row, dict) else {}
        self._is_table = isinstance(row, dict)
        if not self._is_table:
            self._note("", "must be a table")

    def _note(self, member: str, what: str) -> None:
        self._mistakes.append(f"{self._path}{'.' if member else ''}{member}: {what}")

    def read(self) -> Fault | None:
        """Return the fault; None when its kind is not known, for then nothing else can be judged."""
        if not self._is_table:
            return None
        kind = KINDS.get(self._row["kind"]) if isinstance(self._row.get("kind"), str) else None
        if kind is None:
            self._note("kind", f"must be one of {', '.join(KINDS)}")
            return None
        allowed = (*_COMMON, *_TARGET_MEMBERS[kind.target], *kind.members)
        for name in self._row:
            if name not in allowed:
                self._note(name, f"unknown; {kind.name} has {', '.join(allowed)}")
        values = {name: self._value(name, member) for name, member in kind.members.items()}
        self._check_account(values)
        fault = self._fault(kind, values)
        if values.get("mode") in PAIR_MODES and fault.symbol == (EVERY,):
            self._note("mode", f"{values['mode']} is a mode of a pair: name it by symbol")
        self._check_time(fault)
        return fault

    def _fault(self, kind: Kind, values: dict[str, Any]) -> Fault:
        nth, probability = self._value("nth", whole(1, 10**9, None)), self._probability()
        met = any(name in self._row for name in (*_TARGET_MEMBERS[kind.target], "nth", "probability"))
        timed = kind.target == "venue" and not met
        if nth is None and probability is None and not timed and "at_s" not in self._row:
            nth = 1
        seed = self._row.get("seed")
        if seed is not None and not _is_seed(seed):
            self._note("seed", "must be a whole number or a text")
        return Fault(
            kind=kind,
            values=MappingProxyType(values),
            name=self._value("name", text("")),
            method=self._listed("method", self._names.methods),
            channel=self._channels(kind),
            symbol=self._listed("symbol", self._names.symbols),
            transport=self._transport(),
            timed=timed,
            nth=nth,
            at_s=self._value("at_s", seconds(0.0)),
            for_s=self._value("for_s", seconds(math.inf)),
            probability=probability,
            seed=seed,
            times=self._value("times", whole(1, 10**9, None)),
        )

    def _value(self, name: str, member: Member) -> Any:
        if name not in self._row:
            return member.default
        try:
            return member.read(self._row[name])
        except ValueError:
            self._note(name, f"must be {member.permitted}")
            return member.default

    def _probability(self) -> float | None:
        value = self._row.get("probability")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or not 0 < value <= 1:
            self._note("probability", "must be above 0 and at most 1")
            return None
        return float(value)

    def _listed(self, name: str, known: tuple[str, ...]) -> tuple[str, ...]:
        given = self._row.get(name, EVERY)
        rows = given if isinstance(given, list) else [given]
        wrong = [row for row in rows if row != EVERY and row not in known]
        if wrong or not rows:
            shown = f"{str(wrong[0])[:60]!r} is none; " if wrong else ""
            self._note(name, f"{shown}must be {EVERY} or of {', '.join(known)}")
            return (EVERY,)
        return tuple(rows)

    def _channels(self, kind: Kind) -> tuple[str, ...]:
        given = self._listed("channel", self._names.channels)
        if not kind.channels:
            return given
        if "channel" in self._row and not set(given) <= {EVERY, *kind.channels}:
            self._note("channel", f"{kind.name} means something on {', '.join(kind.channels)} only")
        return kind.channels if EVERY in given else given

    def _transport(self) -> Transport | None:
        given = self._row.get("transport")
        if given is not None and given not in _TRANSPORTS:
            self._note("transport", f"must be one of {', '.join(_TRANSPORTS)}")
            return None
        return given

    def _check_account(self, values: dict[str, Any]) -> None:
        account = values.get("account")
        if account and account not in self._names.accounts:
            self._note("account", f"must be one of {', '.join(self._names.accounts)}")

    def _check_time(self, fault: Fault) -> None:
        """What is judged before it is done alone cannot be met after."""
        early = self._names.before_only.issuperset(fault.method)
        if fault.kind.target != "frame" and not fault.timed and early and fault.kind.phase(fault.values) == "after":
            self._note(
                "method", f"{fault.kind.name} comes after the deed, {', '.join(fault.method)} is judged before only"
            )
