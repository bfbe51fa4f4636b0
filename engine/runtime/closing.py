"""Closing positions: asked for once, carried on until it is flat or its bound is reached, proved at the venue, told."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import structlog
import trio

from engine.errors import VenueUnavailable
from engine.runtime.close import Brackets, Close
from engine.runtime.close_report import CLOSE_ROW, CLOSED_ROW, CloseAsked, CloseReport, CloseScope
from engine.runtime.counting import Counting
from engine.runtime.services import Services
from engine.values.time import NS

log = structlog.get_logger()


class CloseDesk:
    """Carries closes on in the engine's own tasks: whoever asked may go away, and the next start goes on with them.

    While one runs no entry passes for what it closes; when it ends flat they pass again, else only after ``resume``.
    """

    def __init__(self, services: Services, brackets: Brackets, close_nursery: trio.Nursery) -> None:
        self._services, self._brackets, self._nursery = services, brackets, close_nursery
        self._closers: dict[str, set[str]] = {}  # closes under way by where they keep entries back
        self._running: set[Close] = set()
        self._left = self._replay()
        self._over = False

    def end(self) -> None:
        """Take no more closes: the engine ends, and what would carry them out has ended before it."""
        self._over = True

    def resume(self) -> None:
        """Go on with what an earlier process has left unfinished; the bound begins anew."""
        now_ns = self._services.clock.now_ns()
        for asked in self._left:
            bound_ns = now_ns + round(self._services.settings.close_bound_s * NS)
            log.warning("close.resumed", close_id=asked.close_id, what=asked.words)
            self._start(msgspec.structs.replace(asked, until_ns=bound_ns))
        self._left = []

    async def close(
        self,
        scope: CloseScope,
        name: str,
        reason: str,
        *,
        max_slippage_bps: Decimal | None = None,
        include_holdings: bool = False,
    ) -> CloseReport:
        """Close, and return the report; being cancelled ends the waiting alone. ``name`` as the journal spells it.

        Raises VenueUnavailable when the engine ends first, or has ended.
        """
        if self._over:
            raise VenueUnavailable("the engine has ended: ask the next one for the close")
        services, now_ns = self._services, self._services.clock.now_ns()
        settings = services.settings
        asked = CloseAsked(
            close_id=services.new_cl_ord_id(),
            scope=scope,
            name=name,
            reason=reason,
            asked_ns=now_ns,
            until_ns=now_ns + round(settings.close_bound_s * NS),
            wish_ns=now_ns + round(settings.close_wish_s * NS) if max_slippage_bps is not None else 0,
            max_slippage_bps=max_slippage_bps,
            include_holdings=include_holdings,
        )
        services.journal.append(CLOSE_ROW, asked, ts_ns=now_ns, signal_id=asked.close_id)
        log.warning("close.asked", close_id=asked.close_id, what=asked.words, why=reason)
        close = self._start(asked)
        await close.done.wait()
        if close.report is None:
            raise VenueUnavailable("the engine ended before the close had: the next start goes on with it")
        return close.report

    def abandon(self, why: str) -> None:
        """Break off every close under way: what is held is protected again, and no start goes on with it."""
        for close in self._running:
            close.abandon(why)

    def _start(self, asked: CloseAsked) -> Close:
        close = Close(self._services, self._brackets, asked)
        self._running.add(close)
        self._closers.setdefault(asked.where, set()).add(asked.close_id)
        if asked.scope != "signal":
            self._services.gate.close("CLOSING", f"close of {asked.words}: {asked.reason}", asked.where)
        close.end_entries()
        self._nursery.start_soon(self._run, close, name=f"close/{asked.close_id[:8]}")
        return close

    async def _run(self, close: Close) -> None:
        asked, services = close.asked, self._services
        try:
            await services.journal.sync()
            report = await close.run()
            services.journal.append(CLOSED_ROW, report, ts_ns=services.clock.now_ns(), signal_id=asked.close_id)
            await services.journal.sync()
            close.report = report
            tell = log.info if report.flat else log.error
            tell("close.ended", close_id=asked.close_id, flat=report.flat, took_s=report.took_s)
            self._let_pass(asked, flat=report.flat)
        finally:
            self._running.discard(close)
            close.done.set()

    def _let_pass(self, asked: CloseAsked, *, flat: bool) -> None:
        where, gate = asked.where, self._services.gate
        self._closers[where].discard(asked.close_id)
        if asked.scope == "signal":
            return
        if not flat:
            gate.close("NOT_FLAT", f"close of {asked.words} did not end flat: close again, or resume", where)
        else:
            gate.open("NOT_FLAT", where)
        if not self._closers[where]:
            gate.open("CLOSING", where)
        self._services.market.wake_all()

    def _replay(self) -> list[CloseAsked]:
        """Read what is unfinished, and keep entries back where a close did not end flat."""
        journal = self._services.journal
        counting = Counting(journal)
        for kind in (CLOSE_ROW, CLOSED_ROW):
            for row in journal.live_rows(kind):
                counting.take(row)
        for where in counting.not_flat:
            self._services.gate.close("NOT_FLAT", "an earlier close did not end flat: close again, or resume", where)
        return list(counting.closes.values())
