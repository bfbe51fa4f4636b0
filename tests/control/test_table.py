"""The command table: complete, documented, and strict about what it is given."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from inspect import signature
from io import StringIO
from pathlib import Path

import pytest
from cyclopts import App
from rich.console import Console

from engine.cli.exits import Exit
from engine.cli.verbs import VERBS, register
from engine.control.command import Command, Parameter
from engine.control.refusal import Refusal
from engine.control.table import CANCEL, ORDER, ORDERS, REPORTS, RESOLVE, TABLE

ROOT = Path(__file__).parents[2]


def test_every_verb_the_door_owes_is_in_the_table():
    """One command a verb, one route a command."""
    owed = [
        "orders",
        "order",
        "why",
        "status",
        "reports",
        "submit",
        "signal",
        "brackets",
        "bracket",
        "books",
        "links",
        "limits",
        "denials",
        "journal",
        "money",
        "positions",
        "balances",
        "pnl",
        "quality",
        "cancel",
        "resolve",
        "halt",
        "resume",
        "rearm",
        "close",
        "amend",
        "protect",
    ]
    names = [command.name for command in TABLE]
    assert set(owed) <= set(names)
    assert len(names) == len(set(names))
    assert len({(command.method, command.path) for command in TABLE}) == len(TABLE)


@pytest.mark.parametrize("command", TABLE, ids=lambda command: command.name)
def test_every_verb_is_documented_and_whole(command: Command):
    """A sentence for the verb and each parameter, a meaning for each exit code, exactly one kind of answer."""
    assert command.doc.endswith(".")
    assert all(parameter.doc for parameter in command.parameters)
    assert (command.answer is None) != (command.stream is None)
    assert command.path.startswith("/api/")
    assert set(re.findall(r"{(\w+)}", command.path)) == set(command.in_path)
    assert all(parameter.required for parameter in command.parameters if parameter.name in command.in_path)
    assert command.exits[0]
    assert set(command.exits) <= set(Exit)
    assert (Exit.NO_ENGINE in command.exits) == command.needs_engine
    assert command.needs_engine or command.method == "GET"


def test_every_verb_is_on_the_command_line_with_its_parameters():
    """Each command has a function of its name, whose help shows an example."""
    for command in (command for command in TABLE if command.on_command_line):
        verb = VERBS[command.name]
        module, _, name = verb.place.partition(":")
        function = getattr(import_module(module), name)
        assert function.__doc__.startswith(verb.help)
        assert f"Example: python -m engine {verb.example}\n" in function.__doc__
        assert {p.name for p in command.parameters} - set(signature(function).parameters) <= {
            "id",
            "as",
            "all",
        }  # words Python has taken


def test_the_verbs_work_from_the_command_line_and_cost_nothing_unused():
    """Registered by place: help lists them without importing them, and one that is used is found."""
    app = App(name="python -m engine", result_action="return_value")
    register(app)
    for name, verb in VERBS.items():
        help_text = StringIO()
        app([name, "--help"], console=Console(file=help_text, width=200))
        assert f"Example: python -m engine {verb.example}" in help_text.getvalue()


@pytest.mark.parametrize(
    ("command", "given", "fault"),
    [
        (ORDERS, {"history": "0"}, "history: must lie between 1 and 1000"),
        (ORDERS, {"history": "1001"}, "history: must lie between 1 and 1000"),
        (ORDERS, {"history": "-1"}, "history: must be a whole number"),
        (ORDERS, {"history": "\u0661"}, "history: must be a whole number"),
        (ORDERS, {"history": True}, "history: must be a whole number"),
        (ORDERS, {"history": 1.5}, "history: must be a whole number"),
        (ORDERS, {"limit": "1"}, "limit: unknown parameter"),
        (ORDER, {}, "order: missing"),
        (ORDER, {"order": " "}, "order: must be a text of 1 to 500 characters"),
        (ORDER, {"order": "x" * 501}, "order: must be a text of 1 to 500 characters"),
        (ORDER, {"order": ["x"]}, "order: must be a text of 1 to 500 characters"),
        (REPORTS, {"follow": "yes"}, "follow: must be true or false"),
        (REPORTS, {"after": str(2**63)}, "after: must lie between 0 and"),
        (CANCEL, {"all": 1}, "all: must be true or false"),
        (RESOLVE, {"order": "x", "as": "maybe", "reason": "y"}, "as: must be one of live, dead"),
        (RESOLVE, {"order": "x"}, "as: missing; reason: missing"),
    ],
)
def test_what_is_no_good_is_named(command: Command, given: dict[str, object], fault: str):
    """Every fault of a command is named with its parameter; exit code 2."""
    with pytest.raises(Refusal) as refusal:
        command.arguments(given)
    assert refusal.value.complaint.message.startswith(fault)
    assert refusal.value.complaint.exit == Exit.USAGE


def test_what_is_good_is_read():
    """Texts are trimmed, numbers and flags read from a query's text as from JSON, absence left out."""
    assert ORDERS.arguments({"history": "20"}) == ORDERS.arguments({"history": 20}) == {"history": 20}
    assert REPORTS.arguments({"follow": "true", "after": None}) == {"follow": True}
    assert ORDER.arguments({"order": " abc "}) == {"order": "abc"}
    assert ORDER.url({"order": "a/b?c"}) == "/api/orders/a%2Fb%3Fc"
    assert Parameter(name="x", doc="y", kind="flag").read("false") is False


def test_the_web_framework_is_imported_only_by_an_opening_door():
    """Table, place and client cost no web framework."""
    program = (
        "import sys, engine.control.table, engine.control.client, engine.cli.live, engine.cli.recover;"
        "assert not {'litestar', 'hypercorn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
