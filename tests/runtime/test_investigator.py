"""When the investigation asks for a fresh snapshot, by itself."""

from __future__ import annotations

from typing import Any, cast

import trio

from engine.runtime.investigator import Investigator
from engine.runtime.order_desk import OrderDesk
from engine.runtime.settings import EngineSettings
from engine.venue.protocol import Standing, VenueLink
from tests.runtime.test_poll_task import resting


class Asked:
    """A private stream that is not complete yet, and how often it was given up for a fresh snapshot."""

    def __init__(self) -> None:
        self.standing: Standing | None = None
        self.refreshed = 0

    def refresh(self) -> None:
        """Count."""
        self.refreshed += 1


async def test_stream_on_its_way_is_not_given_up_for_a_snapshot_that_it_brings(autojump_clock: Any) -> None:
    """Two orders' cancels are refused as of unknown orders: one snapshot serves both, and later ones come rarely."""
    desk, link = OrderDesk(), Asked()
    for handle in (resting(1), resting(2)):
        handle.disown()
        desk.live[handle.view.cl_ord_id] = handle
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Investigator(EngineSettings(), desk, cast("VenueLink", link)).run)
        await trio.sleep(30)
        assert link.refreshed == 0
        link.standing = Standing(trio.current_time(), 1, 1, trio.current_time(), 1)
        await trio.sleep(0.9)
        assert link.refreshed == 1
        await trio.sleep(10)
        assert link.refreshed <= 4
        nursery.cancel_scope.cancel()
