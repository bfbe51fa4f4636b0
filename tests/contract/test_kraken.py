"""The Kraken adapter conforms; adapters that do not are found, by the name of the check."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import trio

from engine.kraken.capabilities import KRAKEN_SPOT
from engine.kraken.nonce import MemoryNonceStore
from engine.kraken.nonce_file import FileNonceStore
from engine.kraken.settings import Secret
from engine.kraken.venue import KrakenVenue
from engine.market.topics import MarketChannel
from engine.net.wire import TcpWire, open_virtual_wire
from engine.orders.commands import OrderType, TimeInForce
from engine.seams.chance import SeededChance, SystemChance
from engine.seams.clock import SystemClock, VirtualClock
from engine.sim import Exchange, SimSettings
from engine.venue.capabilities import AmendField, Capabilities, Question
from engine.venue.contract import CHECKS, examine
from engine.venue.findings import ContractReport, Verdict
from engine.venue.ground import Ground
from engine.venue.protocol import Venue
from tests.contract.impostors import (
    CallsAcceptedRefused,
    CallsRefusalsAccepted,
    Careless,
    CountsNoOrders,
    Deaf,
    FlattensCandles,
    ForgetsMissedFills,
    HidesBreaks,
    Impostor,
    LosesCanceled,
    LosesOneFill,
    Nameless,
    NeverAnswersCancels,
    RepeatsFills,
    Shallow,
    ShrinksHistory,
    StopsForTargets,
    SwapsBatchAnswers,
)
from tests.contract.rehearsal import HOST, prepare, settings_of

PARTS = 3


@contextlib.asynccontextmanager
async def virtual(**changes: Any) -> AsyncIterator[tuple[KrakenVenue, Ground]]:
    """Give the adapter in front of an exchange on a virtual wire."""
    clock, chance = VirtualClock(), SeededChance(11)
    exchange = Exchange(SimSettings(), clock, chance)
    async with exchange.running(), open_virtual_wire(random.Random(11)) as wire:
        wire.listen(HOST, 80, exchange.serve)
        settings = settings_of(exchange, HOST, **changes)
        venue = KrakenVenue(settings, wire=wire, clock=clock, chance=chance, nonces=MemoryNonceStore())
        yield venue, prepare(exchange)


async def judged(
    venue: Venue, ground: Ground, manifest: Capabilities = KRAKEN_SPOT, only: tuple[str, ...] = ()
) -> ContractReport:
    """Examine on virtual time."""
    return await examine(venue, manifest, ground, clock=VirtualClock(), chance=SeededChance(5), only=only)


@pytest.mark.parametrize("via", ["ws", "rest"])
async def test_kraken_conforms_whole(autojump_clock: Any, via: str) -> None:
    """Every check passes and none is left out, whichever way orders go."""
    async with virtual(orders_via=via) as (venue, ground):
        report = await judged(venue, ground)
    assert report.conforms, f"\n{report}"
    assert [finding.verdict for finding in report.findings] == [Verdict.PASSED] * len(CHECKS), f"\n{report}"
    assert report.venue == venue.identity


@pytest.mark.tcp
async def test_kraken_conforms_over_tcp(tmp_path: Path) -> None:
    """The same over real sockets and the real clock, in parts: one account's rate counter would make it wait.

    What waits for an order to expire is left to virtual time.
    """
    names = [check.name for check in CHECKS if check.name != "gtd_expires"]
    parts = [tuple(names[first::PARTS]) for first in range(PARTS)]
    reports: list[ContractReport] = []

    async def examine_part(names: tuple[str, ...]) -> None:
        clock, chance = SystemClock(), SystemChance()
        exchange = Exchange(SimSettings(), clock, chance)
        ground = prepare(exchange)
        async with exchange.running(), trio.open_nursery() as nursery:
            port = await nursery.start(exchange.serve_tcp)
            settings = settings_of(exchange, f"127.0.0.1:{port}", tier="pro")
            nonces = FileNonceStore(tmp_path / str(port))
            venue = KrakenVenue(settings, wire=TcpWire(), clock=clock, chance=chance, nonces=nonces)
            reports.append(await examine(venue, KRAKEN_SPOT, ground, clock=clock, chance=chance, only=names))
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for part in parts:
            nursery.start_soon(examine_part, part)
    assert sum(len(report.findings) for report in reports) == len(names)
    for report in reports:
        assert len(report.having(Verdict.PASSED)) == len(report.findings), f"\n{report}"


@pytest.mark.parametrize(
    ("alteration", "found"),
    [
        ({"sink": LosesCanceled}, "cancel_is_reported"),
        ({"sink": LosesOneFill}, "fills_add_up"),
        ({"sink": RepeatsFills}, "a_fill_is_told_once"),
        ({"sink": Nameless}, "cl_ord_id_is_echoed"),
        ({"sink": ForgetsMissedFills}, "reconnect_keeps_reports"),
        ({"sink": HidesBreaks}, "reconnect_keeps_orders"),
        ({"link": CallsRefusalsAccepted}, "refusal_is_told_truly"),
        ({"link": CallsAcceptedRefused}, "place_is_reported"),
        ({"link": NeverAnswersCancels}, "cancel_is_reported"),
        ({"link": ShrinksHistory}, "history_equals_stream"),
        ({"link": SwapsBatchAnswers}, "batch_is_answered_in_order"),
        ({"link": Careless}, "post_only_never_takes"),
        ({"link": Careless}, "fok_is_all_or_nothing"),
        ({"link": Careless}, "gtd_expires"),
        ({"link": Careless}, "conditional_close_follows_a_fill"),
        ({"link": Careless}, "self_trade_is_prevented"),
        ({"link": StopsForTargets}, "take_profit_rests"),
        ({"link": StopsForTargets}, "take_profit_limit_rests"),
        ({"link": StopsForTargets}, "trailing_stop_fires"),
        ({"link": CountsNoOrders}, "headroom_follows_orders"),
        ({"link": Shallow}, "book_depths_are_kept"),
        ({"sink": Deaf}, "ticker_is_told"),
        ({"sink": FlattensCandles}, "candles_are_told"),
    ],
)
async def test_impostor_is_found_by_name(
    autojump_clock: Any, alteration: dict[str, Callable[[Any], Any]], found: str
) -> None:
    """An adapter with one lie in it does not conform: the check that is about this lie says so."""
    async with virtual() as (venue, ground):
        report = await judged(Impostor(venue, **alteration), ground, only=(found,))
    caught = {finding.name: finding for finding in report.having(Verdict.FAILED, Verdict.LACKING)}
    assert found in caught, f"\n{report}"
    assert not report.conforms
    assert caught[found].reason


async def test_manifest_decides_between_lacking_and_not_offered(autojump_clock: Any) -> None:
    """The same fault is lacking when it was offered, and not even tried when it was not."""
    only = ("history_equals_stream", "place_is_reported")
    async with virtual() as (venue, ground):
        impostor = Impostor(venue, link=ShrinksHistory)
        offered = await judged(impostor, ground, only=only)
        modest = await judged(
            impostor, ground, msgspec.structs.replace(KRAKEN_SPOT, second_opinion=frozenset()), only=only
        )
    assert {f.name: f.verdict for f in offered.findings} == {
        "place_is_reported": Verdict.PASSED,
        "history_equals_stream": Verdict.LACKING,
    }
    assert {f.name: f.verdict for f in modest.findings}["history_equals_stream"] is Verdict.NOT_OFFERED
    assert modest.conforms


async def test_hands_that_are_not_lent_are_said(autojump_clock: Any) -> None:
    """Without a hand to cut the connection, what needs one is not tried, and the report says why."""
    async with virtual() as (venue, ground):
        report = await judged(
            venue, msgspec.structs.replace(ground, cut=None), only=("reconnect_keeps_orders", "reconnect_keeps_reports")
        )
    assert [(f.verdict, "cut" in f.reason) for f in report.findings] == [(Verdict.NOT_OFFERED, True)] * 2


async def test_venue_that_does_not_open_fails_every_check(autojump_clock: Any) -> None:
    """What the adapter raises is a finding with its class and words, not an exception."""
    async with virtual(api_key=Secret("wrong")) as (venue, ground):
        report = await judged(venue, ground, only=("place_is_reported",))
    assert [(f.verdict, "EAPI:Invalid key" in f.reason) for f in report.findings] == [(Verdict.FAILED, True)]


async def test_unknown_check_is_refused(autojump_clock: Any) -> None:
    """A name that no check has is a mistake of the caller."""
    async with virtual() as (venue, ground):
        with pytest.raises(ValueError, match="no such check: nonsense"):
            await judged(venue, ground, only=("nonsense",))


async def test_nothing_is_left_behind(autojump_clock: Any) -> None:
    """After all checks no order is open, and the account holds as many coins as before."""
    clock, chance = VirtualClock(), SeededChance(11)
    exchange = Exchange(SimSettings(), clock, chance)
    before = exchange.truth.balances()["BTC"]
    async with exchange.running(), open_virtual_wire(random.Random(11)) as wire:
        wire.listen(HOST, 80, exchange.serve)
        venue = KrakenVenue(
            settings_of(exchange, HOST), wire=wire, clock=clock, chance=chance, nonces=MemoryNonceStore()
        )
        ground = prepare(exchange)
        await judged(Impostor(venue, sink=LosesCanceled), ground)
    assert exchange.truth.orders
    assert not [order for order in exchange.truth.orders.values() if order.is_open]
    assert exchange.truth.balances()["BTC"] == before


def _named(more: dict[str, Any]) -> str:
    """Name a case the same in every process: sets have no order of their own."""
    return " ".join(
        f"{name}={'+'.join(sorted(map(str, what))) if isinstance(what, frozenset) else what}"
        for name, what in more.items()
    )


@pytest.mark.parametrize(
    "more",
    [
        *({"order_types": frozenset((name,))} for name in get_args(OrderType) if name not in ("limit", "market")),
        *({"time_in_force": frozenset((name,))} for name in get_args(TimeInForce) if name != "gtc"),
        *({"market_data": frozenset((name, "book"))} for name in get_args(MarketChannel) if name != "book"),
        *({"second_opinion": frozenset((name,))} for name in get_args(Question)),
        *({"amend": frozenset((name,))} for name in get_args(AmendField)),
        {"market_data": frozenset()},
        {"post_only": True},
        {"conditional_close": True},
        {"self_trade_prevention": frozenset(("cancel_newest",))},
        {"book_depths": frozenset((10,))},
        {"deadlines": True},
    ],
    ids=_named,
)
def test_nothing_can_be_offered_that_no_check_tries(more: dict[str, Any]) -> None:
    """Each member of the manifest, and each word in it, decides about a check: what an order can say is tried."""
    base = Capabilities(
        order_types=frozenset(("limit", "market", "stop-loss")),
        time_in_force=frozenset(("gtc",)),
        market_data=frozenset(("book",)),
    )
    known = base.order_types | more.get("order_types", frozenset())
    offered = msgspec.structs.replace(base, **more | {"order_types": known})
    if more.get("order_types") == frozenset(("stop-loss",)):
        base = msgspec.structs.replace(base, order_types=frozenset(("limit", "market")))

    def tried(manifest: Capabilities) -> set[str]:
        return {check.name for check in CHECKS if check.offer is None or check.offer(manifest)}

    assert tried(offered) != tried(base)
