"""The red button at the door: halt, resume and rearm as a person presses them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.cli.asking import answer
from engine.control.refusal import Refusal
from engine.control.table import HALT, REARM, RESUME, STATUS
from engine.journal.opening import read_journal
from engine.runtime.opening import JOURNAL_FILE
from tests.control.conftest import FIRST, SECOND, signal

pytestmark = pytest.mark.tcp


async def test_halt_and_resume_over_the_door(open_live, data_dir):
    """The entry that rests is named and goes; status says HALTED and why; resume ends it; each is durable when told."""
    async with open_live() as running:
        await running.engine.submit(signal(FIRST))
        await running.until(lambda: len(running.exchange.truth.orders) == 1)
        done = await answer(HALT, {"reason": "enough"}, data_dir)
        assert (done.trading_state, done.entries, done.reason) == ("HALTED", (FIRST,), "enough")
        assert running.engine.journal.durable >= next(running.engine.journal.rows(kind="trading")).seq
        await running.engine.wait_idle()
        status = await answer(STATUS, {}, data_dir)
        assert (status.trading_state, status.trading.causes[0].code) == ("HALTED", "COMMAND")
        assert (await running.engine.submit(signal(SECOND))).code == "TRADING_HALTED"
        with pytest.raises(Refusal) as refused:
            await answer(HALT, {"reason": "again"}, data_dir)
        assert refused.value.complaint.code == "HALTED_ALREADY"
        released = await answer(RESUME, {"reason": "looked"}, data_dir)
        assert (released.trading_state, released.released) == ("ACTIVE", ("COMMAND",))
        assert (await answer(STATUS, {}, data_dir)).trading_state == "ACTIVE"
    with read_journal(data_dir / JOURNAL_FILE) as journal:
        moves = [json.loads(row.body)["move"] for row in journal.rows(kind="trading")]
    assert moves == ["halt", "resume"]


async def test_resume_is_refused_while_the_halt_file_lies_there(open_live, data_dir):
    """With that message, and what to do."""
    async with open_live() as running:
        (data_dir / "halt").write_text("smoke in the server room\n")
        await running.until(lambda: running.engine.services.trading.view().state == "HALTED")
        with pytest.raises(Refusal) as refused:
            await answer(RESUME, {"reason": "no smoke"}, data_dir)
        assert refused.value.complaint.code == "HALT_FILE"
        assert "still lies there: smoke in the server room" in refused.value.complaint.message
        (data_dir / "halt").unlink()
        assert (await answer(RESUME, {"reason": "no smoke"}, data_dir)).trading_state == "ACTIVE"


async def test_strategy_is_halted_and_throttle_rearmed_by_name(open_live, data_dir):
    """A strategy's halt leaves the top-level state alone; what is not halted or throttled is refused."""
    async with open_live():
        done = await answer(HALT, {"reason": "it", "strategy": "bad", "reducing": True}, data_dir)
        assert (done.trading_state, done.strategy) == ("REDUCING", "bad")
        status = await answer(STATUS, {}, data_dir)
        assert (status.trading_state, status.trading.strategies) == ("ACTIVE", {"bad": "REDUCING"})
        wishes: list[tuple[Any, dict[str, Any], str]] = [
            (RESUME, {"reason": "x"}, "NOT_HALTED"),
            (REARM, {"reason": "x", "strategy": "bad"}, "NOT_THROTTLED"),
        ]
        for command, arguments, code in wishes:
            with pytest.raises(Refusal) as refused:
                await answer(command, arguments, data_dir)
            assert (refused.value.complaint.code, refused.value.complaint.exit) == (code, 4)
