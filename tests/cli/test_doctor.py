"""The verb doctor: every fault by its name, what to do, the exit code of the gravest, and never an order."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import trio

from engine.cli.doctor.finding import bad, doubtful, exit_of_all, good
from engine.cli.doctor.place import look_at_place
from engine.cli.exits import Exit
from engine.sim.keys import TRADING_PERMISSIONS
from tests.cli.asked import ORDER_BEARING, asked
from tests.cli.processes import LIMIT_S, Cli, Ended, quick, signal_line
from tests.cli.venue import SkewedClock, Venue, open_venue


def named(ended: Ended, name: str) -> list[dict[str, Any]]:
    return [one for one in ended.json["findings"] if one["name"] == name]


def test_the_gravest_failure_is_the_exit_code_and_a_warning_is_none() -> None:
    """Journal before settings before venue."""
    found = [good("a", ""), doubtful("b", "", "")]
    assert exit_of_all(found) is Exit.DONE
    found.append(bad("c", "", "", Exit.UNREACHABLE))
    assert exit_of_all(found) is Exit.UNREACHABLE
    found.append(bad("d", "", "", Exit.JOURNAL))
    assert exit_of_all(found) is Exit.JOURNAL


def test_a_directory_that_others_may_write_into_and_a_halt_file(tmp_path: Path) -> None:
    """The first is a failure, the second a word of warning with its reason."""
    tmp_path.chmod(0o770)
    (tmp_path / "halt").write_text("news at ten\n")
    found = {one.name: one for one in look_at_place(tmp_path)}
    assert (found["data directory"].health, found["data directory"].exit) == ("fail", Exit.USAGE)
    assert "chmod 700" in found["data directory"].what_to_do
    assert (found["halt file"].health, "news at ten" in found["halt file"].text) == ("warn", True)
    assert found["disk sync"].text.endswith("of 100 syncs") or found["disk sync"].health != "ok"


@pytest.mark.process
def test_a_bare_machine_is_well_and_nothing_is_left_behind(cli: Cli) -> None:
    """The embedded exchange answers; no data directory is made by looking."""
    ended = cli.run("doctor", "--data-dir", str(cli.data_dir), "--json")
    assert (ended.code, ended.json["ok"], ended.json["failures"]) == (0, True, 0), ended.out + ended.err
    for name in ("versions", "REST", "clock skew", "venue mode", "key", "WebSocket public", "WebSocket private"):
        assert [one["health"] for one in named(ended, name)] == ["ok"], name
    assert "none yet" in named(ended, "journal")[0]["text"]
    assert not cli.data_dir.exists()


@pytest.mark.process
async def test_doctor_asks_and_never_orders(cli: Cli) -> None:
    """All that reaches the venue is questions and subscriptions."""
    async with open_venue() as venue:
        ended = await cli.run_beside("doctor", "--json", env=venue.environment())
        requests = asked(venue)
    assert ended.code == 0, ended.out + ended.err
    assert {"Time", "SystemStatus", "GetApiKeyInfo", "GetWebSocketsToken", "subscribe"} <= set(requests)
    assert ORDER_BEARING.isdisjoint(requests)
    assert venue.exchange.api_secret not in ended.out + ended.err
    assert venue.exchange.api_key not in ended.out + ended.err


@pytest.mark.process
@pytest.mark.parametrize(
    ("settings", "environment", "code", "name", "words"),
    [
        ({"permissions": TRADING_PERMISSIONS[:-1]}, {}, 2, "key", "lacks '"),
        ({"permissions": (*TRADING_PERMISSIONS, "withdraw-funds")}, {}, 2, "key", "may move funds away"),
        ({"clock": SkewedClock()}, {}, 2, "clock skew", "behind the venue"),
        ({}, {"API_KEY": "K" * 56}, 2, "key", "EAPI:Invalid key"),
        ({}, {"API_SECRET": "no base64!"}, 2, "key", "api_secret is not base64"),
        ({}, {"POLICY__COVER_WINDOW_S": "much"}, 2, "settings", "cover_window_s"),
        ({}, {"KRAKEN__REST_URL": "http://127.0.0.1:9"}, 3, "REST", "127.0.0.1:9"),
    ],
    ids=["permission", "withdrawal", "clock", "key", "secret", "settings", "unreachable"],
)
async def test_what_is_wrong_is_named_with_what_to_do(
    cli: Cli, settings: dict[str, Any], environment: dict[str, str], code: int, name: str, words: str
) -> None:
    async with open_venue(**settings) as venue:
        ended = await cli.run_beside("doctor", "--json", env=venue.environment(**environment))
    failed = [one for one in named(ended, name) if one["health"] == "fail"]
    assert ended.code == code, ended.out + ended.err
    assert any(words in one["text"] for one in failed), ended.out
    assert all(one["what_to_do"] for one in failed)


@pytest.mark.process
async def test_maintenance_fails_as_a_venue_that_cannot_be_reached(cli: Cli) -> None:
    async with open_venue() as venue:
        venue.exchange.set_status("maintenance")
        ended = await cli.run_beside("doctor", "--json", env=venue.environment())
    assert (ended.code, named(ended, "venue mode")[0]["health"]) == (3, "fail"), ended.out


@pytest.mark.process
def test_a_broken_journal_is_exit_5_and_names_its_row(cli: Cli, tmp_path: Path) -> None:
    """What a start would find, without starting."""
    file = cli.place / "signals.jsonl"
    file.write_text(quick() + "\n")
    assert cli.run("run", "--signals", str(file), "--until-idle", "--data-dir", str(cli.data_dir)).code == 0
    sound = cli.run("doctor", "--offline", "--data-dir", str(cli.data_dir), "--json")
    assert (sound.code, named(sound, "journal")[0]["health"]) == (0, "ok"), sound.out
    changed = tmp_path / "changed"
    shutil.copytree(cli.data_dir, changed)
    rows = sqlite3.connect(changed / "journal.sqlite")
    with rows:
        rows.execute("UPDATE rows SET body = CAST(replace(body, 'limit', 'limiT') AS BLOB) WHERE seq = 3")
    rows.close()
    broken = cli.run("doctor", "--offline", "--data-dir", str(changed), "--json")
    assert (broken.code, "row 3" in named(broken, "journal")[0]["text"]) == (5, True), broken.out


@pytest.mark.process
async def test_a_running_engine_keeps_its_key_for_itself(cli: Cli) -> None:
    """Its links are told by itself; the doctor's own requests need no key."""
    async with open_venue() as venue:
        await _beside_an_engine(cli, venue)


async def _beside_an_engine(cli: Cli, venue: Venue) -> None:
    env, place = venue.environment(), ("--data-dir", str(cli.data_dir))
    (cli.place / "signals.jsonl").write_text(signal_line() + "\n")
    cli.start("run", "--json", *place, env=env)  # the fixture ends it
    with trio.fail_after(LIMIT_S):
        while (await cli.run_beside("status", *place, env=env)).code != 0:  # noqa: ASYNC110 - another process
            await trio.sleep(0.1)
    before = asked(venue).count("GetApiKeyInfo")
    ended = await cli.run_beside("doctor", "--json", *place, env=env)
    assert ended.code == 0, ended.out + ended.err
    assert "runs version" in named(ended, "engine")[0]["text"]
    assert named(ended, "key")[0]["text"].startswith("not asked")
    assert {one["name"] for one in ended.json["findings"]} >= {"WebSocket public", "WebSocket private", "lease"}
    assert asked(venue).count("GetApiKeyInfo") == before
