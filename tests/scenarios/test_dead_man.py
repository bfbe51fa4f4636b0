"""Stories of Kraken's dead man's switch: it may meet entries that rest alone, and never a stop of ours."""

from __future__ import annotations

from engine.runtime.dead_man import DEAD_MAN_ROW, SwitchMoved
from engine.runtime.settings import EngineSettings
from engine.sim.events import Event
from engine.sim.events import OrderReport as SimReport
from tests.scenarios.restart.lives import kill
from tests.scenarios.story import Story

ARMED = EngineSettings(dead_man_s=60)


def armed(story: Story) -> bool:
    """Tell whether the exchange would cancel everything some time from now."""
    return "client" in story.world.exchange._venue.core.dead_man


def armed_beside_a_stop(story: Story) -> list[str]:
    """Return a list that names every stop which the exchange takes while the switch is armed."""
    core, found = story.world.exchange._venue.core, []

    def see(event: Event) -> None:
        stop = isinstance(event, SimReport) and event.order.account == "client" and "stop" in event.order.order_type
        if stop and event.order.status == "new" and "client" in core.dead_man:
            found.append(event.order.order_id)

    core.listen(see)
    return found


def moves(story: Story) -> list[int]:
    """The journal's word of it: time-outs, 0 for off."""
    return [row.decode(SwitchMoved).timeout_s for row in story.journal.rows(kind=DEAD_MAN_ROW)]


async def test_switch_is_off_unless_it_was_asked_for(open_story, autojump_clock):
    """The built-in settings arm nothing, whatever rests."""
    async with open_story() as story:
        story.market()
        case = await story.submit(limit="49980")
        await story.until(lambda: case.resting("entry"))
        await story.wait(30)
        assert (armed(story), moves(story)) == (False, [])


async def test_switch_is_disarmed_before_the_first_stop(open_story, autojump_clock):
    """Armed and renewed while an entry rests alone, off before its first fill is covered; the stop outlives it."""
    async with open_story(settings=ARMED) as story:
        story.market()
        found = armed_beside_a_stop(story)
        case = await story.submit(qty="0.02")
        await story.until(lambda: armed(story))
        await story.wait(200)
        assert case.resting("entry")
        story.ask("50000", "0.02")
        await story.until(lambda: case.covered("0.02"))
        assert (armed(story), found, moves(story)) == (False, [], [60, 0])
        await story.wait(120)
        assert case.covered("0.02")


async def test_switch_takes_the_entries_of_a_killed_engine(open_story, autojump_clock):
    """That is what it is for: nobody renews it, and the entry does not fill unwatched."""
    async with open_story(settings=ARMED) as story:
        story.market()
        case = await story.submit(limit="49980")
        await story.until(lambda: armed(story))
        kill(story)
        await story.wait(61)
        assert [order.status for order in story.truth.orders.values()] == ["canceled"]
        await story.boot()
        await story.ended(case)
    assert case.outcome == "abandoned"


async def test_switch_left_armed_is_disarmed_by_the_next_start(open_story, autojump_clock):
    """The entry fills while no engine runs: the next one disarms before it sends the stop, which else would go too."""
    async with open_story(settings=ARMED) as story:
        story.market()
        found = armed_beside_a_stop(story)
        case = await story.submit(qty="0.02")
        await story.until(lambda: armed(story))
        kill(story)
        story.ask("50000", "0.02")
        await story.wait(5)
        await story.boot()
        await story.until(lambda: case.covered("0.02"))
        await story.wait(120)
        assert (armed(story), found, case.covered("0.02")) == (False, [], True)


async def test_switch_is_disarmed_at_an_orderly_end(open_story, autojump_clock):
    """Entries are taken back by the engine itself, and no timer is left behind."""
    async with open_story(settings=ARMED) as story:
        story.market()
        await story.submit(limit="49980")
        await story.until(lambda: armed(story))
        await story.world.stop()
        assert (armed(story), [order.status for order in story.truth.orders.values()]) == (False, ["canceled"])
