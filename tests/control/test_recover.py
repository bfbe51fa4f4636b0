"""The verb ``recover`` on a dead engine's data directory, with and without asking the venue."""

from __future__ import annotations

import io
import json
import sqlite3

import pytest
import trio

from engine.cli import recover as verb
from engine.cli.exits import Exit
from engine.config import load_settings
from engine.errors import ConfigError, JournalBusy
from engine.journal.opening import read_journal
from engine.runtime.attempts import read_attempts
from engine.runtime.logs import configure_logs
from engine.runtime.opening import JOURNAL_FILE
from tests.control.conftest import FIRST, open_exchange, open_running, signal

pytestmark = pytest.mark.tcp


async def _half_filled(running) -> None:
    await running.engine.submit(signal())
    await running.until(lambda: bool(running.exchange.truth.orders))
    running.fill("0.005")
    await running.until(lambda: len(running.exchange.truth.orders) == 2)
    await trio.sleep(0.2)


@pytest.fixture
def dead(open_live, data_dir):
    """Return the data directory of an engine that has ended with a stop resting."""

    async def life() -> None:
        async with open_live() as running:
            await _half_filled(running)

    trio.run(life)
    return data_dir


def test_every_attempt_is_printed_with_its_class(dead, capsys):
    """A line an order, the sums, exit code 0."""
    assert verb.recover(data_dir=dead) is Exit.DONE
    head, entry, stop, sums, *_ = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["order", "symbol", "side", "qty", "sent"]
    assert "sent" in entry.split()
    assert "settled" in entry.split()
    assert stop.startswith("stop")
    assert sums == "0 not_sent, 0 maybe_sent, 2 sent"


def test_as_json_it_is_one_object(dead, capsys):
    """Journal, sums, attempts, changes, and no venue that was not asked."""
    assert verb.recover(data_dir=dead, as_json=True) is Exit.DONE
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"journal", "not_sent", "maybe_sent", "sent", "attempts", "changes", "venue"}
    assert [attempt["sent"] for attempt in found["attempts"]] == ["sent", "sent"]
    assert {change["request"] for change in found["changes"]} == {"cancel"}
    assert (found["venue"], found["journal"]["fault"]) == (None, "")


def test_a_damaged_journal_is_read_up_to_the_damage(dead, capsys):
    """The rows before the first bad one are classified; the damage is named; exit code 5."""
    with sqlite3.connect(dead / JOURNAL_FILE) as database:
        (row,) = database.execute("select min(seq) from rows where kind = 'order'").fetchone()
        database.execute("update rows set body = x'7b7d' where seq = ?", (row,))
    database.close()
    assert verb.recover(data_dir=dead, as_json=True) is Exit.JOURNAL
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["journal"]["rows"] == row - 1
    assert found["maybe_sent"] == 1
    assert f"journal row {row} does not fit its hash" in err


def test_a_journal_that_cannot_be_read_at_all_claims_nothing(dead, capsys):
    """A row that is no row: no attempt is classified on its ground; exit code 5."""
    with sqlite3.connect(dead / JOURNAL_FILE) as database:
        database.execute("update rows set body = 'text' where seq = 2")
    database.close()
    assert verb.recover(data_dir=dead, as_json=True) is Exit.JOURNAL
    found = json.loads(capsys.readouterr().out)
    assert (found["attempts"], found["journal"]["rows"]) == ([], 0)


async def test_the_venue_is_asked_what_became_of_each(data_dir, monkeypatch):
    """With --ask every attempt that may have arrived is looked up by the venue's queries."""
    async with open_exchange() as (exchange, venue):
        async with open_running(exchange, venue, data_dir) as running:
            await _half_filled(running)
            settings = _settings(exchange, venue, data_dir, monkeypatch)
            logs = configure_logs(io.StringIO(), level="error")
            with read_journal(data_dir / JOURNAL_FILE) as journal:
                attempts = read_attempts(journal.rows()).attempts
            with pytest.raises(JournalBusy, match="is held by process"):
                await verb.ask_configured_venue(settings, logs, attempts)
        with trio.fail_after(20):
            findings = await verb.ask_configured_venue(settings, logs, attempts)
        assert [(f.found, f.ord_status) for f in findings] == [("closed", "canceled"), ("open", "new")]
        stranger = _settings(exchange, venue, data_dir, monkeypatch, key="somebody-else")
        with pytest.raises(ConfigError, match="belongs to account"):
            await verb.ask_configured_venue(stranger, logs, attempts)
        logs.close()


def _settings(exchange, venue, data_dir, monkeypatch, key: str = ""):
    monkeypatch.setenv("ENGINE_API_KEY", key or exchange.api_key)
    monkeypatch.setenv("ENGINE_API_SECRET", exchange.api_secret)
    kraken = venue._settings
    addresses = {name: getattr(kraken, name) for name in ("rest_url", "ws_url", "ws_auth_url")}
    return load_settings(None, {"venue": "simulated", "data_dir": data_dir, "kraken": addresses})


def test_the_signal_is_named(dead, capsys):
    """Each attempt says which signal it served."""
    verb.recover(data_dir=dead, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert {attempt["signal_id"] for attempt in found["attempts"]} == {FIRST}
