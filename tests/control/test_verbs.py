"""The verbs of the command line, at a door, on a dead engine's journal, and where there is neither."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import trio

from engine.cli import live, why
from engine.cli.asking import answer, each_record
from engine.cli.exits import Exit
from engine.control.refusal import Refusal
from engine.control.table import ORDER, ORDERS, REPORTS, STATUS, WHY
from engine.errors import JournalError
from tests.control.conftest import FIRST, SECOND, signal

pytestmark = pytest.mark.tcp


@pytest.fixture
def dead(open_live, data_dir: Path) -> Path:
    """Return the data directory of an engine that has ended: one bracket canceled, one half filled and protected."""

    async def life() -> None:
        async with open_live() as running:
            await running.engine.submit(signal(FIRST))
            await running.until(lambda: len(running.exchange.truth.orders) == 1)
            running.engine.cancel(FIRST)
            await running.engine.wait_idle()
            await running.engine.submit(signal(SECOND))
            await running.until(lambda: len(running.exchange.truth.orders) == 2)
            running.fill("0.005")
            await running.until(lambda: len(running.exchange.truth.orders) == 3)
            await trio.sleep(0.1)

    trio.run(life)
    return data_dir


async def test_reading_verbs_say_the_same_of_a_living_and_a_dead_engine(open_live, data_dir):
    """Door and journal give the same records for the same question."""
    questions = ((ORDERS, {"history": 5}), (WHY, {"id": FIRST}), (REPORTS, {}))

    async def ask() -> list[object]:
        found: list[object] = []
        for command, arguments in questions:
            if command.stream is None:
                found.append(await answer(command, arguments, data_dir))
            else:
                await each_record(command, arguments, data_dir, lambda record: found.append(record) or True)
        return found

    async with open_live() as running:
        await running.engine.submit(signal())
        await running.until(lambda: bool(running.exchange.truth.orders))
        running.fill("0.02")
        await running.until(lambda: len(running.exchange.truth.orders) == 2)
        await trio.sleep(0.2)
        alive = await ask()
        assert (await answer(STATUS, {}, data_dir)).active_orders == 1
    assert await ask() == alive  # the stop rests on: nothing has changed but that nobody is there
    with pytest.raises(Refusal, match="no engine runs on"):
        await answer(STATUS, {}, data_dir)


async def test_a_door_left_by_a_killed_engine_is_no_engine(open_live, data_dir):
    """A socket nobody listens on: reading goes to the journal, the rest is refused with exit code 6."""
    async with open_live():
        pass
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(data_dir / "control.sock"))
    assert (await answer(ORDERS, {}, data_dir)).active == ()
    with pytest.raises(Refusal) as refusal:
        await answer(STATUS, {}, data_dir)
    assert refusal.value.complaint.exit == Exit.NO_ENGINE


def test_verbs_that_need_an_engine_exit_6_with_one_sentence(data_dir, capsys):
    """status, cancel and resolve say that none runs there, on stderr, and print nothing else."""
    for call in (
        lambda: live.status(data_dir=data_dir),
        lambda: live.cancel("x", data_dir=data_dir),
        lambda: live.resolve("x", verdict="dead", reason="y", data_dir=data_dir),
    ):
        assert call() is Exit.NO_ENGINE
        out, err = capsys.readouterr()
        assert out == ""
        assert err == (f"error: no engine runs on {data_dir}: start one with run, or name another --data-dir\n")


def test_as_json_a_refusal_is_one_object(data_dir, capsys):
    """stdout carries exactly one JSON object, whatever happened."""
    assert live.status(data_dir=data_dir, as_json=True) is Exit.NO_ENGINE
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "NO_ENGINE"
    assert live.cancel(data_dir=data_dir, all_entries=True, as_json=True) is Exit.NO_ENGINE
    assert live.orders(history=0, data_dir=data_dir) is Exit.USAGE


def test_reading_where_nothing_ever_ran_is_journal_trouble(data_dir):
    """Without a journal there is nothing to read: exit code 5 by its error."""
    with pytest.raises(JournalError, match="there is no journal"):
        live.orders(data_dir=data_dir)


def test_orders_of_a_dead_engine(dead, capsys):
    """What had not settled is listed with its numbers; history adds the fills; JSON holds amounts as strings."""
    assert live.orders(history=10, data_dir=dead) is Exit.DONE
    head, stop, *rest = capsys.readouterr().out.splitlines()
    assert head.split() == ["order", "symbol", "side", "type", "filled", "price", "state", "order_id", "signal"]
    assert stop.split()[:1] + stop.split()[2:8] == ["stop", "BTC/USD", "sell", "stop-loss", "0/0.005", "49000", "open"]
    assert any("buy 0.005 at 50000" in line for line in rest)
    assert live.orders(history=10, data_dir=dead, as_json=True) is Exit.DONE
    found = json.loads(capsys.readouterr().out)
    assert [order["order_qty"] for order in found["active"]] == ["0.00500000"]
    assert [report["last_qty"] for report in found["history"]] == ["0.00500000"]


def test_one_order_and_its_story(dead, capsys):
    """order and why take the venue's id; an unknown id is refused with exit code 4."""
    live.orders(data_dir=dead, as_json=True)
    order_id = json.loads(capsys.readouterr().out)["active"][0]["order_id"]
    assert live.order(order_id, data_dir=dead) is Exit.DONE
    assert "walked: new > pending > open" in capsys.readouterr().out
    assert why.why(order_id, data_dir=dead) is Exit.DONE
    assert "new -dispatch-> pending -accept-> open" in capsys.readouterr().out
    assert why.why(SECOND[:6], data_dir=dead, as_json=True) is Exit.DONE
    assert json.loads(capsys.readouterr().out)["id"] == SECOND
    assert why.why("OABCDE-FGHIJ-KLMNOP", data_dir=dead) is Exit.REFUSED
    assert "the journal knows nothing named" in capsys.readouterr().err
    assert live.order(FIRST, data_dir=dead) is Exit.REFUSED


def test_reports_of_a_dead_engine_in_order_each_once(dead, capsys):
    """All reports of the journal, a line each; an offset resumes behind it; following a dead engine ends at once."""
    assert live.reports(data_dir=dead, as_json=True, follow=True) is Exit.DONE
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    offsets = [report["offset"] for report in reports]
    assert offsets == sorted(set(offsets))
    assert live.reports(after=offsets[3], data_dir=dead, as_json=True) is Exit.DONE
    behind = [json.loads(line)["offset"] for line in capsys.readouterr().out.splitlines()]
    assert behind == offsets[4:]
    assert live.reports(data_dir=dead) is Exit.DONE
    assert len(capsys.readouterr().out.splitlines()) == len(offsets) + 1


async def test_orders_by_id_read_alike_from_door_and_journal(open_live, data_dir):
    """One order's record does not hang on who tells it."""
    async with open_live() as running:
        await running.engine.submit(signal())
        await running.until(lambda: bool(running.exchange.truth.orders))
        running.fill("0.02")
        await running.until(lambda: len(running.exchange.truth.orders) == 2)
        await trio.sleep(0.2)
        entry = running.engine.active()[0].orders[0].cl_ord_id
        alive = await answer(ORDER, {"order": entry}, data_dir)
    assert await answer(ORDER, {"order": entry[:9]}, data_dir) == alive
