"""positions, balances, pnl, quality: over the door of a living engine, from the journal of a dead one."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
import trio

from engine.cli import money
from engine.cli.asking import answer
from engine.cli.exits import Exit
from engine.control.money_table import BALANCES, PNL, POSITIONS, QUALITY
from engine.control.refusal import Refusal
from tests.control.conftest import FIRST, SECOND, signal

pytestmark = pytest.mark.tcp


@pytest.fixture
def lived(open_live, data_dir):
    """An engine that bought 0.02 and left it under its stop; returns what it said, and where its journal lies."""
    said = {}

    async def life() -> None:
        async with open_live() as running:
            await running.engine.submit(signal(FIRST))
            await running.until(lambda: len(running.exchange.truth.orders) == 1)
            running.fill("0.02")
            await running.until(lambda: len(running.exchange.truth.orders) == 2)
            await trio.sleep(0.2)
            for command, arguments in ((POSITIONS, {}), (PNL, {"by": "strategy"}), (QUALITY, {}), (BALANCES, {})):
                said[command.name] = await answer(command, arguments, data_dir)
            with pytest.raises(Refusal, match="knows nothing named"):
                await answer(QUALITY, {"signal": SECOND}, data_dir)

    trio.run(life)
    return said, data_dir


def test_journal_of_a_dead_engine_says_the_same_but_for_prices(lived):
    """No book, no unrealised profit: it is not known, and all else is as it was."""
    said, data_dir = lived
    (alive,) = said["positions"].positions
    assert (alive.qty, alive.avg_px, alive.mark_px) == (Decimal("0.02"), 50000, 49990)
    (dead,) = trio.run(answer, POSITIONS, {}, data_dir).positions
    assert (dead.qty, dead.cost, dead.fees) == (alive.qty, alive.cost, alive.fees)
    assert (dead.mark_px, dead.unrealized) == (None, None)
    (row,) = trio.run(answer, PNL, {"by": "strategy"}, data_dir).rows
    assert (row.realized, row.unrealized) == (said["pnl"].rows[0].realized, None)
    assert trio.run(answer, QUALITY, {}, data_dir) == said["quality"]
    kept = {one.asset: one.total for one in trio.run(answer, BALANCES, {}, data_dir).balances}
    assert kept == {one.asset: one.total for one in said["balances"].balances}
    held = {one.asset: one.hold for one in said["balances"].balances}
    assert held["BTC"] == Decimal("0.02")


def test_verbs_speak_in_words_and_in_json(lived, capsys):
    """A table for people, one object for programs; amounts are strings in it."""
    _, data_dir = lived
    for verb, word in ((money.positions, "0.02"), (money.pnl, "USD"), (money.quality, FIRST), (money.balances, "BTC")):
        assert verb(data_dir=data_dir) == Exit.DONE
        assert word in capsys.readouterr().out
    assert money.pnl(by="day", data_dir=data_dir, as_json=True) == Exit.DONE
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert Decimal(row["realized"]) == Decimal("-2.5")


def test_unknown_signal_is_refused_in_words(lived, capsys):
    """Exit code 4, and what to do."""
    _, data_dir = lived
    assert money.quality(signal=SECOND, data_dir=data_dir) == Exit.REFUSED
    assert "error: " in capsys.readouterr().err
