"""What a verb of the door is: its name, its route, its parameters, and the meaning of how it ends."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote

from engine.control.desk import Desk
from engine.control.refusal import bad_request

Value = str | int | bool
Arguments = dict[str, Value]

ANSWER_BOUND_S = 20.0
"""From a request's head to its answer; a search through a long journal takes seconds."""
AMOUNT = r"[0-9]{1,18}(\.[0-9]{1,18})?"
_AMOUNT = re.compile(AMOUNT)

MAX_TEXT = 500
"""Characters of one argument: a reason is a sentence, not a page."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One argument of a verb. It stands in the path, else in the query of a GET or the JSON body of a POST."""

    name: str
    doc: str
    kind: Literal["text", "number", "flag", "amount", "document"] = "text"
    required: bool = False
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = 2**63 - 1

    def read(self, value: Any) -> Value:
        """Return a value of the right kind. Raises ValueError that says what is wanted."""
        match self.kind:
            case "text":
                if not isinstance(value, str) or not 0 < len(value.strip()) <= MAX_TEXT:
                    raise ValueError(f"must be a text of 1 to {MAX_TEXT} characters")
                if self.choices and value not in self.choices:
                    raise ValueError(f"must be one of {', '.join(self.choices)}")
                return value.strip()
            case "document":
                if not isinstance(value, str) or not value.strip():
                    raise ValueError("must be a JSON text")
                return value
            case "number":
                if isinstance(value, float) and value.is_integer():
                    value = int(value)  # JSON has one kind of number: 20.0 is 20
                text = value if isinstance(value, str) else str(value)
                if isinstance(value, bool) or not (text.isascii() and text.isdecimal() and len(text) < 20):
                    raise ValueError("must be a whole number")
                if not self.least <= int(text) <= self.most:
                    raise ValueError(f"must lie between {self.least} and {self.most}")
                return int(text)
            case "amount":
                if not isinstance(value, str) or not _AMOUNT.fullmatch(value) or not Decimal(value):
                    raise ValueError("must be a plain positive decimal, as text, such as 0.02")
                return value
            case "flag":
                if isinstance(value, bool):
                    return value
                if value not in ("true", "false"):
                    raise ValueError("must be true or false")
                return bool(value == "true")


@dataclass(frozen=True, kw_only=True)
class Command:
    """One verb. ``path`` holds its path parameters as ``{name}``.

    ``answer`` returns one value of type ``result``; ``stream`` yields values of that type instead, a line each. Both
    may raise Refusal. ``needs_engine`` tells a verb that a journal alone cannot answer. ``exits`` names each exit code
    of the command line that can follow. ``bound_s`` is how long the door waits for the answer. ``on_command_line``
    False: for programs and pages alone, where the command line has another way. ``whole_body`` names the one parameter
    that is the body itself, as text. Of the parameters in ``one_of`` exactly one is given; ``shapes`` says it in JSON
    Schema where more depends on which. ``reserve``: a verb that must get through when the door is busy.
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    doc: str
    result: Any
    exits: Mapping[int, str]
    parameters: tuple[Parameter, ...] = ()
    needs_engine: bool = False
    bound_s: float = ANSWER_BOUND_S
    on_command_line: bool = True
    whole_body: str = ""
    one_of: tuple[str, ...] = ()
    shapes: tuple[Mapping[str, Any], ...] = ()
    reserve: bool = False
    answer: Callable[[Desk, Arguments], Awaitable[Any]] | None = None
    stream: Callable[[Desk, Arguments], AsyncGenerator[Any, None]] | None = None

    @property
    def in_path(self) -> tuple[str, ...]:
        """Names of the parameters that stand in the path."""
        return tuple(p.name for p in self.parameters if f"{{{p.name}}}" in self.path)

    def arguments(self, given: Mapping[str, Any]) -> Arguments:
        """Check everything given at once. Raises Refusal with every fault in it."""
        known = {parameter.name: parameter for parameter in self.parameters}
        faults = [f"{name[:MAX_TEXT]}: unknown parameter" for name in given if name not in known]
        arguments: Arguments = {}
        for name, parameter in known.items():
            if given.get(name) is None:
                if parameter.required:
                    faults.append(f"{name}: missing")
                continue
            try:
                arguments[name] = parameter.read(given[name])
            except ValueError as error:
                faults.append(f"{name}: {error}")
        if self.one_of:
            faults += [f"{name}: must be true, or left out" for name in self.one_of if arguments.get(name) is False]
            if sum(name in arguments for name in self.one_of) != 1:
                faults.append(f"name exactly one of {', '.join(self.one_of)}")
        if faults:
            raise bad_request("; ".join(faults))
        return arguments

    def url(self, arguments: Arguments) -> str:
        """Return the path with its parameters filled in."""
        filled = {name: quote(str(arguments[name]), safe="") for name in self.in_path}
        return self.path.format(**filled)
