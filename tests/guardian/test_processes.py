"""Real processes, stalled, killed and cut off: what becomes of everything, by the exchange's own word."""

from __future__ import annotations

import signal

import pytest

from engine.cli.exits import Exit
from engine.seams.uptime import SystemUptime
from engine.values.time import NS
from tests.guardian.places import QTY, Place, open_place

pytestmark = [pytest.mark.process, pytest.mark.timeout(150)]


async def past_its_bound(place: Place) -> None:
    """Wait until the engine's last beat is older than the bound at which it looks at itself."""
    pulse, uptime = place.pulse(), SystemUptime()
    await place.until(lambda: uptime.now_ns() - pulse.uptime_ns > (pulse.bound_s + 1) * NS, "an old pulse")


async def test_engine_stopped_past_the_bound_and_continued_does_not_sell_too(tmp_path):
    """Stopped while its target is touched, continued while the guardian takes over: one of the two sells, once."""
    async with open_place(tmp_path) as place:
        engine, guardian = await place.engine(), await place.guardian("close")
        await place.covered()
        engine.send_signal(signal.SIGSTOP)
        place.rise()
        await place.until(lambda: place.alarmed("ENGINE_STILL"), "the alarm")
        engine.send_signal(signal.SIGCONT)  # whoever comes first: one of them alone may go on
        await place.until(
            lambda: guardian.poll() is not None or (place.alarmed("GUARDIAN_CANNOT_CLOSE") and place.sold() == QTY),
            "the sale",
        )
        if engine.poll() is None and guardian.poll() is None:  # the engine beat again before it was claimed
            assert place.said("closed") == [], place.told()
        else:  # it was claimed, perhaps in the very moment in which it beat again
            assert await place.ended(guardian) == Exit.DONE
            assert await place.ended(engine) in (-signal.SIGKILL, Exit.LEASE_LOST)
        assert (place.bought(), place.sold(), place.rest.open_orders()) == (QTY, QTY, {})


async def test_engine_that_wakes_up_to_a_claim_ends_without_a_send(tmp_path):
    """A guardian that may not kill waits; the engine wakes above its target, sees the claim, and lets it be."""
    async with open_place(tmp_path) as place:
        engine = await place.engine()
        await place.covered()
        guardian = await place.guardian("close", GUARDIAN__MAY_KILL="false")
        engine.send_signal(signal.SIGSTOP)
        place.rise()
        await place.until((place.data_dir / "journal.sqlite.claim").exists, "the claim")
        assert place.sold() == 0
        engine.send_signal(signal.SIGCONT)
        assert (await place.ended(engine), await place.ended(guardian)) == (Exit.LEASE_LOST, Exit.DONE)
        assert (place.bought(), place.sold(), place.rest.open_orders()) == (QTY, QTY, {})


async def test_engine_that_stood_still_for_less_goes_on_halted(tmp_path):
    """Nobody took its lease: it halts entries, and then does its work: the touched target is sold."""
    async with open_place(tmp_path) as place:
        engine = await place.engine()
        await place.covered()
        guardian = await place.guardian("close", GUARDIAN__STALE_AFTER_S="60")
        engine.send_signal(signal.SIGSTOP)
        place.rise()
        await past_its_bound(place)
        engine.send_signal(signal.SIGCONT)
        await place.until(lambda: place.sold() == QTY, "the target")
        await place.until(lambda: place.pulse().trading == "HALTED", "the halt")
        assert (engine.poll(), guardian.poll(), place.said("closed")) == (None, None, []), place.told()


async def test_killed_engine_is_told_of_and_left_alone_by_default(tmp_path):
    """Policy alarm: the stop goes on resting. Then the guardian is killed: nothing changes; --once says it as well."""
    async with open_place(tmp_path) as place:
        engine, guardian = await place.engine(), await place.guardian("alarm")
        await place.covered()
        engine.send_signal(signal.SIGKILL)
        await place.until(lambda: place.alarmed("ENGINE_GONE"), "the alarm")
        await past_its_bound(place)
        guardian.send_signal(signal.SIGKILL)
        await place.ended(guardian)
        assert (place.sold(), place.stops()) == (0, 1)
        assert await place.ended(await place.look_once()) == Exit.NO_ENGINE


async def test_killed_engine_is_closed_and_the_next_one_starts_halted(tmp_path):
    """Policy close: flat with the proof, and the journal keeps the next engine from entering anything."""
    async with open_place(tmp_path) as place:
        engine, guardian = await place.engine(), await place.guardian("close")
        await place.covered()
        engine.send_signal(signal.SIGKILL)
        assert await place.ended(guardian) == Exit.DONE
        (closed,) = place.said("closed")
        assert closed["report"]["flat"]
        assert (place.sold(), place.rest.open_orders()) == (QTY, {})
        second = await place.engine()
        await place.until(lambda: place.pulse().mark.pid == second.pid, "the next engine")
        assert (place.pulse().trading, place.bought()) == ("HALTED", QTY)


async def test_killed_guardian_changes_nothing_for_the_engine(tmp_path):
    """The engine goes on to its target, and another guardian may watch."""
    async with open_place(tmp_path) as place:
        engine, guardian = await place.engine(), await place.guardian("close")
        await place.covered()
        await place.until(lambda: place.said("guarding"), "the guardian")
        guardian.send_signal(signal.SIGKILL)
        await place.ended(guardian)
        place.rise()
        await place.until(lambda: place.sold() == QTY, "the target")
        again = await place.guardian("close")
        await place.until(lambda: len(place.said("guarding")) == 2, "another guardian")
        assert (engine.poll(), again.poll(), place.rest.open_orders()) == (None, None, {})


async def test_cut_network_is_no_death_and_keeps_a_guardian_from_closing(tmp_path):
    """Cut off it lives, its stop rests. Killed then, with both cut: nobody can close, until the cable is back."""
    async with open_place(tmp_path) as place:
        engine, guardian = await place.engine(), await place.guardian("close")
        await place.covered()
        for cable in place.cables.values():
            cable.cut()
        await place.until(lambda: "private" in place.pulse().away, "an engine that knows it")
        await past_its_bound(place)
        assert (engine.poll(), guardian.poll(), place.sold(), place.stops()) == (None, None, 0, 1)
        await place.cables["engine"].mend()
        await place.until(lambda: not place.pulse().away, "the engine's way back")
        place.cables["engine"].cut()
        engine.send_signal(signal.SIGKILL)
        await place.until(lambda: place.alarmed("GUARDIAN_CANNOT_CLOSE"), "a guardian that cannot")
        assert (guardian.poll(), place.sold(), place.stops()) == (None, 0, 1)
        await place.cables["guardian"].mend()
        assert await place.ended(guardian) == Exit.DONE
        assert (place.sold(), place.rest.open_orders()) == (QTY, {})


async def test_key_of_another_account_is_refused_at_the_start(tmp_path):
    """Not when it counts: it cannot see the order that the engine has there."""
    async with open_place(tmp_path) as place:
        await place.engine()
        await place.covered()
        stranger = await place.guardian("close", "stranger")
        assert await place.ended(stranger) == Exit.USAGE
        assert "another account's key" in place.told()
