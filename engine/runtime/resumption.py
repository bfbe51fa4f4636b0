"""After a restart: the venue is asked about every order that was left, then the brackets are let act."""

from __future__ import annotations

from typing import Protocol

import structlog
import trio

from engine.errors import VenueError
from engine.runtime.bracket_scope import BracketScope
from engine.runtime.bracket_scopes import BracketScopes, bare_qty, tell_bound
from engine.runtime.order_desk import OrderHandle
from engine.runtime.recovery import Unfinished, reconcile, wait_taken
from engine.runtime.services import Services

log = structlog.get_logger()

QUERY_BOUND_S = 30.0
"""One round of questions after a restart while no stream stands: then they are asked anew."""


class LostAndFound(Protocol):
    """Takes reports without a scope to where they belong."""

    def look_up(self) -> None:
        """Route those whose order has a scope by now."""
        ...

    async def place(self) -> None:
        """Give orders that the journal has lost back to their brackets."""
        ...


class Resumption:
    """Brings back what an earlier process has left unfinished; ``left`` as its journal tells."""

    def __init__(self, services: Services, brackets: BracketScopes, left: list[Unfinished]) -> None:
        self._services, self._brackets = services, brackets
        self._left_ns = min((one.opened_ns for one in left), default=0)
        self._scopes = brackets.rebuild(left)

    async def run(self, strays: LostAndFound) -> None:
        """Ask the venue about every order of rebuilt brackets, give forgotten ones back, then let the brackets act.

        Returns when they act. While the venue cannot be asked it is asked again; with a complete private stream
        protection waits no longer than ``resume_bound_s`` for REST.
        """
        scopes = self._scopes
        for scope in scopes:
            await scope.begun.wait()
        handles = _handles(scopes)
        tell_bound(self._brackets.restart_bound())
        if scopes:
            await self._reconcile(handles, strays)
        await strays.place()
        await wait_taken(_handles(scopes))
        for scope in sorted(scopes, key=lambda one: bare_qty(one.bracket), reverse=True):  # naked quantity first
            scope.release()
        if scopes:
            log.info("brackets.resumed", brackets=len(scopes), orders=len(handles))

    async def _reconcile(self, handles: list[OrderHandle], strays: LostAndFound) -> None:
        services = self._services
        until_s = trio.current_time() + services.settings.resume_bound_s
        pause_s = 0.5
        while True:
            strays.look_up()  # the snapshot came before the scopes
            bound_s = until_s if services.stream_up() else trio.current_time() + QUERY_BOUND_S
            with trio.move_on_at(max(bound_s, trio.current_time() + pause_s)):
                try:
                    await reconcile(services.desk, services.link, handles, self._left_ns)
                    return
                except VenueError as error:
                    log.warning("reconcile.failed", error=str(error))
                await trio.sleep(pause_s)
            if trio.current_time() >= until_s and services.stream_up():
                log.warning("reconcile.put_off", why="REST does not answer; the stream's snapshot must do")
                return
            pause_s = min(pause_s * 2, 10.0)


def _handles(scopes: list[BracketScope]) -> list[OrderHandle]:
    return [handle for scope in scopes for handle in scope.orders.handles.values()]
