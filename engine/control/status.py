"""How a running engine is: counts, links, breaker, headroom, queues, journal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec
import trio

import engine as package
from engine.control.command import Arguments
from engine.control.desk import Desk
from engine.control.refusal import no_engine
from engine.journal.journal import Statistics
from engine.runtime.engine import Engine
from engine.runtime.statistics import OrderCounts


@runtime_checkable
class TellsLinks(Protocol):
    """A venue link that can describe its streams: each record has at least ``name`` and ``state``."""

    def link_records(self) -> Sequence[msgspec.Struct]:
        """Return one record for each link."""
        ...


@runtime_checkable
class TellsCounters(Protocol):
    """A venue link that models the venue's counters: each record has at least ``name``, ``level``, ``headroom``."""

    def counter_records(self) -> Sequence[msgspec.Struct]:
        """Return one record for each counter that has been charged."""
        ...


@runtime_checkable
class TellsBreaker(Protocol):
    """An engine whose entries stand behind a breaker: the record has at least ``state``."""

    def breaker_record(self) -> msgspec.Struct:
        """Return how the breaker stands."""
        ...


class LinkState(msgspec.Struct, frozen=True):
    """What is known of a link that tells nothing more. ``state`` is ``up`` when its stream is complete up to now."""

    name: str
    state: str
    since_s: float | None = None


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

    ``breaker`` is None while the engine has none; ``links`` and ``counters`` hold what the venue's link tells.
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
    links: list[dict[str, Any]]
    breaker: dict[str, Any] | None
    counters: list[dict[str, Any]]
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
        links=_links(engine),
        breaker=msgspec.to_builtins(engine.breaker_record()) if isinstance(engine, TellsBreaker) else None,
        counters=_counters(engine),
        queues=_queues(engine),
        messages=dict(sorted(services.desk.counts.items())),
        journal=engine.journal.statistics(),
    )


def _links(engine: Engine) -> list[dict[str, Any]]:
    link = engine.services.link
    if isinstance(link, TellsLinks):
        return [msgspec.to_builtins(record) for record in link.link_records()]
    since_s = link.unbroken_since_s
    up_s = None if since_s is None else round(trio.current_time() - since_s, 3)
    return [msgspec.to_builtins(LinkState("private", "down" if since_s is None else "up", up_s))]


def _counters(engine: Engine) -> list[dict[str, Any]]:
    link = engine.services.link
    records = link.counter_records() if isinstance(link, TellsCounters) else ()
    return [msgspec.to_builtins(record) for record in records]


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
