"""Somebody who starts a second engine on the directory of one that runs: it must be refused before it does anything."""

from __future__ import annotations

import trio

from engine.chaos.invariants.base import Court
from engine.chaos.invariants.outputs import OneWriter
from engine.chaos.supervisor import Supervisor
from engine.chaos.world import World


async def start_beside(at_s: float, world: World, supervisor: Supervisor, court: Court) -> None:
    """Do it once, ``at_s`` seconds from now, when one runs."""
    await trio.sleep(at_s)
    await supervisor.wait_up()
    refusal = await world.boot_beside()
    court.trace.note("operator", "", f"starts a second engine: {refusal or 'nobody refuses it'}")
    if not refusal:
        court.broken(OneWriter.name, "a second engine has started beside the first", "beside")
