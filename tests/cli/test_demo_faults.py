"""The demo with a fault: it ends flat all the same, and says what went wrong and how that was proved."""

from __future__ import annotations

import pytest

from tests.cli.processes import Cli

pytestmark = pytest.mark.process

SIGNS = {
    "ack-lost": "pending → unknown",
    "disconnect": "each is in the journal once",
    "rest-down": "each is in the journal once",
    "late-fill": "still books its late fill",
    "kill": "SIGKILL: process",
}


@pytest.mark.parametrize("fault", SIGNS)
def test_every_fault_is_told_from_before_to_after(cli: Cli, fault: str) -> None:
    """One sentence before, one after, the same table between them."""
    ended = cli.run("demo", "--fault", fault, env={"TMPDIR": str(cli.place)})
    assert ended.code == 0, ended.err
    assert ended.out.index("What will go wrong:") < ended.out.index("How it was proved:")
    assert SIGNS[fault] in ended.out
    assert "→ flat" in ended.out


def test_json_is_one_object_with_a_fault_too(cli: Cli) -> None:
    """Nothing of the story goes to standard output."""
    ended = cli.run("demo", "--fault", "kill", "--json", env={"TMPDIR": str(cli.place)})
    assert ended.code == 0, ended.err
    (bracket,) = ended.json["brackets"]
    assert (ended.json["ok"], bracket["outcome"], bracket["net_qty"]) == (True, "target", "0")


def test_an_unknown_fault_is_a_usage_error(cli: Cli) -> None:
    """Exit code 2."""
    assert cli.run("demo", "--fault", "sunspots").code == 2
