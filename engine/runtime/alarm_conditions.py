"""What stands now and should not: each condition read off the desks that know it, once a second."""

from __future__ import annotations

from collections.abc import Iterator

from engine.net.link import COMPLETE
from engine.net.link_view import LinkView
from engine.orders.brackets import Bracket
from engine.orders.steps import CancelExit, ExitStep, PlaceClose
from engine.runtime.alarm import AlarmSettings, Condition
from engine.runtime.bracket_scopes import BracketScopes
from engine.runtime.entry_gate import SELF_ENDING
from engine.runtime.services import Services
from engine.values.money import trimmed


def conditions(
    services: Services, brackets: BracketScopes, settings: AlarmSettings, now_s: float
) -> Iterator[Condition]:
    """Yield everything but the links, whose restlessness needs a memory."""
    yield from _trading(services, now_s)
    yield from _orders(services)
    for scope in brackets.scopes():
        yield from _bracket(services, scope.bracket)
    unexplained = services.money.mismatch
    if unexplained:
        said = ", ".join(f"{trimmed(qty)} {asset}" for asset, qty in unexplained.items())
        yield Condition("BALANCE_MISMATCH", "account", f"not explained by fills: {said}")
    yield from services.margin.conditions()
    lease = services.journal.lease
    if lease is not None and (why := lease.lost()):
        yield Condition("LEASE_LOST", "journal", why)
    for link in services.link.links():
        yield from link_conditions(link, settings)


def _trading(services: Services, now_s: float) -> Iterator[Condition]:
    for cause in services.trading.view().causes:
        subject = f"{cause.strategy_id or 'all'}:{cause.code}"
        yield Condition("TRADING_HALTED", subject, f"{cause.code}: {cause.reason}")
    for name, why in services.gate.reasons().items():
        if name.partition(":")[0] not in SELF_ENDING:
            yield Condition("ENTRIES_KEPT_BACK", name, why)
    for trip in services.risk.throttled():
        yield Condition("STRATEGY_THROTTLED", f"{trip.strategy_id}:{trip.symbol}:{trip.side}", trip.reason)
    breaker = services.breaker.view(now_s)
    if breaker.state != "closed":
        yield Condition("BREAKER_OPEN", "entries", f"{breaker.failures} failures in a row; {breaker.why}")


def _orders(services: Services) -> Iterator[Condition]:
    for name, handle in services.desk.live.items():
        if handle.view.state == "unknown":
            yield Condition("ORDER_UNKNOWN", name, f"{handle.view.role} on {handle.view.spec.symbol} may be live")


def _bracket(services: Services, bracket: Bracket) -> Iterator[Condition]:
    signal = bracket.signal
    if bracket.state == "naked":
        text = f"{trimmed(bracket.uncovered)} {bracket.instrument.base} of {signal.symbol} without a stop"
        yield Condition("NAKED", signal.signal_id, text)
    if bracket.refused:
        text = "; ".join(_refused(bracket, step) for step in bracket.refused)
        yield Condition("EXIT_STUCK", signal.signal_id, text)
    if unwatched(services, bracket):
        yield Condition("TARGET_UNWATCHED", signal.signal_id, f"no fresh book of {signal.symbol}")


def _refused(bracket: Bracket, step: ExitStep) -> str:
    if isinstance(step, PlaceClose):
        return f"a close of {trimmed(step.qty)} {bracket.instrument.base} is refused for good ({step.why})"
    order = bracket.orders[step.cl_ord_id]
    what, why = ("cancel", step.why) if isinstance(step, CancelExit) else ("amend", order.reason)
    return f"{order.role} {order.cl_ord_id} rests, and its {what} is refused for good ({why}; {order.code})"


def unwatched(services: Services, bracket: Bracket) -> bool:
    """Tell whether a bracket holds quantity whose target nobody can watch now. A resting target watches itself."""
    terms = bracket.terms
    if not terms.targets or terms.exits == "both-rest" or bracket.exposure <= 0 or bracket.ended:
        return False
    book = services.link.book(bracket.instrument.symbol)
    return book is None or not book.usable


def link_conditions(link: LinkView, settings: AlarmSettings) -> Iterator[Condition]:
    """Yield what is wrong with one link now; one that nobody keeps up is not wrong."""
    if link.state == "disconnected":
        return
    why = f": {link.why}" if link.why else ""
    if link.alarm:
        yield Condition("LINK_FAILING", link.name, f"{link.failures_in_a_row} tries in a row have failed{why}")
    if link.state not in COMPLETE:
        yield Condition("LINK_DOWN", link.name, f"{link.state}{why}")
    if link.state in ("degraded", "unhealthy"):
        yield Condition(f"LINK_{link.state.upper()}", link.name, link.why or link.state)
    if link.latency_s is not None and link.latency_s > settings.latency_s:
        yield Condition(
            "LINK_SLOW", link.name, f"a ping took {link.latency_s:.3f} s, expected {settings.latency_s:g} s"
        )
    if link.gaps:
        channels = sorted({gap.channel for gap in link.gaps})
        yield Condition("LINK_GAPS", link.name, f"messages are missing in {', '.join(channels[:5])}")
