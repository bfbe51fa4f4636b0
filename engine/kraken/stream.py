"""One connection after another to one of Kraken's WebSocket addresses, watched, for ever (§5.4, §6.2)."""

from __future__ import annotations

import itertools
import math
import random
import ssl
from typing import Protocol

import structlog
import trio

from engine.errors import VenueError
from engine.kraken import ws
from engine.kraken.settings import KrakenSettings
from engine.net.backoff import Backoff
from engine.net.budget import RollingBudget
from engine.net.link_monitor import LinkMonitor
from engine.net.wire import Wire
from engine.venue.protocol import Lane

log = structlog.get_logger()

SETTLED_S = 5.0
"""A stream that was complete for so long is soon tried again when it goes: one try in five seconds, for ever, is what
the connection budget allows."""
HANDFUL = 3
"""So many tries in a row stay within a second: drops are routine, and most are over at once."""
MAINTENANCE_PAUSE_S = 5.0
"""Kraken asks for at least this between two tries after maintenance."""


class Speaker(Protocol):
    """What is said on the connections of one stream."""

    async def prepare(self) -> None:
        """Get ready for a connection. May raise VenueError: then there is none."""
        ...

    async def serve(self, socket: ws.Socket) -> None:
        """Speak and listen until the connection ends, which raises."""
        ...

    def lose(self, why: str) -> None:
        """Learn that a connection that was served has ended; it is closed afterwards."""
        ...

    def failed(self, error: VenueError) -> None:
        """Learn of an error behind a failure."""
        ...


class Stream:
    """Keeps one link up: dials within the budget, backs off, pings, gives up what is dead. Its monitor tells all."""

    def __init__(
        self,
        name: str,
        url: str,
        tls: ssl.SSLContext | None,
        *,
        settings: KrakenSettings,
        wire: Wire,
        rng: random.Random,
        budget: RollingBudget,
    ) -> None:
        self.name = name
        self._url, self._tls, self._settings, self._wire, self._budget = url, tls, settings, wire, budget
        self._backoff = Backoff(rng, settings.backoff_first_s, settings.backoff_most_s, SETTLED_S, HANDFUL)
        self._complete_s = math.inf
        self.monitor = LinkMonitor(name, settings.link)
        self.req_ids = itertools.count(1)
        self.mode = "online"
        """The venue's mode as this connection's ``status`` frames tell it."""
        self.why = "never connected"

    async def run(self, speaker: Speaker) -> None:
        """Keep the stream up until cancelled."""
        try:
            while True:
                self._complete_s = math.inf
                self.monitor.dial(trio.current_time())
                self.why = await self._live_once(speaker)
                self.monitor.lost(trio.current_time(), self.why)
                await self._pause()
        finally:
            self.monitor.stopped(trio.current_time())

    def complete(self) -> None:
        """Note that the connection has said all there is up to now."""
        self._complete_s, self.why = trio.current_time(), ""
        self.monitor.complete(self._complete_s)

    async def _pause(self) -> None:
        lived_s = max(0.0, trio.current_time() - self._complete_s)
        wait_s = self._backoff.next_s(lived_s)
        if self.mode == "maintenance":
            wait_s = max(wait_s, MAINTENANCE_PAUSE_S)
        tries = self.monitor.failures_in_a_row
        log.warning("link.lost", link=self.name, why=self.why, retry_in_s=round(wait_s, 3), failures=tries)
        await trio.sleep(wait_s)

    async def _live_once(self, speaker: Speaker) -> str:
        why = "closed"
        try:
            await speaker.prepare()
            await self._budget.take()  # after what may take long, so that it counts when the connection is made
            async with ws.open_socket(
                self._wire,
                self._url,
                self._tls,
                user_agent=self._settings.user_agent,
                connect_timeout_s=self._settings.connect_timeout_s,
                silence_bound_s=self._settings.heartbeat_bound_s,
                monitor=self.monitor,
            ) as socket:
                why = await self._converse(speaker, socket)
        except* ws.LOST as group:
            why = ws.why(group.exceptions)
        except* VenueError as group:
            why = ws.why(group.exceptions)
            _tell(speaker, group)
        return why

    async def _converse(self, speaker: Speaker, socket: ws.Socket) -> str:
        """Serve a connection to its end; what waits for it learns that before the closing handshake."""
        self.monitor.connected(trio.current_time())
        why = "closed"
        try:
            async with trio.open_nursery() as connection_nursery:
                connection_nursery.start_soon(self._watch, socket, name=f"link/{self.name}/watch")
                await speaker.serve(socket)
        except* ws.LOST as group:
            why = ws.why(group.exceptions)
        except* VenueError as group:
            why = ws.why(group.exceptions)
            _tell(speaker, group)
        self.why = why
        speaker.lose(why)
        return why

    async def _watch(self, socket: ws.Socket) -> None:
        """Ping, and give the connection up when its monitor says so."""
        policy = self._settings.link
        ping_s = trio.current_time() + policy.ping_every_s
        while True:
            await trio.sleep(policy.look_every_s)
            now_s = trio.current_time()
            if why := self.monitor.look(now_s):
                socket.abandon(why)
                return
            if now_s >= ping_s:
                ping_s = now_s + policy.ping_every_s
                if not await socket.turn(Lane.CANCEL):
                    return
                number = next(self.req_ids)
                self.monitor.pinged(number, trio.current_time())
                await socket.send(f'{{"method":"ping","req_id":{number}}}')


def _tell(speaker: Speaker, group: BaseExceptionGroup[VenueError]) -> None:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            _tell(speaker, error)
        else:
            speaker.failed(error)
