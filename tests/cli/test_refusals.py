"""What a start is refused for: a clear sentence, the right exit code, and nothing lost."""

from __future__ import annotations

from typing import Any

import pytest

from engine.sim.keys import TRADING_PERMISSIONS
from tests.cli.processes import Cli, Ended, quick
from tests.cli.venue import SkewedClock, Venue, open_venue

pytestmark = pytest.mark.process

WITHDRAWING = (*TRADING_PERMISSIONS, "withdraw-funds")
OTHER_SECRET = "c2VjcmV0" * 11


async def start(cli: Cli, venue: Venue, **environment: str) -> Ended:
    """Run one signal from a file; a refusal is told in sentences, without traceback and without any secret."""
    (cli.place / "signals.jsonl").write_text(quick() + "\n")
    arguments = ("run", "--signals", "signals.jsonl", "--until-idle", "--json", "--data-dir", str(cli.data_dir))
    env = venue.environment(**environment)
    ended = await cli.run_beside(*arguments, env=env)
    assert "Traceback" not in ended.err
    for secret in (env["ENGINE_API_KEY"], env["ENGINE_API_SECRET"]):
        assert secret not in ended.out + ended.err
    return ended


@pytest.mark.parametrize(
    ("settings", "environment", "code", "words"),
    [
        ({"permissions": TRADING_PERMISSIONS[:-1]}, {}, 2, "lacks '"),
        ({"permissions": WITHDRAWING}, {}, 2, "may move funds away (withdraw-funds)"),
        ({"clock": SkewedClock()}, {}, 2, "set it by NTP"),
        ({}, {"API_KEY": "K" * 56}, 2, "the venue does not know this key"),
        ({}, {"API_SECRET": OTHER_SECRET}, 2, "the private key does not belong to the public key"),
        ({}, {"API_SECRET": "no base64!"}, 2, "api_secret is not base64"),
        ({}, {"QUERY_KEY": "Q"}, 2, "query_key and query_secret belong together"),
    ],
    ids=["permission", "withdrawal", "clock", "key", "secret", "format", "half a query key"],
)
async def test_what_the_user_can_mend(
    cli: Cli, settings: dict[str, Any], environment: dict[str, str], code: int, words: str
) -> None:
    """Named, with what to do; no order was sent."""
    async with open_venue(**settings) as venue:
        ended = await start(cli, venue, **environment)
    assert (ended.code, ended.json["ok"], ended.json["brackets"]) == (code, False, []), ended.err
    (line,) = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert words in line


async def test_maintenance_is_exit_3_and_the_same_file_runs_afterwards(cli: Cli) -> None:
    """Nothing is lost: the signal was not taken, and the journal of the failed start does not stand in the way."""
    async with open_venue() as venue:
        venue.exchange.set_status("maintenance")
        refused = await start(cli, venue)
        assert (refused.code, refused.json["brackets"]) == (3, []), refused.err
        assert "the venue is in maintenance" in refused.err
        venue.exchange.set_status("online")
        ended = await start(cli, venue)
    assert (ended.code, [bracket["outcome"] for bracket in ended.json["brackets"]]) == (0, ["abandoned"]), ended.err


async def test_a_key_that_may_withdraw_is_taken_when_allowed_by_name(cli: Cli) -> None:
    """``may_withdraw = true`` in the settings."""
    async with open_venue(permissions=WITHDRAWING) as venue:
        ended = await start(cli, venue, KRAKEN__MAY_WITHDRAW="true")
    assert ended.code == 0, ended.err
