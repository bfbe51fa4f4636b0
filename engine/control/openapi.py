"""The OpenAPI 3.1 document, made from the command table. Amounts are strings; every error has one form."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

import engine as package
from engine.control.command import AMOUNT, MAX_TEXT, Command, Parameter
from engine.control.refusal import Complaint
from engine.control.signal_schema import SIGNAL

REF = "#/components/schemas/{name}"
DECIMAL = r"^-?[0-9]+(\.[0-9]+)?(E[+-]?[0-9]+)?$"
"""An amount on its way out: every digit it was given, seldom with an exponent (0E-8)."""

JSON, JSON_LINES, EVENTS = "application/json", "application/x-ndjson", "text/event-stream"
_REFUSALS = {
    400: "The request cannot be understood; every fault is named.",
    401: "No token, or another start's.",
    403: "Asked under a foreign name, from a foreign page, or not in HTTP/1.1.",
    404: "Nothing of that name.",
    405: "Another method is served there.",
    408: "The body came too slowly.",
    409: "Understood, and not done: the reason is given.",
    413: "The body is too large.",
    429: "Asked too often; Retry-After says for how long to wait.",
    500: "Not foreseen; the engine's log tells more.",
    503: "No engine is ready behind the door, or a bound of the door is reached.",
}
_ABOUT = """\
Drives a running engine and tells what it does. Amounts are strings of decimal digits and are never rounded.

On TCP every path under /api/ wants `Authorization: Bearer TOKEN`; the token is made anew at each start unless it is
set, and stands with the address in `control.access` in the data directory. A WebSocket in a browser gives it as a
subprotocol instead: `["kraken-order-engine.v1", "bearer.TOKEN"]`. On the Unix socket none is wanted.

Streams stand at one path for three kinds of reader: JSON lines, server-sent events (`Accept: text/event-stream`) and
WebSocket messages (`Upgrade: websocket`). `after`, or `Last-Event-ID`, resumes behind an offset: what a reader missed
comes from the journal, each record once. A reader that takes nothing for 10 seconds is cut off and resumes so.
"""


def document(table: Iterable[Command]) -> dict[str, Any]:
    """Return the whole document."""
    commands = list(table)
    results = [command.result for command in commands]
    schemas, components = msgspec.json.schema_components([*results, Complaint], ref_template=REF)
    *shapes, complaint = schemas
    paths: dict[str, dict[str, Any]] = {}
    for command, shape in zip(commands, shapes, strict=True):
        paths.setdefault(command.path, {})[command.method.lower()] = _operation(command, shape, complaint)
    whole = {
        "openapi": "3.1.0",
        "info": {
            "title": "Kraken order engine",
            "version": package.__version__,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, "SignalLine": SIGNAL},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    result = _with_patterns(whole)
    assert isinstance(result, dict)  # noqa: S101 - as it came in
    return result


def _operation(command: Command, shape: dict[str, Any], complaint: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {JSON: {"schema": shape}}
    if command.stream is not None:
        content = {JSON_LINES: {"schema": {"type": "string"}}, EVENTS: {"schema": {"type": "string"}}}
    told: dict[str, Any] = {"description": command.exits[0], "content": content}
    if command.stream is not None:
        told["description"] += f"; each record is a {shape.get('$ref', 'value').rpartition('/')[2]}"
    errors = {str(status): _refused(said, complaint) for status, said in _REFUSALS.items()}
    operation: dict[str, Any] = {
        "operationId": command.name,
        "summary": command.doc,
        "responses": {"200": told, **errors},
    }
    apart = [p for p in command.parameters if command.method == "GET" or p.name in command.in_path]
    if apart:
        operation["parameters"] = [_parameter(command, one) for one in apart]
    if command.method == "POST":
        must = bool(command.one_of) or any(p.required for p in command.parameters if p.name not in command.in_path)
        operation["requestBody"] = {"required": must, "content": {JSON: {"schema": _body(command)}}}
    return operation


def _refused(said: str, complaint: dict[str, Any]) -> dict[str, Any]:
    return {"description": said, "content": {JSON: {"schema": complaint}}}


def _parameter(command: Command, one: Parameter) -> dict[str, Any]:
    place = "path" if one.name in command.in_path else "query"
    return {"name": one.name, "in": place, "required": one.required, "description": one.doc, "schema": _schema(one)}


def _body(command: Command) -> dict[str, Any]:
    if command.whole_body:
        return {"$ref": REF.format(name="SignalLine")}
    given = [one for one in command.parameters if one.name not in command.in_path]
    properties = {one.name: {**_schema(one), "description": one.doc} for one in given}
    for name in command.one_of:
        if properties[name]["type"] == "boolean":
            properties[name]["const"] = True
    schema: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": [one.name for one in given if one.required],
        "additionalProperties": False,
    }
    if command.one_of:
        schema["oneOf"] = list(command.shapes) or [{"required": [name]} for name in command.one_of]
    return schema


def _schema(one: Parameter) -> dict[str, Any]:
    match one.kind:
        case "number":
            return {"type": "integer", "minimum": one.least, "maximum": one.most}
        case "flag":
            return {"type": "boolean"}
        case "amount":
            return {"type": "string", "pattern": f"^(?=.*[1-9]){AMOUNT}$"}
        case _ if one.choices:
            return {"type": "string", "enum": list(one.choices)}
        case _:
            return {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": r"\S"}


def _with_patterns(node: Any) -> Any:
    """Give every amount the pattern it has on the wire, and every docstring the form of a sentence."""
    if isinstance(node, list):
        return [_with_patterns(one) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "decimal":
        return {**node, "pattern": DECIMAL}
    made = {name: _with_patterns(value) for name, value in node.items()}
    if isinstance(made.get("description"), str):
        made["description"] = re.sub(r"``", "`", made["description"])
    return made
