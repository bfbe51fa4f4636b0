"""The conformance kit: put an adapter through the engine's contract against its exchange.

Every check opens the venue anew, does one thing and takes back what it placed. It needs no test framework::

    report = await examine(
        MyVenue(settings, ...),
        Capabilities(
            order_types=frozenset(("limit", "market")),
            time_in_force=frozenset(("gtc", "ioc")),
            amend=frozenset(("order_qty",)),
            second_opinion=frozenset(("open_orders", "query_orders")),
        ),
        Ground(
            symbol="BTC/USD",
            qty=Qty(Decimal("0.001")),
            sweep_qty=Qty(Decimal("0.02")),
            resting_price=Price(Decimal("10000.0")),
            stop_price=Price(Decimal("9000.0")),
            unaffordable_qty=Qty(Decimal("1000")),
        ),
        clock=SystemClock(),
        chance=SystemChance(),
    )
    print(report)                 # one line for each check
    assert report.conforms        # nothing failed, nothing that the manifest offers is lacking

On an exchange that is not simulated this trades real money: market orders of ``sweep_qty`` are bought and sold again.
``Ground.cut``, ``take`` and ``move`` are hands that a simulated exchange lends; without them the checks that need
them are told as not offered. Begin with an empty manifest and add to it what passes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

import trio

from engine.seams.chance import Chance
from engine.seams.clock import Clock
from engine.venue import market_checks as market
from engine.venue import opinion_checks as opinion
from engine.venue import order_checks as orders
from engine.venue import term_checks as terms
from engine.venue.capabilities import Capabilities
from engine.venue.findings import ContractReport, Finding, Verdict
from engine.venue.ground import Ground
from engine.venue.protocol import Venue
from engine.venue.trial import Trial
from engine.venue.witness import Breach, Witness

CHECK_BOUND_S = 120.0
"""One check with its opening and closing: several waits of a trial's patience."""
TIDY_BOUND_S = 30.0

Offer = Callable[[Capabilities], bool]


@dataclass(frozen=True)
class Check:
    """One check. Without ``offer`` every adapter must pass it; ``hands`` names what the ground must lend."""

    run: Callable[[Trial], Awaitable[None]]
    offer: Offer | None = None
    hands: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name under which it is reported."""
        return self.run.__name__


def _market(manifest: Capabilities) -> bool:
    return "market" in manifest.order_types


def _stop(manifest: Capabilities) -> bool:
    return "stop-loss" in manifest.order_types


def _trailing(manifest: Capabilities) -> bool:
    return "trailing-stop" in manifest.order_types


def _book(manifest: Capabilities) -> bool:
    return "book" in manifest.market_data


CHECKS = (
    Check(orders.opens_complete),
    Check(orders.instrument_has_steps),
    Check(orders.place_is_reported),
    Check(orders.cl_ord_id_is_echoed),
    Check(orders.refusal_is_told_truly),
    Check(orders.cancel_is_reported),
    Check(orders.cancel_of_ended_order_is_refused),
    Check(orders.two_orders_are_told_apart),
    Check(opinion.refresh_brings_a_snapshot),
    Check(opinion.reconnect_keeps_orders, hands=("cut",)),
    Check(opinion.reconnect_keeps_reports, hands=("cut", "take")),
    Check(orders.fills_add_up, _market),
    Check(orders.a_fill_is_told_once, _market),
    Check(orders.ioc_never_rests, lambda m: "ioc" in m.time_in_force),
    Check(orders.stop_rests, _stop),
    Check(orders.stop_limit_rests, lambda m: "stop-loss-limit" in m.order_types),
    Check(orders.stop_fires, _stop, hands=("move",)),
    Check(terms.take_profit_rests, lambda m: "take-profit" in m.order_types),
    Check(terms.take_profit_limit_rests, lambda m: "take-profit-limit" in m.order_types),
    Check(terms.trailing_stop_rests, _trailing),
    Check(terms.trailing_stop_fires, lambda m: _trailing(m) and _market(m), hands=("move",)),
    Check(terms.post_only_never_takes, lambda m: m.post_only and _book(m)),
    Check(terms.fok_is_all_or_nothing, lambda m: "fok" in m.time_in_force and _book(m)),
    Check(terms.gtd_expires, lambda m: "gtd" in m.time_in_force),
    Check(terms.conditional_close_follows_a_fill, lambda m: m.conditional_close and _market(m)),
    Check(terms.self_trade_is_prevented, lambda m: bool(m.self_trade_prevention) and _book(m)),
    Check(orders.amend_of_quantity, lambda m: "order_qty" in m.amend),
    Check(orders.amend_of_price, lambda m: "limit_price" in m.amend),
    Check(orders.amend_of_trigger, lambda m: "trigger_price" in m.amend and _stop(m)),
    Check(orders.amend_of_ended_order_is_refused, lambda m: bool(m.amend)),
    Check(orders.batch_is_answered_in_order, lambda m: m.most_in_batch_add >= 3),
    Check(orders.batch_member_can_fail_alone, lambda m: m.most_in_batch_add >= 3),
    Check(orders.batch_of_cancels, lambda m: m.most_in_batch_cancel >= 2),
    Check(orders.passed_deadline_places_nothing, lambda m: m.deadlines),
    Check(opinion.open_orders_agree, lambda m: "open_orders" in m.second_opinion),
    Check(opinion.closed_orders_agree, lambda m: "closed_orders" in m.second_opinion),
    Check(opinion.order_by_id_agrees, lambda m: "query_orders" in m.second_opinion),
    Check(opinion.history_equals_stream, lambda m: "trades_since" in m.second_opinion and _market(m)),
    Check(opinion.balances_follow_fills, lambda m: "balances" in m.second_opinion and _market(m)),
    Check(opinion.headroom_follows_orders),
    Check(market.book_is_verified, _book),
    Check(market.book_depths_are_kept, lambda m: _book(m) and bool(m.book_depths)),
    Check(market.public_trades_are_told, lambda m: "trade" in m.market_data and _market(m)),
    Check(market.ticker_is_told, lambda m: "ticker" in m.market_data),
    Check(market.candles_are_told, lambda m: "ohlc" in m.market_data and _market(m)),
    Check(market.unknown_symbol_is_refused, _book),
)


async def examine(
    venue: Venue,
    manifest: Capabilities,
    ground: Ground,
    *,
    clock: Clock,
    chance: Chance,
    only: Collection[str] = (),
) -> ContractReport:
    """Run the checks (or ``only`` those of these names) one after the other, and return what was found.

    Raises ValueError for a name that no check has. Whatever the adapter raises is a finding, never an exception.
    """
    if unknown := set(only) - {check.name for check in CHECKS}:
        raise ValueError(f"no such check: {', '.join(sorted(unknown))}")
    chosen = [check for check in CHECKS if not only or check.name in only]
    findings = [await _find(check, venue, manifest, ground, clock, chance) for check in chosen]
    return ContractReport(venue.identity, tuple(findings))


async def _find(
    check: Check, venue: Venue, manifest: Capabilities, ground: Ground, clock: Clock, chance: Chance
) -> Finding:
    if check.offer is not None and not check.offer(manifest):
        return Finding(check.name, Verdict.NOT_OFFERED, "not in the manifest")
    if missing := [hand for hand in check.hands if getattr(ground, hand) is None]:
        return Finding(check.name, Verdict.NOT_OFFERED, f"the ground lends no hand to {' and '.join(missing)}")
    reason = await _breach(check, venue, manifest, ground, clock, chance)
    if reason is None:
        return Finding(check.name, Verdict.PASSED)
    return Finding(check.name, Verdict.FAILED if check.offer is None else Verdict.LACKING, reason)


async def _breach(
    check: Check, venue: Venue, manifest: Capabilities, ground: Ground, clock: Clock, chance: Chance
) -> str | None:
    """Run one check on a fresh link; return what was wrong. Every Exception counts: the adapter is a stranger."""
    witness = Witness()
    with trio.move_on_after(CHECK_BOUND_S):
        try:
            async with venue.open(witness) as link:
                ids = chance.stream(f"contract/{check.name}")
                trial = Trial(link, witness, ground, manifest, clock, ids, venue.mark_key)
                try:
                    await check.run(trial)
                finally:
                    with trio.move_on_after(TIDY_BOUND_S, shield=True):
                        await trial.tidy()
        except Exception as error:
            return _reason(error)
        return None
    return f"it had not ended after {CHECK_BOUND_S:g} s"


def _reason(error: BaseException) -> str:
    """Say what was raised: our own verdict first, else each error of a group by its class."""
    leaves = _leaves(error)
    breaches = [str(leaf) for leaf in leaves if isinstance(leaf, Breach)]
    return "; ".join(breaches or [f"{type(leaf).__name__}: {leaf}" for leaf in leaves])


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
