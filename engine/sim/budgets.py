"""Budgets of the edge: WebSocket attempts per address, messages per connection (protocol section 5.4)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from engine.sim.settings import SimSettings


class ConnectionBudget:
    """So many attempts within a rolling window, then a ban. All clients count as one address."""

    def __init__(self, settings: SimSettings) -> None:
        self._settings = settings
        self._attempts: deque[float] = deque()
        self._banned_until = 0.0

    def allows(self) -> bool:
        """Count one attempt and tell whether it may go on."""
        settings, now = self._settings, trio.current_time()
        if settings.connection_budget is None:
            return True
        if now < self._banned_until:
            return False
        while self._attempts and self._attempts[0] <= now - settings.connection_window_s:
            self._attempts.popleft()
        self._attempts.append(now)
        if len(self._attempts) <= settings.connection_budget:
            return True
        self._attempts.clear()
        self._banned_until = now + settings.connection_ban_s
        return False


class SecondBudget:
    """So many messages or calls within any second; those beyond do not count. None: as many as come."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._taken: deque[float] = deque()

    def allows(self) -> bool:
        """Count one and tell whether it is taken."""
        if self._most is None:
            return True
        now = trio.current_time()
        while self._taken and self._taken[0] <= now - 1:
            self._taken.popleft()
        if len(self._taken) >= self._most:
            return False
        self._taken.append(now)
        return True
