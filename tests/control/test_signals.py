"""Signals at the door: one id is one order, however often it is sent; and the verbs that tell of them."""

from __future__ import annotations

import json

import msgspec
import pytest
import trio

from engine.control.client import open_client
from engine.control.looking_table import BOOKS, BRACKET, BRACKETS, DENIALS_TOLD, JOURNAL, LIMITS, LINKS, SIGNAL, SUBMIT
from engine.control.refusal import Refusal
from engine.control.signal_schema import SIGNAL as SCHEMA
from engine.orders import signal as signals
from tests.control.conftest import FIRST, SECOND, open_running
from tests.control.conftest import SIGNAL as LINE

pytestmark = pytest.mark.tcp


async def test_a_signal_is_answered_once_durable_and_the_same_again_has_the_same_answer(open_live):
    """Repeated at once and later: one verdict, one bracket. The row that says so is synced when it is told."""
    async with open_live() as live:
        verdicts = []

        async def send() -> None:
            verdicts.append(await live.client.call(SUBMIT, {"signal": LINE % FIRST}))

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(send)
        assert live.engine.journal.statistics().durable >= verdicts[0].offset
        await send()
        assert verdicts == [verdicts[0]] * 5
        assert (verdicts[0].status, verdicts[0].signal_id) == ("accepted", FIRST)
        await live.until(lambda: bool(live.exchange.truth.orders))
        assert len(live.exchange.truth.orders) == 1


async def test_the_same_id_with_other_content_is_a_conflict(open_live):
    """409, and nothing of it happens."""
    async with open_live() as live:
        await live.client.call(SUBMIT, {"signal": LINE % FIRST})
        with pytest.raises(Refusal) as refusal:
            await live.client.call(SUBMIT, {"signal": (LINE % FIRST).replace('"0.02"', '"0.03"')})
        assert (refusal.value.status, refusal.value.complaint.code) == (409, "SIGNAL_CONFLICT")
        assert len(live.engine.active()) == 1


async def test_a_denial_is_a_verdict_and_is_listed(open_live):
    """It comes with its code, again with the same, and stands among the denials; a fault is no signal at all."""
    async with open_live() as live:
        line = (LINE % FIRST).replace("BTC/USD", "NO/SUCH")
        first, second = [await live.client.call(SUBMIT, {"signal": line}) for _ in range(2)]
        assert first == second
        assert (first.status, first.code) == ("denied", "SYMBOL_UNKNOWN")
        (denial,) = (await live.client.call(DENIALS_TOLD, {})).denials
        assert (denial.offset, denial.signal_id, denial.code) == (first.offset, FIRST, "SYMBOL_UNKNOWN")
        detail = await live.client.call(SIGNAL, {"signal": FIRST[:6]})
        assert (detail.verdict, detail.bracket) == (first, None)
        with pytest.raises(Refusal) as refusal:
            await live.client.call(SUBMIT, {"signal": '{"signal_id": 1, "hue": 2}'})
        assert refusal.value.status == 400
        assert all(word in refusal.value.complaint.message for word in ("signal_id", "hue", "symbol: missing"))


async def test_brackets_are_told_living_and_ended_and_from_a_dead_journal(open_live, data_dir):
    """The same record while it lives, after its end, and by the next engine."""
    async with open_live() as live:
        for one in (FIRST, SECOND):
            await live.client.call(SUBMIT, {"signal": LINE % one})
        await live.until(lambda: len(live.exchange.truth.orders) == 2)
        live.fill("0.005")
        await live.until(lambda: any(one.state == "covered" for one in live.engine.active()))
        found = (await live.client.call(BRACKETS, {})).brackets
        assert {one.signal_id for one in found} == {FIRST, SECOND}
        filled = next(one for one in found if one.exposure)
        assert (str(filled.exposure), [order.role for order in filled.orders]) == ("0.00500000", ["entry", "stop"])
        assert await live.client.call(BRACKET, {"signal": filled.signal_id}) == filled
        other = next(one.signal_id for one in found if not one.exposure)
        live.engine.cancel(other)
        await live.until(lambda: len(live.engine.active()) == 1)
        ended = await live.client.call(BRACKET, {"signal": other})
        assert (ended.outcome, ended.state) == ("abandoned", "abandoned")
        with pytest.raises(Refusal):
            await live.client.call(BRACKET, {"signal": "feed"})


async def test_machinery_is_told(open_live):
    """Links, limits, books (by name without anybody holding them) and the journal, page by page, whole."""
    async with open_live() as live:
        links = await live.client.call(LINKS, {})
        assert {link.name for link in links.links} == {"public", "private"}
        limits = await live.client.call(LIMITS, {})
        assert limits.limits == live.engine.services.risk.limits
        books = await live.client.call(BOOKS, {"symbol": "XBTUSD", "depth": 2})
        (book,) = books.books
        assert (book.symbol, book.usable, len(book.bids)) == ("BTC/USD", True, 2)
        assert not [holder for held in live.engine.market.subscriptions() for holder in held.holders]
        await live.client.call(SUBMIT, {"signal": LINE % FIRST})
        await live.until(lambda: live.engine.services.bus.published >= 2)
        rows, after = [], 0
        while True:
            page = await live.client.call(JOURNAL, {"after": after, "limit": 2})
            rows += page.rows
            after = page.next_after
            if not page.rows:
                break
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        of_signal = await live.client.call(JOURNAL, {"signal_id": FIRST, "kind": "signal"})
        (row,) = of_signal.rows
        assert msgspec.json.decode(row.body)["signal"]["signal_id"] == FIRST
        assert page.head == live.engine.journal.head[0]


async def test_a_signal_sent_again_to_the_next_engine_has_the_answer_it_had(data_dir):
    """The journal remembers the verdict over a restart."""
    from tests.control.conftest import open_exchange

    with trio.fail_after(30):
        async with open_exchange() as (exchange, venue):
            async with open_running(exchange, venue, data_dir) as live:
                first = await live.client.call(SUBMIT, {"signal": LINE % FIRST})
            async with open_running(exchange, venue, data_dir), open_client(data_dir) as client:
                assert await client.call(SUBMIT, {"signal": LINE % FIRST}) == first


async def test_a_signal_that_comes_during_the_shutdown_is_left_to_the_next_engine(data_dir):
    """Not ready, and to be sent again: no verdict is written that its signal_id would keep. A known one is told."""
    from tests.control.conftest import open_exchange

    with trio.fail_after(100):
        async with open_exchange() as (exchange, venue):
            async with open_running(exchange, venue, data_dir) as live:
                first = await live.client.call(SUBMIT, {"signal": LINE % FIRST})
                await live.engine.shut_down(1)
                assert await live.client.call(SUBMIT, {"signal": LINE % FIRST}) == first
                with pytest.raises(Refusal) as refusal:
                    await live.client.call(SUBMIT, {"signal": LINE % SECOND})
                assert (refusal.value.complaint.code, refusal.value.complaint.retryable) == ("NOT_READY", True)
            async with open_running(exchange, venue, data_dir), open_client(data_dir) as client:
                assert (await client.call(SUBMIT, {"signal": LINE % SECOND})).status == "accepted"


def test_the_schema_of_signals_has_every_member_that_is_read():
    """A member that the engine reads and the document does not know would be refused by nobody's fault."""
    assert set(SCHEMA["properties"]) == signals._MEMBERS
    assert json.dumps(SCHEMA)
