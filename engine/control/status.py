"""How a running engine is: counts, links, breaker, headroom, queues, journal."""

from __future__ import annotations

import os
from typing import Protocol, runtime_checkable

import msgspec
import trio

import engine as package
from engine.control.command import Arguments
from engine.control.desk import Desk
from engine.control.refusal import no_engine
from engine.journal.journal import Statistics
from engine.market.freshness import Freshness
from engine.net.link_view import LinkView
from engine.risk.breaker import Breaker, BreakerView
from engine.risk.trading_state import TradingStateName
from engine.runtime.cover import CoverView
from engine.runtime.engine import Engine
from engine.runtime.risk_desk import RiskView
from engine.runtime.services import Services
from engine.runtime.statistics import OrderCounts
from engine.runtime.trading_desk import TradingView
from engine.venue.protocol import Headroom, RestartBound


@runtime_checkable
class HasBreaker(Protocol):
    """Services whose entries stand behind a breaker."""

    breaker: Breaker


class Queues(msgspec.Struct, frozen=True):
    """What waits inside the engine, in messages, requests and subscribers."""

    requests_in_flight: int
    reports_unpublished: int
    strays: int
    subscribers: int
    live_orders: int
    suspect_orders: int


class Status(msgspec.Struct, frozen=True):
    """The engine now. ``orders`` counts since ``since_row``, when this engine started.

    ``cover`` is the gauge of what is or was held without a stop: by bracket, and in total since this engine started.
    ``restart_bound`` is how long protection may take, should this process end now and be started anew.
    ``breaker`` is None while the engine has none. ``trading_state`` is that of all trading, ``trading`` has the causes
    and the strategies that are halted by themselves. ``halted`` names every further reason that keeps entries back.
    """

    pid: int
    version: str
    uptime_s: float
    venue: str
    account: str
    mode: str
    since_row: int
    orders: OrderCounts
    execution_messages: int
    reports_published: int
    active_brackets: int
    active_orders: int
    links: tuple[LinkView, ...]
    breaker: BreakerView | None
    counters: list[Headroom]
    restart_bound: RestartBound
    cover: CoverView
    market: tuple[Freshness, ...]
    trading_state: TradingStateName
    trading: TradingView
    risk: RiskView
    halted: dict[str, str]
    queues: Queues
    messages: dict[str, int]
    journal: Statistics


async def tell_status(desk: Desk, arguments: Arguments) -> Status:  # noqa: ARG001 - one shape for all verbs
    """Describe the engine now."""
    engine = desk.engine
    if engine is None:
        raise no_engine("this journal")
    tally = await desk.count()
    services, identity = engine.services, engine.journal.identity
    return Status(
        pid=os.getpid(),
        version=package.__version__,
        uptime_s=round(trio.current_time() - desk.started_s, 3),
        venue=identity.venue,
        account=identity.account,
        mode=identity.mode,
        since_row=desk.since_row,
        orders=tally.counts,
        execution_messages=services.desk.counts["reports"],
        reports_published=services.bus.published,
        active_brackets=len(engine.active()),
        active_orders=sum(h.view.state != "settled" for h in services.desk.live.values()),
        links=services.link.links(),
        breaker=breaker_of(services),
        counters=services.link.headroom(),
        restart_bound=engine.restart_bound(),
        cover=engine.cover(),
        market=services.link.freshness(),
        trading_state=services.trading.view().state,
        trading=services.trading.view(),
        risk=services.risk.view(),
        halted=services.gate.reasons(),
        queues=_queues(engine),
        messages=dict(sorted(services.desk.counts.items())),
        journal=engine.journal.statistics(),
    )


def breaker_of(services: Services) -> BreakerView | None:
    """Return the breaker's state; None while the engine has none."""
    return services.breaker.view(trio.current_time()) if isinstance(services, HasBreaker) else None


def _queues(engine: Engine) -> Queues:
    services = engine.services
    return Queues(
        requests_in_flight=services.sender.in_flight,
        reports_unpublished=services.bus.waiting,
        strays=services.desk.strays,
        subscribers=services.bus.subscribers,
        live_orders=len(services.desk.live),
        suspect_orders=sum(handle.suspect for handle in services.desk.live.values()),
    )
