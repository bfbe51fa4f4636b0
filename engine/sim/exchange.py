"""The simulated exchange as others use it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Literal

import trio

from engine.net.wire import TcpWire, Wire
from engine.seams.chance import Chance
from engine.seams.clock import Clock
from engine.sim.accounts import Account
from engine.sim.budgets import ConnectionBudget
from engine.sim.control import Control
from engine.sim.core import Core
from engine.sim.fault_acts import act_upon
from engine.sim.fault_book import FaultBook
from engine.sim.fault_names import names_of
from engine.sim.faults import Faults
from engine.sim.house import House
from engine.sim.hub import Hub
from engine.sim.identity import make_keys
from engine.sim.ids import Ids
from engine.sim.keys import Lockout
from engine.sim.live import LiveSource
from engine.sim.numbers import NS
from engine.sim.replay import ReplayPlayer
from engine.sim.restoring import restore
from engine.sim.scripted import ScriptPlayer
from engine.sim.server import Server
from engine.sim.settings import SimSettings
from engine.sim.source_state import SourceState
from engine.sim.store import ExchangeStore
from engine.sim.synthetic import SyntheticMaker
from engine.sim.tokens import Tokens
from engine.sim.truth import Truth
from engine.sim.venue import Venue
from engine.sim.watching import Watcher
from engine.sim.ws import Connection


class Exchange:
    """A Kraken in a process: REST and WebSocket v2 on one port, over TCP or any other byte stream.

    ``house`` moves the market, ``truth`` tells what happened, ``faults`` may be replaced at any time.
    """

    def __init__(
        self,
        settings: SimSettings,
        clock: Clock,
        chance: Chance,
        *,
        store: ExchangeStore | None = None,
        wire: Wire | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """Make an exchange; with a store it goes on where that one's last exchange stood (see ``restoring``).

        ``wire`` leads to the source of a live market, TCP by default; ``tell`` is told in words what becomes of the
        market's source. Raises ValueError for settings that do not fit each other or the store.
        """
        ids = Ids(chance, settings.boot if store is None else max(settings.boot, store.boot))
        core = Core(settings, clock, ids, [Account(name, funds) for name, funds in settings.accounts.items()])
        keys = make_keys(settings, chance)
        self._keys = {key.name: key for key in keys}
        self._chance = chance
        self._venue = Venue(
            settings,
            clock,
            ids,
            core,
            Hub(core),
            Tokens(ids, settings.token_life_s),
            {key.public: key for key in keys},
            Watcher(core),
            Lockout(settings),
            ConnectionBudget(settings),
        )
        if store is not None:
            self._venue.keeper = restore(core, store, self._venue.keys)
        self._venue.lag_rest(settings.rest_lag_s)
        self._venue.follow()
        names = names_of(settings)
        self._venue.faults = self.fault_book = FaultBook(chance, names.before_only)
        self.fault_book.act = partial(act_upon, self)
        self.source = SourceState(tell)
        self._wire = wire or TcpWire()
        self._server = Server(self._venue, Control(self.fault_book, names, self.source.shown))
        self.settings, self.clock = settings, clock
        self.api_key, self.api_secret = keys[0].public, keys[0].secret
        self.house = House(core)
        self.truth = Truth(self._venue)

    @property
    def status(self) -> str:
        """The mode the venue is in."""
        return self._venue.core.status

    def status_of(self, symbol: str | None = None) -> str:
        """Return the mode of the venue, or a pair's own. Raises Refused for an unknown pair."""
        return self._venue.core.status if symbol is None else self._venue.core.market(symbol).status

    def account_named(self, name: str) -> Account:
        """Return an account, the default one for "". Raises KeyError."""
        return self._venue.core.accounts[name or next(iter(self.settings.accounts))]

    @property
    def faults(self) -> Faults:
        """The object that decides what goes wrong, beside what is set in ``fault_book``."""
        return self._venue.faults.beneath

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._venue.faults.beneath = faults

    def credentials(self, name: str) -> tuple[str, str]:
        """Return (API key, secret) of an account's first key, or of a further key by its name. Raises KeyError."""
        return self._keys[name].public, self._keys[name].secret

    def set_status(self, status: str, symbol: str | None = None) -> None:
        """Enter a mode: ``online``, ``cancel_only``, ``post_only`` or ``maintenance``; or let one pair enter one.

        A pair may also be ``limit_only``, ``reduce_only``, ``delisted`` or ``work_in_progress``. Raises Refused for
        an unknown pair or pair status.
        """
        if symbol is None:
            self._venue.core.set_status(status)
        else:
            self._venue.core.set_pair_status(symbol, status)

    def expire_tokens(self, *, in_use: bool = False) -> None:
        """Make every WebSocket token invalid. Running private subscriptions keep theirs, unless ``in_use``: then
        orders with them are refused as well, while the subscriptions go on.
        """
        self._venue.tokens.revoke_all(in_use=in_use)

    def lag_rest(self, lag_s: float) -> None:
        """Let REST queries see orders, trades and balances as they were ``lag_s`` ago, 0 = as they are.

        A lag that begins while the exchange runs starts from what is there now.
        """
        self._venue.lag_rest(lag_s)

    def refuse(self, seconds: float) -> None:
        """End every new connection at once for a while; zero ends that."""
        self._venue.refusing_until = trio.current_time() + seconds

    def fire_dead_man(self, account: str) -> int:
        """Cancel every open order of an account as its dead man's switch does, armed or not; return how many."""
        core = self._venue.core
        met = len(core.accounts[account].open)
        core.dead_man[account] = core.clock.now_ns()
        core.expire_due()
        return met

    def hide_in_snapshots(self, order_id: str, times: int = 1) -> None:
        """Leave an open order out of the next snapshots of ``executions``."""
        self._venue.hidden[order_id] = times

    def kick(self, code: int | None = None, reason: str = "", *, private: bool | None = None) -> int:
        """End the WebSockets there are, with a close code or (None) by breaking them; return how many.

        ``private`` chooses those with (True) or without (False) a private subscription.
        """
        chosen = self._sockets(private)
        for socket in chosen:
            if code is None:
                socket.kill()
            else:
                socket.close(code, reason)
        return len(chosen)

    def stall(
        self, seconds: float = math.inf, *, kind: Literal["ws", "rest", "all"] = "ws", private: bool | None = None
    ) -> int:
        """Let the connections there are go half-open for a while: nothing read, sent or answered, none closed.

        What was written meanwhile is delivered afterwards, beyond ``ws_out_frames`` it is lost. Zero seconds heal.
        Returns how many; new connections are well.
        """
        gates = [socket.gate for socket in self._sockets(private)] if kind != "rest" else []
        gates += list(self._venue.http_gates.values()) if kind != "ws" else []
        for gate in gates:
            gate.shut(seconds)
        return len(gates)

    def _sockets(self, private: bool | None) -> list[Connection]:
        sockets = self._venue.sockets.values()
        return [socket for socket in sockets if private in (None, bool(socket.subscriptions.private))]

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
            self.fault_book.add(self.settings.faults)
            nursery.start_soon(self.fault_book.run)
            nursery.start_soon(self._expire)
            for run in self._sources():
                nursery.start_soon(run)
            try:
                yield
            finally:
                self._venue.nursery = None
                nursery.cancel_scope.cancel()

    def _sources(self) -> Iterator[Callable[[], Awaitable[None]]]:
        """Return what moves the market."""
        settings, core = self.settings, self._venue.core
        for spec in settings.synthetic:
            makers, takers = (self._chance.stream(f"sim/{kind}/{spec.symbol}") for kind in ("makers", "takers"))
            yield SyntheticMaker(core, spec, makers, takers).run
        if settings.script:
            yield ScriptPlayer(core, settings.script).run
        if settings.replay is not None:
            yield ReplayPlayer(core, settings.replay, self.source).run
        if settings.live is not None:
            yield LiveSource(core, settings.live, self._wire, self._chance.stream("sim/live"), self.source).run

    async def _expire(self) -> None:
        """End GTD orders on time: sleep until the next one, at most a second, for the wall clock may be set."""
        while True:
            upcoming = self._venue.core.expire_due()
            if upcoming is not None and self._venue.keeper is not None:
                self._venue.keeper.beat()
            ahead = 1.0 if upcoming is None else (upcoming - self._venue.clock.now_ns()) / NS
            await trio.sleep(min(max(ahead, 0.001), 1.0))
