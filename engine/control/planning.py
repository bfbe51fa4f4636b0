"""The verb ``plan``: what a signal would do if it came now, by every check; nothing is sent, nothing is written."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec
import trio

from engine.control.command import Arguments, Command, Parameter
from engine.control.desk import Desk
from engine.control.refusal import bad_signal, no_engine
from engine.errors import VenueError
from engine.market.book import Book
from engine.orders.signal import Signal, SignalFault, parse_signal
from engine.risk.measures import Measure
from engine.risk.preview import Preview, Terms, preview
from engine.runtime.engine import Engine
from engine.runtime.intake import bought_by, known_signal
from engine.venue.protocol import Headroom

SLIPPAGE_BPS: Final = 10
HOLDER: Final = "plan"


class Planned(msgspec.Struct, frozen=True):
    """``counters`` is the room that the venue's counters leave on the market, None while nothing was sent on it."""

    preview: Preview
    counters: Headroom | None


async def plan_signal(desk: Desk, arguments: Arguments) -> Planned:
    """Judge a signal by what stands now, and work out its orders."""
    if desk.engine is None:
        raise no_engine("this journal")
    try:
        signal = parse_signal(str(arguments["signal"]))
    except SignalFault as fault:
        raise bad_signal(fault.errors) from None
    engine = desk.engine
    terms = Terms(engine.services.risk.limits.fee_reserve_bps, Decimal(SLIPPAGE_BPS))
    instrument = engine.services.link.instrument(signal.symbol)
    if instrument is not None:
        signal = msgspec.structs.replace(signal, symbol=instrument.symbol)
    try:
        with trio.fail_after(engine.services.settings.book_wait_s):
            async with engine.services.link.watch(signal.symbol, HOLDER) as book:
                told = _told(engine, signal, book, terms)
    except (trio.TooSlowError, VenueError):
        told = _told(engine, signal, None, terms)
    counters = (one for one in engine.services.link.headroom() if one.symbol == signal.symbol)
    return Planned(told, next(counters, None))


def _told(engine: Engine, signal: Signal, book: Book | None, terms: Terms) -> Preview:
    """Work it out in one tick, while the book stands."""
    services = engine.services
    instrument = services.link.instrument(signal.symbol)
    if signal.cash_order_qty is not None and instrument is not None and book is not None:
        signal = msgspec.structs.replace(signal, order_qty=bought_by(signal.cash_order_qty, instrument, book))
    own = [_repeat(engine, signal), _doubt(engine, signal), _breaker(engine)]
    checks = (*own, *services.risk.measures(signal, instrument, book))
    return preview(signal, instrument, book, checks, terms, ("judged by the running engine, as it stands now",))


def _repeat(engine: Engine, signal: Signal) -> Measure:
    if known_signal(engine.journal, signal.signal_id) is None:
        return Measure("signal is new", True)
    said = "a signal of this id came before: the same again starts nothing, another is a SIGNAL_CONFLICT"
    return Measure("signal is new", None, reason=said)


def _doubt(engine: Engine, signal: Signal) -> Measure:
    if not engine.services.desk.doubtful(signal.symbol):
        return Measure("no order in doubt", True)
    said = f"an order on {signal.symbol} has an unknown outcome"
    return Measure("no order in doubt", False, "SYMBOL_IN_DOUBT", said)


def _breaker(engine: Engine) -> Measure:
    state = engine.services.breaker.view(trio.current_time()).state
    if state == "closed":
        return Measure("breaker closed", True)
    return Measure("breaker closed", None, "BREAKER_OPEN", f"the breaker is {state}: an entry would wait for its rest")


PLAN: Final = Command(
    name="plan",
    method="POST",
    path="/api/plan",
    doc="Tell what a signal would do if it came now: verdict, every check, orders, worst case. Nothing is sent.",
    parameters=(
        Parameter(
            name="signal", required=True, kind="document", doc="the signal as JSON, as in a line of run --signals"
        ),
    ),
    result=Planned,
    exits={0: "would be accepted", 2: "this is no signal", 4: "would be denied", 6: "no engine runs"},
    needs_engine=True,
    whole_body="signal",
    answer=plan_signal,
)
