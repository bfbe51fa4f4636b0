"""The red button: entries stop at once and leave no byte on the wire, exits pass, and a halt outlives its process."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio

from engine.orders.commands import AmendOrder, Request
from engine.orders.view import OrderView
from engine.risk.denials import Denial
from engine.risk.limits import Limits, StrategyLimits
from engine.runtime.settings import EngineSettings
from engine.sim import ScriptedFaults, answer_late, lose_answer
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import ETH, Case, Story, d
from tests.scenarios.wire_tap import WireTap


def within(**limits: object) -> EngineSettings:
    """Settings with these limits."""
    return EngineSettings(limits=Limits(**limits))  # type: ignore[arg-type]


def state(story: Story) -> str:
    """The state of all trading."""
    return story.engine.services.trading.view().state


def causes(story: Story) -> list[str]:
    """Codes of what stands."""
    return [cause.code for cause in story.engine.services.trading.view().causes]


def denied(case: Case, code: str) -> None:
    """The signal was refused with this code."""
    assert (case.submitted.status, case.submitted.code) == ("denied", code), case.submitted


async def test_halted_engine_writes_no_entry(open_story, autojump_clock):
    """Not for new signals, not for those that wait: checked in the bytes that left."""
    async with open_story() as story:
        story.market()
        await story.bought(limit="49995", stop="48000", target=None)
        story.world.wire.refuse(3)
        story.connection("executions").reset()
        await story.until(lambda: not story.engine.services.stream_up())
        waiting = await story.submit()  # accepted, and kept back until the stream is complete again
        tap = WireTap(story.world)
        assert story.engine.halt("enough")
        late = await story.submit()
        denied(late, "TRADING_HALTED")
        assert "COMMAND: enough" in late.submitted.reason
        await story.ended(waiting)
        await story.wait(30)
        assert story.engine.services.stream_up()
        assert tap.orders() == []
    assert waiting.outcome == "abandoned"
    assert waiting.sent() == late.sent() == []


async def test_tap_sees_the_entries_that_do_leave(open_story, autojump_clock):
    """The check of the check: without a halt the same signal is seen on the wire, over either way."""
    for way in ("ws", "rest"):
        async with open_story(orders_via=way) as story:
            story.market()
            tap = WireTap(story.world)
            await story.submit()
            await story.until(lambda: len(story.truth.orders) == 1)
            assert len(tap.orders()) == 1


async def test_halt_between_decision_and_wire_keeps_the_entry_back(open_story, autojump_clock):
    """It falls in the tick in which the signal was accepted: nothing of it leaves."""
    async with open_story() as story:
        story.market()
        tap = WireTap(story.world)
        case = await story.submit()
        story.engine.halt("at once")
        await story.ended(case)
        await story.wait(10)
        assert tap.orders() == []
    assert list(story.truth.orders) == []


async def test_halt_cancels_what_rests_and_leaves_protection(open_story, autojump_clock):
    """The entry's remainder goes, what has filled keeps its stop, and the target still sells it."""
    async with open_story() as story:
        story.market()
        held = await story.bought()
        resting = await story.submit(limit="49000", stop="48000")
        await story.until(lambda: bool(resting.resting("entry")))
        story.engine.halt("enough")
        await story.until(lambda: not resting.resting())
        assert held.covered("0.02")
        story.market(bid="51000", ask="51010")
        await story.ended(held, resting)
    assert (held.outcome, resting.outcome) == ("target", "abandoned")


async def test_halt_ends_the_rest_of_an_entry_that_has_filled_in_part(open_story, autojump_clock):
    """It goes within three seconds and buys nothing more; what has filled keeps its stop."""
    async with open_story() as story:
        story.market()
        case = await story.submit(qty="0.02")
        await story.until(lambda: bool(case.resting("entry")))
        story.ask("50000", "0.008")
        await story.until(lambda: case.covered("0.008"))
        story.engine.halt("enough")
        await story.until(lambda: not case.resting("entry"), within_s=3)
        story.ask("50000", "0.012")
        await story.wait(1)
        assert case.covered("0.008")
    assert (case.sent("entry")[0].status, case.entry().cum_qty) == ("canceled", d("0.008"))


async def test_halt_remembers_a_cancel_while_the_entry_is_unanswered(open_story, autojump_clock):
    """The entry's answer is lost: it is taken back as soon as the venue shows it."""
    async with open_story() as story:
        story.market()
        story.world.exchange.faults = ScriptedFaults().at("add_order", 1, lose_answer())
        case = await story.submit()
        await story.until(lambda: bool(case.resting("entry")))
        story.engine.halt("enough")
        await story.until(lambda: not case.resting("entry"))
        await story.ended(case)
    assert [order.cum_qty for order in case.sent("entry")] == [0]


async def test_halt_survives_a_kill_and_is_released_by_resume_alone(open_story, autojump_clock):
    """After kill -9 the next engine is halted from its first moment; the word is in the journal."""
    async with open_story() as story:
        story.market()
        held = await story.bought()
        story.engine.halt("enough")
        await story.engine.journal.sync()
        kill(story)
        await story.boot()
        assert (state(story), causes(story)) == ("HALTED", ["COMMAND"])
        denied(await story.submit(), "TRADING_HALTED")
        await story.until(lambda: held.covered("0.02"))
        assert story.engine.resume_trading("looked into it").status == "resumed"
        await story.engine.journal.sync()
        kill(story)
        await story.boot()
        assert state(story) == "ACTIVE"
        assert (await story.submit(limit="49500")).submitted.status == "accepted"
    words = [msgspec.json.decode(row.body)["reason"] for row in story.journal.rows(kind="trading")]
    assert words == ["enough", "looked into it"]


async def test_entry_left_resting_by_a_kill_in_a_halt_is_cancelled_by_the_next_engine(open_story, autojump_clock):
    """The halt was durable, the cancel had not left: the next start sends it."""
    async with open_story() as story:
        story.market()
        case = await story.submit()
        await story.until(lambda: case.entry_is("open"))
        story.engine.halt("enough")
        await story.engine.journal.sync()
        kill(story)
        await story.boot()
        await story.until(lambda: not case.resting())
        await story.ended(case)
    assert case.outcome == "abandoned"


async def test_strategy_is_halted_alone(open_story, autojump_clock):
    """Its entries go, another's stay; each is released by itself."""
    async with open_story() as story:
        story.market()
        bad = await story.submit(limit="49000", stop="48000", strategy_id="bad")
        good = await story.submit(limit="49100", stop="48000", strategy_id="good")
        await story.until(lambda: bad.resting("entry") and good.resting("entry"))
        story.engine.halt("it loses", strategy_id="bad")
        await story.until(lambda: not bad.resting())
        denied(await story.submit(strategy_id="bad"), "TRADING_HALTED")
        assert (await story.submit(limit="49200", strategy_id="good")).submitted.status == "accepted"
        assert good.resting("entry")
        assert story.engine.resume_trading("all", strategy_id="").status == "not_halted"
        assert story.engine.resume_trading("mended", strategy_id="bad").status == "resumed"
        assert (await story.submit(limit="49300", strategy_id="bad")).submitted.status == "accepted"


async def test_reducing_lets_pass_what_reduces(open_story, autojump_clock):
    """A sale out of what the strategy holds passes up to its quantity; a further buy and a larger sale do not."""
    async with open_story() as story:
        story.market()
        await story.bought("0.02")
        adding = await story.submit(limit="49000", stop="48000")
        await story.until(lambda: bool(adding.resting("entry")))
        story.engine.halt("less", reducing=True)
        await story.until(lambda: not adding.resting())
        denied(await story.submit(), "TRADING_REDUCING")
        sale = {"side": "sell", "limit": "50500", "stop": "52000", "target": None}
        denied(await story.submit(qty="0.03", **sale), "TRADING_REDUCING")
        assert (await story.submit(qty="0.015", **sale)).submitted.status == "accepted"
        denied(await story.submit(qty="0.01", **sale), "TRADING_REDUCING")  # with the first in flight it is too much
        assert (await story.submit(qty="0.005", **sale)).submitted.status == "accepted"


async def test_file_in_the_data_directory_halts_and_keeps_halting(open_story, autojump_clock, tmp_path: Path):
    """Within a second, with its first line as the reason; resume is refused while it lies there."""
    async with open_story(settings=EngineSettings(data_dir=tmp_path)) as story:
        story.market()
        case = await story.submit()
        await story.until(lambda: bool(case.resting("entry")))
        file = tmp_path / "halt"
        file.write_text("the cellar is under water\nsecond line\n")
        await story.until(lambda: state(story) == "HALTED", within_s=1.1)
        await story.until(lambda: not case.resting())
        (cause,) = story.engine.services.trading.view().causes
        assert (cause.code, cause.reason) == ("HALT_FILE", "the cellar is under water")
        refused = story.engine.resume_trading("dry again")
        assert (refused.status, refused.code) == ("refused", "HALT_FILE")
        assert str(file) in refused.reason
        file.unlink()
        await story.wait(5)
        assert state(story) == "HALTED"
        assert story.engine.resume_trading("dry again").released == ("HALT_FILE",)
        await story.wait(5)
        assert state(story) == "ACTIVE"


async def test_file_from_before_the_start_halts_before_anything_is_sent(open_story, autojump_clock, tmp_path: Path):
    """An empty file is enough, and so is one that nobody can read as text."""
    (tmp_path / "halt").write_bytes(b"\xff\xfe\x00")
    async with open_story(settings=EngineSettings(data_dir=tmp_path)) as story:
        story.market()
        denied(await story.submit(), "TRADING_HALTED")
    assert list(story.truth.orders) == []


async def test_hook_halts_by_its_word_and_by_its_failure(open_story, autojump_clock):
    """Asked once a second; what it raises halts as well; resume asks it once more."""
    async with open_story() as story:
        said: list[str | None] = [None]

        def check() -> str | None:
            if said[0] == "raise":
                raise RuntimeError("the risk server is gone")
            return said[0]

        story.world.halt_check = check
        kill(story)
        await story.boot()
        story.market()
        await story.wait(5)
        assert state(story) == "ACTIVE"
        said[0] = "raise"
        await story.until(lambda: state(story) == "HALTED", within_s=1.1)
        assert causes(story) == ["HALT_CHECK_FAILED"]
        assert "the risk server is gone" in story.engine.services.trading.view().causes[0].reason
        assert story.engine.resume_trading("try").status == "refused"
        said[0] = "risk server says stop"
        await story.until(lambda: causes(story) == ["HALT_CHECK_FAILED", "HALT_CHECK"], within_s=1.1)
        said[0] = None
        assert story.engine.resume_trading("it is back").status == "resumed"


async def test_link_loss_keeps_entries_back_and_past_its_bound_halts(open_story, autojump_clock):
    """Before the bound it frees itself; past it only resume does, and not while the link is away."""
    async with open_story(settings=within(link_loss_halt_s=60.0)) as story:
        story.market()
        await story.bought()
        for away_s, ends in ((20, "ACTIVE"), (150, "HALTED")):
            story.world.wire.refuse(away_s)
            story.connection("executions").reset()
            await story.wait(away_s / 2)
            assert (state(story), story.engine.services.stream_up()) == ("ACTIVE" if away_s < 60 else "HALTED", False)
            if ends == "HALTED":
                assert story.engine.resume_trading("hurry").code == "LINK_LOST"
            await story.until(lambda: story.engine.services.stream_up(), within_s=300)
            await story.wait(2)
            assert state(story) == ends
        assert causes(story) == ["LINK_LOST"]
        assert story.engine.resume_trading("it is back").status == "resumed"


async def test_loss_at_its_limit_halts_and_the_stop_still_sells(open_story, autojump_clock):
    """The price falls until what is not realised reaches the limit; then to the stop. Resume is refused that day."""
    async with open_story(settings=within(daily_loss_most=d("10"), daily_realized_loss_most=d("1000"))) as story:
        story.market()
        case = await story.bought()
        story.market(bid="49300", ask="49310")
        await story.until(lambda: state(story) == "HALTED", within_s=2)
        assert causes(story) == ["DAILY_LOSS"]
        refused = story.engine.resume_trading("no matter")
        assert (refused.status, refused.code) == ("refused", "DAILY_LOSS")
        story.market(bid="48900", ask="48910")
        story.print("48990")
        await story.ended(case)
        denied(await story.submit(), "TRADING_HALTED")
    assert case.outcome == "stop"


async def test_drawdown_is_measured_anew_from_resume(open_story, autojump_clock):
    """Halted by it, a person's word resets the peak."""
    async with open_story(settings=within(drawdown_most=d("10"))) as story:
        story.market()
        await story.bought()
        story.market(bid="49300", ask="49310")
        await story.until(lambda: causes(story) == ["DRAWDOWN"], within_s=2)
        assert story.engine.resume_trading("seen").status == "resumed"
        await story.wait(3)
        assert state(story) == "ACTIVE"


async def test_loss_of_one_strategy_halts_that_one(open_story, autojump_clock):
    """Another goes on."""
    async with open_story(settings=within(each_strategy=StrategyLimits(daily_loss_most=d("10")))) as story:
        story.market()
        await story.bought(strategy_id="bad")
        story.market(bid="49300", ask="49310")
        await story.until(lambda: causes(story) == ["STRATEGY_LOSS"], within_s=2)
        denied(await story.submit(strategy_id="bad", limit="49200", stop="48000"), "TRADING_HALTED")
        good = await story.submit(strategy_id="good", limit="49200", stop="48000")
        assert good.submitted.status == "accepted"
        assert (state(story), story.engine.services.trading.state_of("bad")) == ("ACTIVE", "HALTED")


async def test_resume_also_releases_what_a_person_had_to_look_into(open_story, autojump_clock):
    """An orphan keeps its market's entries back until somebody has looked."""
    async with open_story() as story:
        story.market(bid="2990", ask="3010", symbol=ETH)
        story.engine.services.gate.close("ORPHANED_ORDER", "look at it", ETH)
        ether = {"symbol": ETH, "limit": "3000", "stop": "2900", "target": None}
        denied(await story.submit(**ether), "ORPHANED_ORDER")
        assert story.engine.resume_trading("it is gone").released == ("ORPHANED_ORDER:ETH/USD",)
        assert (await story.submit(**ether)).submitted.status == "accepted"


async def test_halt_while_an_amend_of_an_entry_is_journalled_keeps_its_bytes_back(open_story, autojump_clock):
    """An amend is an entry's byte as well: the latch is asked once more behind the sync of its row."""
    async with open_story() as story:
        story.market()
        case = await story.submit(limit="49000", stop="48000")
        await story.until(lambda: case.entry_is("open"))
        tap = WireTap(story.world)
        risk = story.engine.services.risk
        looked = risk.last_look

        def halting(request: Request, view: OrderView, signal_id: str) -> Denial | None:
            verdict = looked(request, view, signal_id)
            if isinstance(request, AmendOrder) and view.role == "entry":
                story.engine.halt("between the last look and the wire")
            return verdict

        risk.last_look = halting  # type: ignore[method-assign]
        done = await story.engine.amend(case.entry().cl_ord_id, d("49500"))
        assert done.status == "refused"
        await story.ended(case)
        assert [said["method"] for said in tap.requests()] == ["cancel_order"]


async def test_halt_keeps_an_entry_back_that_waits_in_the_line_of_rest(open_story, autojump_clock):
    """The last look has passed and its row is written; another order's answer holds the line: its bytes never leave."""
    async with open_story(orders_via="rest") as story:
        story.market()
        story.world.exchange.faults = ScriptedFaults().at("AddOrder", 1, answer_late(3.0))
        first = await story.submit(limit="49000", stop="48000")
        await story.until(lambda: len(story.truth.orders) == 1)
        second = await story.submit(limit="49100", stop="48000")
        await story.until(lambda: bool(requested(story, second)), within_s=2)
        tap = WireTap(story.world)
        story.engine.halt("enough")
        await story.ended(first, second)
        assert tap.orders() == []
    assert second.sent() == []
    assert second.outcome == "abandoned"


@pytest.mark.parametrize("ticks", range(10))
async def test_halt_keeps_an_entry_back_between_its_last_look_and_its_bytes(open_story, autojump_clock, ticks):
    """Squall 42: its row is written, and the stream's own turn still to come. Once bytes have left, it is too late."""
    async with open_story() as story:
        story.market()
        tap, asked = WireTap(story.world), trio.Event()
        story.world.disk.observers.append(lambda _, __, data: asked.set() if b'"request"' in data else None)

        async def halt() -> int:
            await asked.wait()
            for _ in range(ticks):
                await trio.lowlevel.checkpoint()
            story.engine.halt("enough")
            return len(tap.orders())

        left: list[int] = []

        async def note() -> None:
            left.append(await halt())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(note)
            case = await story.submit(limit="49000", stop="48000")
        await story.ended(case)
        assert len(tap.orders()) == left[0]


async def test_entry_whose_time_runs_out_in_the_line_of_rest_never_leaves(open_story, autojump_clock):
    """Its row is written in time; another order's answer holds the line until its signal is good no more."""
    async with open_story(orders_via="rest") as story:
        story.market()
        story.world.exchange.faults = ScriptedFaults().at("AddOrder", 1, answer_late(3.0))
        first = await story.submit(limit="49000", stop="48000")
        await story.until(lambda: len(story.truth.orders) == 1)
        second = await story.submit(limit="49100", stop="48000", valid_until="2026-01-01T00:00:02Z")
        await story.until(lambda: bool(requested(story, second)), within_s=2)
        await story.ended(second)
        assert second.sent() == []
        assert "SIGNAL_EXPIRED" in second.closed.reason
        story.engine.halt("enough")
        await story.ended(first)


def requested(story: Story, case: Case) -> list[str]:
    """Orders of a case whose request row is written."""
    return [row.cl_ord_id for row in story.journal.rows(signal_id=case.signal_id, kind="request")]


async def test_whatever_is_named_halt_halts(open_story, autojump_clock, tmp_path: Path):
    """A link to nowhere, a pipe, a directory: none is waited for, none is overlooked."""
    file = tmp_path / "halt"
    async with open_story(settings=EngineSettings(data_dir=tmp_path)) as story:
        story.market()
        for make, unmake in (
            (lambda: file.symlink_to(tmp_path / "nowhere"), file.unlink),
            (lambda: os.mkfifo(file), file.unlink),
            (file.mkdir, file.rmdir),
        ):
            make()
            await story.until(lambda: state(story) == "HALTED", within_s=1.1)
            assert causes(story) == ["HALT_FILE"]
            unmake()
            assert story.engine.resume_trading("gone").status == "resumed"


async def test_resume_leaves_a_close_that_is_under_way_alone(open_story, autojump_clock):
    """Its market takes no entry before the close has ended, whatever a person says meanwhile."""
    async with open_story() as story:
        story.market()
        held = await story.bought()
        story.engine.halt("all out")
        story.engine.services.gate.close("ORPHANED_ORDER", "look at it", ETH)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(story.engine.close, everything=True))
            await story.until(lambda: "CLOSING" in story.engine.services.gate.reasons())
            assert story.engine.resume_trading("looked").released == ("COMMAND", "ORPHANED_ORDER:ETH/USD")
            denied(await story.submit(), "CLOSING")
        await story.ended(held)
        assert (await story.submit()).submitted.status == "accepted"


# a killed process leaves requests half written: SIGKILL closes nothing either
@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")
async def test_drawdown_is_measured_from_the_same_peak_after_a_kill(open_story, autojump_clock):
    """The peak was reached by what was not realised; a killed engine's successor still knows it, and halts."""
    async with open_story(settings=within(drawdown_most=d("20"))) as story:
        story.market()
        await story.bought(target="60000")  # 0.02 at 50000
        story.market(bid="50900", ask="50910")
        await story.until(lambda: story.engine.services.risk.view().unrealized > 15)
        await story.wait(2)
        await story.engine.journal.sync()
        kill(story)
        story.market(bid="49700", ask="49710")
        await story.boot()
        await story.until(lambda: causes(story) == ["DRAWDOWN"], within_s=5)
        denied(await story.submit(), "TRADING_HALTED")
        assert story.engine.resume_trading("seen").status == "resumed"
        await story.engine.journal.sync()
        kill(story)
        await story.boot()
        await story.wait(5)
        assert state(story) == "ACTIVE"  # the new peak is known as well


async def test_public_link_away_past_the_bound_halts_too(open_story, autojump_clock):
    """Without books nothing can be judged: before the bound entries wait, past it a person is asked."""
    async with open_story(settings=within(link_loss_halt_s=60.0)) as story:
        story.market()
        await story.bought()
        story.world.wire.refuse(150)
        story.connection("instrument").reset()
        await story.wait(30)
        assert state(story) == "ACTIVE"
        await story.until(lambda: state(story) == "HALTED", within_s=60)
        (cause,) = story.engine.services.trading.view().causes
        assert (cause.code, story.engine.services.stream_up()) == ("LINK_LOST", True)
        assert "public" in cause.reason
        assert story.engine.resume_trading("hurry").code == "LINK_LOST"
        await story.wait(200)
        assert story.engine.resume_trading("it is back").status == "resumed"


async def test_loss_of_a_position_without_a_bracket_halts_after_a_restart(open_story, autojump_clock):
    """Nothing of ours trades that market any more, and still its book is held: the loss is seen."""
    async with open_story(settings=within(daily_loss_most=d("10"))) as story:
        story.market()
        case = await story.submit(limit=None, stop=None, target=None)
        await story.ended(case)
        await story.engine.journal.sync()
        kill(story)
        story.market(bid="49000", ask="49010")
        await story.boot()
        await story.until(lambda: causes(story) == ["DAILY_LOSS"], within_s=5)
