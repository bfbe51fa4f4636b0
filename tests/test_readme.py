"""The README keeps what it promises."""

from __future__ import annotations

import re

from engine.cli.app import app
from engine.orders.signal import parse_signal
from tests.readme import README, renewed

TEXT = README.read_text(encoding="utf-8")


def test_generated_parts_are_fresh() -> None:
    """The order table and the diagrams are those of the code; ``just diagrams`` renews them."""
    assert renewed(TEXT) == TEXT


def test_it_opens_with_the_two_commands() -> None:
    """Install and demo, install and test: both in the first code blocks."""
    commands = "".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)[:2])
    assert "pip install -r config/requirements.lock && python -m engine demo" in commands
    assert "pip install -r config/requirements-dev.lock && just test" in commands


def test_its_signals_are_signals() -> None:
    """Whoever copies one gets an order."""
    lines = re.findall(r'^\{"signal_id".*\}$', TEXT, re.MULTILINE)
    assert lines
    for line in lines:
        parse_signal(line)


def test_its_verbs_exist() -> None:
    """No command line in it names a verb that is not there."""
    verbs = set(re.findall(r"python -m engine ([a-z]+)", TEXT))
    assert verbs
    assert verbs <= set(app)
