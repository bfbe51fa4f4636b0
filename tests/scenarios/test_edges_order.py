"""Stories of an order's rarer ways: changes that cross its end, ends that are told in part, refusals that were lies."""

from __future__ import annotations

import trio

from engine.runtime.amending import Amended
from engine.sim import ScriptedFaults, refuse_with
from engine.sim.amending import amend as amend_at_venue
from engine.sim.faults import accept_late, lie_with
from engine.sim.orders import Amend
from engine.values.time import rfc3339
from tests.scenarios.honesty import come
from tests.scenarios.story import Case, Story, d


def expiring(story: Story, in_s: int) -> dict[str, str]:
    """Members of an entry that the venue ends by itself after so many seconds."""
    at_ns = (story.world.clock.now_ns() // 10**9 + in_s) * 10**9
    return {"time_in_force": "gtd", "expire_time": rfc3339(at_ns, 0)}


async def resting(story: Story, **members: str) -> Case:
    """An entry of 0.02 at 50000 that nobody has met yet."""
    story.market()
    case = await story.submit(**members)
    await story.until(lambda: case.entry_is("open"))
    return case


async def half_filled(story: Story, **members: str) -> Case:
    """Half of it has filled and rests under its stop."""
    case = await resting(story, **members)
    story.ask("50000", "0.01")
    await story.until(lambda: case.covered("0.01"))
    await story.wait(1)
    return case


async def sold_at_its_target(story: Story, case: Case) -> None:
    """Let the market come to the target, and wait for the end that counts."""
    story.market("51000", "51010")
    await story.until(lambda: case.outcome == "target")


async def denied_but_resting(story: Story, **members: str) -> Case:
    """The venue took the entry, told no stream of it, and answered that it had no funds: for us it never was."""
    story.world.exchange.faults = lost_frames(2).at("add_order", 1, lie_with("EOrder:Insufficient funds"))
    story.market()
    case = await story.submit(**members)
    await story.ended(case)
    assert case.entry().states()[-2:] == ("rejected", "settled")
    assert case.resting("entry")
    return case


def lost_frames(last: int, first: int = 1) -> ScriptedFaults:
    """Of what the private stream tells from now on, these never come, and nothing shows that they are missing."""
    faults = ScriptedFaults()
    for number in range(first, last + 1):
        faults.at_frame("executions", number, "lose")
        for entry in (2 * number - 1, 2 * number):  # a fill makes two, which would tell of it
            faults.at_frame("balances", entry, "lose")
    return faults


def changed_by_a_person(story: Story, case: Case, price: str | None = None, qty: str | None = None) -> None:
    """Somebody with access to our account amends the entry where it rests."""
    core = story.world.exchange._venue.core
    (entry,) = case.resting("entry")
    asked = Amend(
        order_id=entry.order_id,
        limit_price=None if price is None else d(price),
        order_qty=None if qty is None else d(qty),
    )
    amend_at_venue(core, core.accounts["client"], asked)


def asked_to_amend(story: Story, case: Case, nursery: trio.Nursery, price: str = "49995") -> list[Amended]:
    """Ask for another price, and go on without waiting; the answer comes into the list."""
    told: list[Amended] = []

    async def ask() -> None:
        told.append(await story.engine.amend(case.entry().cl_ord_id, d(price), None))

    nursery.start_soon(ask)
    return told


# --- ends by time


async def test_entry_that_expires_untouched_is_abandoned_and_its_late_fill_covered(open_story, autojump_clock):
    """The venue ends it; a fill told afterwards counts on the expired entry and gets its stop."""
    async with open_story() as story:
        case = await resting(story, **expiring(story, 10))
        await story.ended(case)
        assert (case.outcome, case.entry().states()[-2:]) == ("abandoned", ("expired", "settled"))
        await story.wait(2)
        story.house.late_fill(case.sent("entry")[0].order_id, d("0.01"), d("50000"))
        await story.until(lambda: case.covered("0.01"), within_s=2)
        await sold_at_its_target(story, case)
    (late,) = story.of(case, "trade", "entry")
    assert (late.ord_status, late.reason, late.cum_qty) == ("expired", "late fill", d("0.01"))
    assert case.longest_bare_s() < 0.3


async def test_entry_that_expires_under_its_amend_ends_expired(open_story, autojump_clock):
    """The amend is still on its way when the time is up: whoever asked hears that it has ended."""
    async with open_story() as story, trio.open_nursery() as nursery:
        case = await resting(story, **expiring(story, 10))
        await story.wait(7)
        story.world.exchange.faults = ScriptedFaults().at("amend_order", 1, accept_late(4.5))
        told = asked_to_amend(story, case, nursery)
        await story.until(lambda: case.entry_is("pending_amend"))
        await story.ended(case)
        await story.until(lambda: told)
    assert (told[0].status, told[0].code) == ("refused", "ENDED")
    assert case.entry().states()[-3:] == ("pending_amend", "expired", "settled")
    assert case.outcome == "abandoned"


async def test_entry_that_expires_under_its_cancel_ends_expired(open_story, autojump_clock):
    """The cancel comes too late to do anything: its refusal is no news, and what had filled stays protected."""
    async with open_story() as story:
        case = await half_filled(story, **expiring(story, 10))
        await story.wait(5)
        story.world.exchange.faults = ScriptedFaults().at("cancel_order", 1, accept_late(4.5))
        story.engine.cancel(case.signal_id)
        await story.until(lambda: case.entry_is("pending_cancel"))
        await story.until(lambda: case.entry_is("settled"))
        await story.wait(10)
        assert case.covered("0.01")
    assert case.entry().states()[-3:] == ("pending_cancel", "expired", "settled")


# --- changes by a person


async def test_entry_changed_by_a_person_is_followed(open_story, autojump_clock):
    """Another price and less quantity on the web page: the engine knows both, before and after a part has filled."""
    async with open_story() as story:
        case = await resting(story)
        changed_by_a_person(story, case, price="49995", qty="0.016")
        await story.until(lambda: case.entry().limit_price == d("49995"))
        assert (case.entry().state, case.entry().order_qty) == ("open", d("0.016"))
        story.ask("49995", "0.004")
        await story.until(lambda: case.covered("0.004"))
        changed_by_a_person(story, case, qty="0.01")
        await story.until(lambda: case.entry().order_qty == d("0.01"))
        assert case.entry().state == "partial"
        story.ask("49995", "0.006")
        await story.until(lambda: case.covered("0.01"))
        assert case.entry().state == "settled"


async def test_entry_cut_by_a_person_to_what_has_filled_is_filled(open_story, autojump_clock):
    """There is no quantity left to fill: the entry ends, and what it brought stays protected and reaches its target."""
    async with open_story() as story:
        case = await half_filled(story)
        changed_by_a_person(story, case, qty="0.01")
        await story.until(lambda: case.entry_is("settled"))
        assert (case.entry().ord_status, case.entry().order_qty) == ("filled", d("0.01"))
        await story.wait(10)
        assert case.covered("0.01")
        story.market("51000", "51010")
        await story.ended(case)
    assert case.outcome == "target"


async def test_entry_changed_by_a_person_under_its_cancel_is_canceled(open_story, autojump_clock):
    """A change told while the cancel is on its way is known, and does not end the wait for the cancel."""
    async with open_story() as story:
        case = await resting(story)
        story.world.exchange.faults = ScriptedFaults().at("cancel_order", 1, accept_late(2))
        story.engine.cancel(case.signal_id)
        await story.until(lambda: case.entry_is("pending_cancel"))
        changed_by_a_person(story, case, price="49980")
        await story.until(lambda: case.entry().limit_price == d("49980"))
        assert case.entry_is("pending_cancel")
        await story.ended(case)
    assert (case.outcome, case.sent("entry")[0].status) == ("abandoned", "canceled")


async def test_entry_taken_away_by_a_person_under_its_amend_is_canceled(open_story, autojump_clock):
    """The amend finds no such order: whoever asked is told that it has ended, and nothing is sent again."""
    async with open_story() as story, trio.open_nursery() as nursery:
        case = await resting(story)
        story.world.exchange.faults = ScriptedFaults().at("amend_order", 1, accept_late(2))
        told = asked_to_amend(story, case, nursery)
        await story.until(lambda: case.entry_is("pending_amend"))
        story.house.cancel_client(case.resting("entry")[0].order_id)
        await story.ended(case)
        await story.wait(10)
    assert (told[0].status, told[0].code) == ("refused", "ENDED")
    assert case.entry().states()[-3:] == ("pending_amend", "canceled", "settled")
    assert len(case.sent()) == 1


# --- changes of what has filled in part


async def test_half_filled_entry_is_amended_in_place(open_story, autojump_clock):
    """The open half moves, the filled half stays under its stop, and what fills then is covered as well."""
    async with open_story() as story:
        case = await half_filled(story)
        done = await story.engine.amend(case.entry().cl_ord_id, d("49995"), d("0.015"))
        assert (done.status, case.entry().state) == ("amended", "partial")
        (entry,) = case.resting("entry")
        assert (entry.limit_price, entry.leaves_qty) == (d("49995"), d("0.005"))
        story.ask("49995", "0.005")
        await story.until(lambda: case.covered("0.015"))


async def test_refused_amend_of_a_half_filled_entry_leaves_it_as_it_was(open_story, autojump_clock):
    """The venue's word is passed on; the open half rests on at its old price."""
    async with open_story() as story:
        case = await half_filled(story)
        story.world.exchange.faults = ScriptedFaults().at("amend_order", 1, refuse_with("EOrder:Invalid price"))
        done = await story.engine.amend(case.entry().cl_ord_id, d("49995"), None)
        assert (done.status, done.code, case.entry().state) == ("refused", "INVALID_PRICE", "partial")
        story.ask("50000", "0.01")
        await story.until(lambda: case.covered("0.02"))


async def test_refused_cancel_of_a_half_filled_entry_is_asked_again(open_story, autojump_clock):
    """The open half goes in the end, the filled half keeps its stop all the while."""
    async with open_story() as story:
        case = await half_filled(story)
        story.world.exchange.faults = ScriptedFaults().at("cancel_order", 1, refuse_with("EOrder:Rate limit exceeded"))
        story.engine.cancel(case.signal_id)
        await come(story, lambda: case.entry_is("settled"))
        assert case.covered("0.01")
    assert case.entry().states().count("pending_cancel") == 2
    assert case.sent("entry")[0].status == "canceled"


# --- ends that are told in part


async def test_end_told_without_its_last_fill_fetches_that_fill(open_story, autojump_clock):
    """The frame of the last trade is lost, the end is told: the missing fill is asked for, booked once and covered."""
    async with open_story() as story:
        case = await half_filled(story)
        story.world.exchange.faults = lost_frames(1)
        story.ask("50000", "0.01")
        await story.until(lambda: case.entry_is("filled"))
        assert case.entry().cum_qty == d("0.01")
        await story.until(lambda: case.covered("0.02"), within_s=5)
    assert [report.last_qty for report in story.of(case, "trade", "entry")] == [d("0.01"), d("0.01")]


async def test_entry_filled_under_its_amend_is_filled_by_the_refusal(open_story, autojump_clock):
    """Its last trade is told, its end is not: the amend that finds no such order is the word that was missing."""
    async with open_story() as story, trio.open_nursery() as nursery:
        case = await resting(story)
        story.world.exchange.faults = lost_frames(2, first=2).at("amend_order", 1, accept_late(1))
        told = asked_to_amend(story, case, nursery)
        await story.until(lambda: case.entry_is("pending_amend"))
        story.ask("50000", "0.02")
        await story.until(lambda: case.covered("0.02"))
        assert case.entry_is("pending_amend")
        await story.until(lambda: case.entry_is("settled"), within_s=3)
        await story.until(lambda: told)
    assert (told[0].status, case.entry().ord_status) == ("refused", "filled")


async def test_entry_filled_under_its_cancel_is_filled_by_the_refusal(open_story, autojump_clock):
    """As under an amend: what has filled is protected before the answer, and the cancel is not repeated after it."""
    async with open_story() as story:
        case = await resting(story)
        story.world.exchange.faults = lost_frames(2, first=2).at("cancel_order", 1, accept_late(1))
        story.engine.cancel(case.signal_id)
        await story.until(lambda: case.entry_is("pending_cancel"))
        story.ask("50000", "0.02")
        await story.until(lambda: case.covered("0.02"))
        assert case.entry_is("pending_cancel")
        await story.until(lambda: case.entry_is("settled"), within_s=3)
        await story.wait(10)
        assert case.covered("0.02")
    assert case.entry().states()[-3:] == ("pending_cancel", "filled", "settled")
    assert [method for _, _, method, _ in story.truth.requests].count("cancel_order") == 1


# --- refusals that were lies


async def test_refused_entry_that_fills_all_the_same_is_covered(open_story, autojump_clock):
    """The venue contradicts its own refusal: the fill is the truth, alarms and gets its stop."""
    async with open_story() as story:
        case = await denied_but_resting(story)
        story.ask("50000", "0.02")
        await story.until(lambda: case.covered("0.02"), within_s=2)
        assert "REFUSED_BUT_LIVE" in case.alarms()
        await sold_at_its_target(story, case)
    assert (case.entry().ord_status, case.entry().cum_qty) == ("filled", d("0.02"))
    assert case.longest_bare_s() < 0.3


async def test_refused_entry_that_fills_in_part_is_covered_and_taken_back(open_story, autojump_clock):
    """What has filled is protected; the rest is an order like any other and can be canceled."""
    async with open_story() as story:
        case = await denied_but_resting(story)
        story.ask("50000", "0.005")
        await story.until(lambda: case.covered("0.005"), within_s=2)
        assert "REFUSED_BUT_LIVE" in case.alarms()
        assert case.entry().state == "partial"
        assert story.engine.cancel(case.signal_id)
        await story.until(lambda: not case.resting("entry"))
        await story.wait(5)
        assert case.covered("0.005")
        await sold_at_its_target(story, case)


async def booked_by_the_next_snapshot(story: Story, case: Case, qty: str) -> None:
    """The stream begins anew: the fill comes with its snapshot, and the bracket ends at its target."""
    story.connection("executions").reset()
    await story.until(lambda: case.entry_is("settled"))
    assert case.entry().cum_qty == d(qty)
    await sold_at_its_target(story, case)


async def test_refused_entry_whose_end_is_all_that_is_told_is_covered(open_story, autojump_clock):
    """Every frame but the last is lost: filled by its own word and covered; the next snapshot brings its fill."""
    async with open_story() as story:
        case = await denied_but_resting(story)
        story.world.exchange.faults = lost_frames(1)
        story.ask("50000", "0.02")
        await story.until(lambda: case.covered("0.02"), within_s=5)
        await booked_by_the_next_snapshot(story, case, "0.02")
    assert case.entry().states()[-3:] == ("rejected", "filled", "settled")


async def test_refused_entry_that_is_told_canceled_has_its_part_covered(open_story, autojump_clock):
    """It had filled in part before a person took it away, and only that was told."""
    async with open_story() as story:
        case = await denied_but_resting(story)
        story.world.exchange.faults = lost_frames(1)
        story.ask("50000", "0.005")
        await story.wait(1)
        story.house.cancel_client(case.resting("entry")[0].order_id)
        await story.until(lambda: case.covered("0.005"), within_s=5)
        await booked_by_the_next_snapshot(story, case, "0.005")
    assert case.entry().states()[-3:] == ("rejected", "canceled", "settled")


async def test_refused_entry_that_is_told_expired_has_its_part_covered(open_story, autojump_clock):
    """The same by the venue's own clock."""
    async with open_story() as story:
        case = await denied_but_resting(story, **expiring(story, 10))
        story.world.exchange.faults = lost_frames(1)
        story.ask("50000", "0.005")
        await story.until(lambda: case.covered("0.005"), within_s=20)
        await booked_by_the_next_snapshot(story, case, "0.005")
    assert case.entry().states()[-3:] == ("rejected", "expired", "settled")


async def test_refused_entry_that_is_told_canceled_fetches_what_it_filled(open_story, autojump_clock):
    """It learns its name from the report of its end, so that the fill nobody told can be asked for."""
    async with open_story() as story:
        case = await denied_but_resting(story)
        story.world.exchange.faults = lost_frames(1)
        story.ask("50000", "0.005")
        await story.wait(1)
        story.house.cancel_client(case.resting("entry")[0].order_id)
        await story.until(lambda: case.covered("0.005"), within_s=5)
        await story.until(lambda: case.entry_is("settled"), within_s=60)
        await sold_at_its_target(story, case)
