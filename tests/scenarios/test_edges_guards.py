"""Stories of what keeps entries back: the breaker's rest and its probe, a latch tightened twice and released."""

from __future__ import annotations

from pathlib import Path

from engine.runtime.settings import EngineSettings
from engine.sim import ScriptedFaults, refuse_with
from tests.scenarios.honesty import arrived
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import Case, Story

REST_S = 20.0
DOWN = refuse_with("EService:Deadline elapsed")
"""A refusal by the venue's service, not by its rules of business."""


async def broken(story: Story, refusals: int) -> Case:
    """The venue refuses that many entries in a row; the second is one too many. Returns one that waits behind them."""
    faults = ScriptedFaults()
    for number in range(1, refusals + 1):
        faults.at("add_order", number, DOWN)
    story.world.exchange.faults = faults
    story.market()
    held = [await story.submit(limit="49000", stop="48000") for _ in range(2)]
    await story.ended(*held)
    assert [case.outcome for case in held] == ["abandoned", "abandoned"]
    assert breaker(story) == "open"
    return await story.submit()


def breaker(story: Story) -> str:
    """Where it stands."""
    return story.engine.services.breaker.state


def impatient() -> EngineSettings:
    """Two failures in a row are too many."""
    return EngineSettings(breaker_failures=2, breaker_rest_s=REST_S)


def state(story: Story) -> str:
    """The state of all trading."""
    return story.engine.services.trading.view().state


def causes(story: Story) -> list[tuple[str, str]]:
    """What stands: codes and the words given with them."""
    return [(cause.code, cause.reason) for cause in story.engine.services.trading.view().causes]


# --- breaker


async def test_probe_that_is_taken_lets_entries_pass_again(open_story, autojump_clock):
    """Kept back for the rest, then the waiting entry goes as the probe; once taken, the next goes at once."""
    async with open_story(settings=impatient()) as story:
        waiting = await broken(story, refusals=2)
        await story.wait(REST_S - 2)
        assert (arrived(story, "new"), waiting.phase) == (2, "entering")
        await story.until(lambda: waiting.entry_is("open"), within_s=5)
        await story.until(lambda: breaker(story) == "closed", within_s=1)
        following = await story.submit(limit="49500")
        await story.until(lambda: following.entry_is("open"), within_s=1)


async def test_probe_that_fails_is_followed_by_a_further_rest(open_story, autojump_clock):
    """One entry in each rest, not more; the venue is back, and the next probe is the last."""
    async with open_story(settings=impatient()) as story:
        probe = await broken(story, refusals=3)
        await story.ended(probe, within_s=REST_S + 5)
        assert (probe.outcome, breaker(story)) == ("abandoned", "open")
        after = await story.submit()
        await story.wait(REST_S - 2)
        assert (arrived(story, "new"), breaker(story)) == (3, "open")
        await story.until(lambda: after.entry_is("open"), within_s=5)
        await story.until(lambda: breaker(story) == "closed", within_s=1)


async def test_exits_pass_while_the_breaker_is_open(open_story, autojump_clock):
    """What was bought before keeps its stop and is sold at its target; the entry behind it waits all the while."""
    async with open_story(settings=impatient()) as story:
        story.market()
        held = await story.bought(limit="49995")
        waiting = await broken(story, refusals=2)
        story.market("51000", "51010")
        await story.ended(held, within_s=5)
        assert (held.outcome, waiting.sent()) == ("target", [])


# --- latch


async def test_latch_that_reduces_is_released_by_a_word(open_story, autojump_clock):
    """Told twice it says so once; resumed, what adds passes again, over a restart as well."""
    async with open_story() as story:
        story.market()
        assert story.engine.halt("less", reducing=True)
        assert not story.engine.halt("still less", reducing=True)
        assert (state(story), causes(story)) == ("REDUCING", [("COMMAND", "less")])
        assert (await story.submit()).submitted.code == "TRADING_REDUCING"
        assert story.engine.resume_trading("enough of that").status == "resumed"
        assert (await story.submit(limit="49500")).submitted.status == "accepted"
        await story.engine.journal.sync()
        kill(story)
        await story.boot()
        assert (state(story), causes(story)) == ("ACTIVE", [])


async def test_latch_that_reduces_is_tightened_to_a_halt(open_story, autojump_clock):
    """What reduces passes before and not after; one word releases both."""
    async with open_story() as story:
        story.market()
        await story.bought("0.02")
        story.engine.halt("less", reducing=True)
        sale = {"side": "sell", "limit": "50500", "stop": "52000", "target": None, "qty": "0.005"}
        reducing = await story.submit(**sale)
        await story.until(lambda: reducing.resting("entry"))
        assert story.engine.halt("nothing at all")
        assert state(story) == "HALTED"
        await story.until(lambda: not reducing.resting("entry"))
        assert (await story.submit(**sale)).submitted.code == "TRADING_HALTED"
        assert story.engine.resume_trading("look again").status == "resumed"
        assert (state(story), causes(story)) == ("ACTIVE", [])


async def test_lesser_cause_never_loosens_a_halt(open_story, autojump_clock, tmp_path: Path):
    """Halted by the file, told to reduce: halted still, and both stand until one word releases them."""
    async with open_story(settings=EngineSettings(data_dir=tmp_path)) as story:
        story.market()
        await story.bought("0.02")
        file = tmp_path / "halt"
        file.write_text("the cellar is under water\n")
        await story.until(lambda: state(story) == "HALTED", within_s=1.1)
        assert story.engine.halt("less", reducing=True)
        assert state(story) == "HALTED"
        assert [code for code, _ in causes(story)] == ["HALT_FILE", "COMMAND"]
        sale = await story.submit(side="sell", limit="50500", stop="52000", target=None, qty="0.005")
        assert sale.submitted.code == "TRADING_HALTED"
        file.unlink()
        await story.wait(2)
        assert story.engine.resume_trading("dry again").released == ("HALT_FILE", "COMMAND")
        assert state(story) == "ACTIVE"
