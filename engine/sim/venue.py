"""What the REST and WebSocket doors share: the core and what stands around it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from engine.seams.clock import Clock
from engine.sim.accounts import Account
from engine.sim.budgets import ConnectionBudget
from engine.sim.core import Core
from engine.sim.durability import Keeper
from engine.sim.fault_book import FaultBook
from engine.sim.faults import Transport
from engine.sim.gate import Gate
from engine.sim.hub import Hub
from engine.sim.ids import Ids
from engine.sim.keys import ApiKey, Lockout
from engine.sim.numbers import NS
from engine.sim.replica import Replica
from engine.sim.settings import SimSettings
from engine.sim.tokens import Tokens
from engine.sim.watching import Watcher

if TYPE_CHECKING:
    from engine.sim.ws import Connection

Request = tuple[int, Transport, str, str | None]  # ts_ns, transport, method, cl_ord_id


@dataclass
class Venue:
    """The inside of the exchange, handed to every connection. ``nursery`` is there while it is running."""

    settings: SimSettings
    clock: Clock
    ids: Ids
    core: Core
    hub: Hub
    tokens: Tokens
    keys: dict[str, ApiKey]  # by their public part
    watcher: Watcher
    lockout: Lockout
    budget: ConnectionBudget
    keeper: Keeper | None = None
    replica: Replica | None = None
    faults: FaultBook = field(default_factory=FaultBook)
    requests: list[Request] = field(default_factory=list)
    nursery: trio.Nursery | None = None
    sockets: dict[int, Connection] = field(default_factory=dict)
    http_gates: dict[int, Gate] = field(default_factory=dict)
    refusing_until: float = -math.inf  # new connections end at once (trio's clock)
    hidden: dict[str, int] = field(default_factory=dict)  # order id -> snapshots that will not show it
    _numbers: int = 0
    _readers: int = 0

    def next_reader(self) -> int:
        """Number a connection."""
        self._readers += 1
        return self._readers

    def next_number(self) -> int:
        """Number a request, so that both phases of its faults are told apart from those of others."""
        self._numbers += 1
        return self._numbers

    def symbol_of(self, params: Mapping[str, object]) -> str:
        """Return the symbol that a request is about, also by the order it names; "" when it tells none."""
        named = params.get("symbol", params.get("pair"))
        if isinstance(named, str):
            pair = self.settings.pair_named(named)
            return pair.symbol if pair is not None else ""
        ids = params.get("order_id", params.get("txid"))
        first = ids[0] if isinstance(ids, list) and ids else ids
        order = self.core.orders.get(first) if isinstance(first, str) else None
        return order.symbol if order is not None else self._symbol_by_client_id(params.get("cl_ord_id"))

    def _symbol_by_client_id(self, given: object) -> str:
        cl_ord_id = given[0] if isinstance(given, list) and given else given
        if not isinstance(cl_ord_id, str):
            return ""
        found = (account.open_by_cl_ord_id(cl_ord_id) for account in self.core.accounts.values())
        return next((order.symbol for order in found if order is not None), "")

    def note(self, transport: Transport, method: str, cl_ord_id: object) -> None:
        """Record an order-bearing request at its arrival."""
        known = cl_ord_id if isinstance(cl_ord_id, str) else None
        self.requests.append((self.clock.now_ns(), transport, method, known))
        keep = self.settings.keep_closed
        if keep is not None and len(self.requests) > 20 * keep:
            del self.requests[: -10 * keep]

    def lag_rest(self, lag_s: float) -> None:
        """Let REST queries see the clients' accounts as they were ``lag_s`` ago; from now on, if they saw all."""
        if lag_s <= 0:
            self.replica = None
        elif self.replica is not None:
            self.replica.lag_ns = round(lag_s * NS)
        else:
            self.replica = Replica(self.core, lag_s)

    def follow(self) -> None:
        """Keep the second copies: the store before anything is published, and the lagging view of REST."""
        self.watcher.watch(lambda changes: self.keeper.take(changes) if self.keeper is not None else None)
        self.watcher.watch(lambda changes: self.replica.take(changes) if self.replica is not None else None)

    def seen_by_rest(self, name: str) -> Account:
        """Return an account as a REST query sees it: to be read only."""
        return self.core.accounts[name] if self.replica is None else self.replica.account(name)

    async def spawn(self, job: Callable[[], Awaitable[None]]) -> None:
        """Run a job that must outlive its connection in the background; inline when the exchange is not running."""
        if self.nursery is None:
            await job()
        else:
            self.nursery.start_soon(job)
