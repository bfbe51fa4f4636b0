"""What is known of balances before the venue has told any."""

from __future__ import annotations

from decimal import Decimal

import trio
import trio.testing

from engine.runtime.balance_desk import BalanceDesk
from engine.seams.clock import SystemClock
from engine.venue.protocol import Balance


async def test_who_asks_before_the_first_balances_waits_for_them(autojump_clock: trio.testing.MockClock) -> None:
    """A signal given right after a start was denied for a balance that came a moment later."""
    desk = BalanceDesk(SystemClock())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.wait_told)
        await trio.testing.wait_all_tasks_blocked()
        assert (desk.told, len(nursery.child_tasks)) == (False, 1)
        desk.opened([Balance("USD", Decimal(5))])
    assert desk.told


async def test_an_empty_account_is_told_too() -> None:
    """Nobody waits for balances that do not exist."""
    desk = BalanceDesk(SystemClock())
    desk.opened([])
    assert desk.told
