"""How the engine does, for the board: links, budgets, losses, cover."""

from __future__ import annotations

from typing import Final

import trio

from engine.control.board import BoardHealth, BoardMarket
from engine.runtime.engine import Engine
from engine.venue.protocol import RestartBound

BOUND_EVERY_S: Final = 5.0
"""The restart bound looks at every order of every bracket."""


class HealthDesk:
    """Looks when it is asked."""

    def __init__(self, engine: Engine, started_s: float) -> None:
        self._engine, self._started_s = engine, started_s
        self._bound: RestartBound | None = None
        self._bound_s = 0.0

    async def look(self) -> BoardHealth:
        """Return the figures of this moment. Other tasks run between what takes long with many brackets and pairs."""
        engine, services, now_s = self._engine, self._engine.services, trio.current_time()
        cover = engine.cover()
        await trio.lowlevel.checkpoint()
        bound = self._restart_bound(now_s)
        await trio.lowlevel.checkpoint()
        counters = tuple(services.link.headroom())
        await trio.lowlevel.checkpoint()
        return BoardHealth(
            uptime_s=round(now_s - self._started_s, 1),
            links=services.link.links(),
            counters=counters,
            breaker=services.breaker.view(now_s),
            risk=services.risk.view(),
            markets=tuple(
                BoardMarket(m.symbol, m.status, m.usable, m.fault, m.update_age_s, m.latency_s, m.resyncs)
                for m in services.link.freshness()
            ),
            uncovered_qty_s=cover.total_qty_s,
            cover_bound_s=cover.bound_s,
            restart_bound=bound,
            in_flight=services.sender.in_flight,
            journal_rows=engine.journal.head[0],
        )

    def _restart_bound(self, now_s: float) -> RestartBound:
        if self._bound is None or now_s >= self._bound_s:
            self._bound, self._bound_s = self._engine.restart_bound(), now_s + BOUND_EVERY_S
        return self._bound
