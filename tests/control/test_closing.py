"""Close, amend and protect at the door, as a person asks for them; and the drill, which asks no venue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.cli.asking import answer
from engine.cli.closing import exit_of_close
from engine.cli.drill import rehearse
from engine.control.refusal import Refusal
from engine.control.table import AMEND, CLOSE, PROTECT
from engine.journal.opening import read_journal
from engine.orders.view import OrderView
from engine.runtime.opening import JOURNAL_FILE
from tests.control.conftest import FIRST, Live, signal

pytestmark = pytest.mark.tcp


async def held(running: Live) -> None:
    """Hold 0.02 BTC under a stop."""
    await running.engine.submit(signal(FIRST))
    await running.until(lambda: len(running.exchange.truth.orders) == 1)
    running.fill("0.02")
    await running.until(lambda: [one.state for one in running.engine.active()] == ["covered"])


async def test_close_over_the_door_ends_flat_with_exit_code_0(open_live, data_dir):
    """The whole report comes back: what was sold, the balance, the venue's word; flat stands at its top."""
    async with open_live() as running:
        await held(running)
        report = await answer(CLOSE, CLOSE.arguments({"symbol": "XBTUSD", "reason": "enough"}), data_dir)
        assert (report.flat, report.name, report.reason, exit_of_close(report)) == (True, "BTC/USD", "enough", 0)
        assert (report.open_orders, report.asked_by) == (0, "rest")
        assert str(report.balances[0].change) == "-0.0200000000"
        assert list(report.lines())[-1].startswith("flat at ")


async def test_close_that_cannot_trade_ends_with_exit_code_4_and_says_why(open_live, data_dir):
    """The market takes cancels only: not flat, by how much and why."""
    async with open_live() as running:
        await held(running)
        running.engine.services.settings = type(running.engine.services.settings)(close_bound_s=9.0)
        running.exchange.set_status("cancel_only", "BTC/USD")
        await running.until(lambda: running.engine.services.link.instrument("BTC/USD").status == "cancel_only")
        report = await answer(CLOSE, CLOSE.arguments({"signal": FIRST[:6]}), data_dir)
        assert (report.flat, exit_of_close(report)) == (False, 4)
        assert [(str(one.qty), one.code) for one in report.not_flat] == [("0.02000000", "MARKET_CANCEL_ONLY")]
        assert any(line.startswith("NOT FLAT: 0.02 BTC/USD of signal 11111111") for line in report.lines())


async def test_what_cannot_be_closed_amended_or_protected_is_refused(open_live, data_dir):
    """Each with its exit code, its reason and what to do."""
    wishes: list[tuple[Any, dict[str, Any], int, str]] = [
        (CLOSE, {}, 2, "name exactly one"),
        (CLOSE, {"symbol": "BTC/USD", "all": True}, 2, "name exactly one"),
        (CLOSE, {"symbol": "NO/SUCH"}, 4, "lists no 'NO/SUCH'"),
        (CLOSE, {"signal": "feed"}, 4, "knows nothing named"),
        (CLOSE, {"signal": FIRST, "include_holdings": True}, 2, "holdings belong to a market"),
        (AMEND, {}, 2, "name exactly one of order, signal"),
        (AMEND, {"order": FIRST}, 2, "limit_price: missing"),
        (AMEND, {"signal": FIRST, "limit_price": "1"}, 2, "belong to an entry"),
        (AMEND, {"signal": FIRST}, 2, "give one of them"),
        (AMEND, {"signal": FIRST, "stop": "50500"}, 4, "would fire at once"),
        (PROTECT, {"symbol": "BTC/USD", "qty": "99999", "stop": "49000"}, 4, "no bracket of ours holds"),
        (PROTECT, {"symbol": "BTC/USD", "qty": "0.02", "stop": "51000"}, 4, "would fire at once"),
    ]
    async with open_live() as running:
        await held(running)
        for command, given, exit_code, said in wishes:
            with pytest.raises(Refusal) as refused:
                await answer(command, command.arguments(given), data_dir)
            complaint = refused.value.complaint
            assert (complaint.exit, said in complaint.message) == (exit_code, True), complaint
            assert complaint.what_to_do


async def test_amend_over_the_door(open_live, data_dir):
    """First the entry's price and quantity, then, once it has filled, its stop and target."""
    async with open_live() as running:
        await running.engine.submit(signal(FIRST))
        await running.until(lambda: bool(_entries(running)) and _entries(running)[0].state == "open")
        entry = _entries(running)[0]
        given = {"order": entry.cl_ord_id[:13], "limit_price": "49995", "qty": "0.01"}
        done = await answer(AMEND, AMEND.arguments(given), data_dir)
        assert (done.status, done.order.limit_price, done.order.order_qty) == ("amended", 49995, Decimal("0.01"))
        running.exchange.house.quote("BTC/USD", "sell", Decimal(49995), Decimal("0.01"))
        await running.until(lambda: [one.state for one in running.engine.active()] == ["covered"])
        moved = await answer(AMEND, AMEND.arguments({"signal": FIRST, "stop": "49500", "target": "52000"}), data_dir)
        assert (moved.status, [one.trigger_price for one in moved.stops]) == ("amended", [49500])
        assert moved.target_price == 52000


async def test_protect_over_the_door(open_live, data_dir):
    """Coins of the account rest under a stop, in a bracket that close knows."""
    async with open_live():
        given = {"symbol": "BTC/USD", "qty": "0.05", "stop": "49000", "target": "52000"}
        done = await answer(PROTECT, PROTECT.arguments(given), data_dir)
        assert done.status == "covered"
        report = await answer(CLOSE, CLOSE.arguments({"signal": done.signal_id}), data_dir)
        assert report.flat


async def test_drill_closes_a_copy_and_touches_nothing(open_live, data_dir):
    """While the engine runs: the copy ends flat on its own exchange, the real bracket keeps its stop."""
    async with open_live() as running:
        await held(running)
        asked = len(running.exchange.truth.requests)
        report = await rehearse(CLOSE.arguments({"all": True, "max_slippage_bps": 50}), data_dir)
        assert (report.flat, report.drill) == (True, True), list(report.lines())
        assert (report.brackets[0].signal_id, str(report.brackets[0].traded_qty)) == (FIRST, "0.02000000")
        assert "a drill" in list(report.lines())[-1]
        assert len(running.exchange.truth.requests) == asked
        assert [one.state for one in running.engine.active()] == ["covered"]
        with pytest.raises(Refusal, match="no bracket holds anything in ETH/USD"):
            await rehearse(CLOSE.arguments({"symbol": "ETH/USD"}), data_dir)
    with read_journal(data_dir / JOURNAL_FILE) as journal:
        assert list(journal.rows(kind="close")) == []


def _entries(running: Live) -> list[OrderView]:
    return [order for one in running.engine.active() for order in one.orders if order.role == "entry"]
