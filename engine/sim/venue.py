"""What the REST and WebSocket doors share: the core and what stands around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

from engine.seams.clock import Clock
from engine.sim.accounts import Account
from engine.sim.core import Core
from engine.sim.faults import Faults, NoFaults, Transport
from engine.sim.hub import Hub
from engine.sim.ids import Ids
from engine.sim.settings import SimSettings
from engine.sim.tokens import Tokens

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
    faults: Faults = field(default_factory=NoFaults)
    requests: list[Request] = field(default_factory=list)
    nursery: trio.Nursery | None = None
    connections: int = 0
    _readers: int = 0

    def next_reader(self) -> int:
        """Number a connection."""
        self._readers += 1
        return self._readers

    def account_of_key(self, api_key: str) -> Account | None:
        """Find the account of an API key."""
        return next((a for a in self.core.accounts.values() if a.api_key and a.api_key == api_key), None)

    def note(self, transport: Transport, method: str, cl_ord_id: object) -> None:
        """Record an order-bearing request at its arrival."""
        known = cl_ord_id if isinstance(cl_ord_id, str) else None
        self.requests.append((self.clock.now_ns(), transport, method, known))

    async def spawn(self, job: Callable[[], Awaitable[None]]) -> None:
        """Run a job that must outlive its connection in the background; inline when the exchange is not running."""
        if self.nursery is None:
            await job()
        else:
            self.nursery.start_soon(job)
