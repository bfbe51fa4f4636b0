"""The simulated exchange as others use it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from engine.seams.chance import Chance
from engine.seams.clock import Clock
from engine.sim.accounts import Account
from engine.sim.core import Core
from engine.sim.faults import Faults
from engine.sim.house import House
from engine.sim.hub import Hub
from engine.sim.ids import Ids, draw_credentials
from engine.sim.numbers import NS
from engine.sim.scripted import ScriptPlayer
from engine.sim.server import Server
from engine.sim.settings import SimSettings
from engine.sim.synthetic import SyntheticMaker
from engine.sim.tokens import Tokens
from engine.sim.truth import Truth
from engine.sim.venue import Venue


class Exchange:
    """A Kraken in a process: REST and WebSocket v2 on one port, over TCP or any other byte stream.

    ``house`` moves the market, ``truth`` tells what happened, ``faults`` may be replaced at any time.
    """

    def __init__(self, settings: SimSettings, clock: Clock, chance: Chance) -> None:
        ids = Ids(chance, settings.boot)
        accounts = _make_accounts(settings, chance)
        core = Core(settings, clock, ids, accounts)
        self._chance = chance
        self._venue = Venue(settings, clock, ids, core, Hub(core), Tokens(ids, settings.token_life_s))
        self._server = Server(self._venue)
        self.settings, self.clock = settings, clock
        self.api_key, self.api_secret = accounts[0].api_key, accounts[0].api_secret
        self.house = House(core)
        self.truth = Truth(self._venue)

    @property
    def faults(self) -> Faults:
        """The object that decides what goes wrong."""
        return self._venue.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._venue.faults = faults

    def credentials(self, account: str) -> tuple[str, str]:
        """Return (API key, secret) of an account. Raises KeyError."""
        found = self._venue.core.accounts[account]
        return found.api_key, found.api_secret

    def set_status(self, status: str) -> None:
        """Enter a mode: ``online``, ``cancel_only``, ``post_only`` or ``maintenance``."""
        self._venue.core.set_status(status)

    def expire_tokens(self) -> None:
        """Make every WebSocket token invalid; running private subscriptions keep theirs."""
        self._venue.tokens.revoke_all()

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one connection until it ends: the handler for VirtualWire.listen and for TCP listeners."""
        await self._server.serve(stream)

    async def serve_tcp(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Listen on TCP until cancelled; ``task_status`` gets the port. Raises OSError when it is taken."""
        listeners = await trio.open_tcp_listeners(port, host=host)
        task_status.started(int(listeners[0].socket.getsockname()[1]))
        await trio.serve_listeners(self.serve, listeners)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the market moving, GTD orders ending and delayed requests going while the block runs."""
        async with trio.open_nursery() as nursery:
            self._venue.nursery = nursery
            nursery.start_soon(self._expire)
            for spec in self.settings.synthetic:
                makers, takers = (self._chance.stream(f"sim/{kind}/{spec.symbol}") for kind in ("makers", "takers"))
                nursery.start_soon(SyntheticMaker(self._venue.core, spec, makers, takers).run)
            if self.settings.script:
                nursery.start_soon(ScriptPlayer(self._venue.core, self.settings.script).run)
            try:
                yield
            finally:
                self._venue.nursery = None
                nursery.cancel_scope.cancel()

    async def _expire(self) -> None:
        """End GTD orders on time: sleep until the next one, at most a second, for the wall clock may be set."""
        while True:
            upcoming = self._venue.core.expire_due()
            ahead = 1.0 if upcoming is None else (upcoming - self._venue.clock.now_ns()) / NS
            await trio.sleep(min(max(ahead, 0.001), 1.0))


def _make_accounts(settings: SimSettings, chance: Chance) -> list[Account]:
    accounts: list[Account] = []
    for name, funds in settings.accounts.items():
        key, secret = draw_credentials(chance, name)
        if not accounts:
            key, secret = settings.api_key or key, settings.api_secret or secret
        accounts.append(Account(name, funds, (key, secret)))
    return accounts
