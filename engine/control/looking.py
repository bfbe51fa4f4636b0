"""The verbs that look at the machinery: books, links, limits, denials, journal; and what moves money, as it moves."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from itertools import islice
from typing import Literal

import msgspec
import trio

from engine.control.command import Arguments
from engine.control.desk import Desk
from engine.control.money import list_balances
from engine.control.refusal import no_engine, refused
from engine.control.status import breaker_of
from engine.errors import VenueError
from engine.journal.row import Row
from engine.market.freshness import Freshness
from engine.market.updates import BookView, Ticker
from engine.net.link_view import LinkView
from engine.orders.events import Numbers
from engine.orders.replay import Refused
from engine.risk.breaker import BreakerView
from engine.risk.limits import Limits
from engine.runtime.balance_views import BalanceList
from engine.runtime.engine import Engine
from engine.runtime.history import last_rows
from engine.runtime.money_events import (
    BalanceChanged,
    BalanceMismatch,
    ForeignMovement,
    MarginChanged,
    MarginCharged,
    MoneyEvent,
    PositionChanged,
)
from engine.runtime.money_views import PositionList
from engine.runtime.readers import CutOff
from engine.runtime.risk_desk import RiskView
from engine.values.time import rfc3339
from engine.venue.protocol import Headroom

BOOK_DEPTH, BOOK_DEPTH_MOST = 10, 1000
BOOK_BOUND_S = 5.0
"""How long a book that is asked for may take to come and be verified."""
PAGE_ROWS, PAGE_ROWS_MOST = 100, 1000
DENIALS, DENIALS_MOST = 50, 1000


class BookList(msgspec.Struct, frozen=True):
    """The books that are held, each with how fresh it is, and the tickers that are held."""

    books: tuple[BookView, ...]
    freshness: tuple[Freshness, ...]
    tickers: tuple[Ticker, ...]


class LinkList(msgspec.Struct, frozen=True):
    """The connections to the venue."""

    links: tuple[LinkView, ...]
    breaker: BreakerView | None


class LimitList(msgspec.Struct, frozen=True):
    """What entries are held to, how much of it is used, and what room the venue's own counters leave."""

    limits: Limits
    used: RiskView
    counters: tuple[Headroom, ...]


class DenialRecord(msgspec.Struct, frozen=True):
    """A signal that we refused. ``at`` is RFC 3339, ``offset`` its row in the journal."""

    offset: int
    at: str
    signal_id: str
    strategy_id: str
    symbol: str
    code: str
    reason: str
    numbers: Numbers | None


class DenialList(msgspec.Struct, frozen=True):
    """The last denials, oldest first."""

    denials: tuple[DenialRecord, ...]


class JournalRow(msgspec.Struct, frozen=True):
    """One row of the journal; ``body`` is its JSON as it was hashed."""

    seq: int
    at: str
    kind: str
    signal_id: str
    cl_ord_id: str
    causation_id: int
    body: msgspec.Raw
    hash: str


class JournalPage(msgspec.Struct, frozen=True):
    """Rows in order. ``after`` of the next page is ``next_after``; ``head`` is the newest row there is."""

    rows: tuple[JournalRow, ...]
    next_after: int
    head: int


class MoneyTold(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message about money: ``whole`` first, then what changes; only the member that ``event`` names is there.

    ``lagged`` is the last one for a reader that fell behind. A stream that begins anew begins with the whole again.
    """

    event: Literal["whole", "position", "balance", "movement", "mismatch", "margin", "charge", "lagged"]
    positions: PositionList | None = None
    balances: BalanceList | None = None
    position: PositionChanged | None = None
    balance: BalanceChanged | None = None
    movement: ForeignMovement | None = None
    mismatch: BalanceMismatch | None = None
    margin: MarginChanged | None = None
    charge: MarginCharged | None = None


async def list_books(desk: Desk, arguments: Arguments) -> BookList:
    """Show the books that are held, or one; one that nobody holds is subscribed for this answer."""
    engine, depth = _engine(desk), int(arguments.get("depth", BOOK_DEPTH))
    if "symbol" not in arguments:
        return _books(engine, [one.symbol for one in engine.market.freshness()], depth)
    spelling = str(arguments["symbol"])
    instrument = engine.services.link.instrument(spelling)
    if instrument is None:
        raise refused("SYMBOL_UNKNOWN", f"the venue lists no {spelling!r}", "write it as BTC/USD")
    try:
        with trio.fail_after(BOOK_BOUND_S):
            async with engine.market.books(instrument.symbol) as reader:
                async for latest in reader:
                    if latest.value.usable:
                        break
                return _books(engine, [instrument.symbol], depth)
    except (trio.TooSlowError, VenueError) as error:
        said = f"no verified book of {instrument.symbol} within {BOOK_BOUND_S:g} s: {error}"
        raise refused("BOOK_NOT_FRESH", said, "links shows how the stream is") from None


def _books(engine: Engine, names: list[str], depth: int) -> BookList:
    books = [engine.market.book(name, depth) for name in names]
    tickers = [engine.market.ticker(name) for name in names]
    return BookList(
        tuple(book for book in books if book is not None),
        tuple(one for one in engine.market.freshness() if one.symbol in names),
        tuple(ticker for ticker in tickers if ticker is not None),
    )


async def list_links(desk: Desk, arguments: Arguments) -> LinkList:  # noqa: ARG001 - one shape for all verbs
    """Show the connections to the venue."""
    engine = _engine(desk)
    return LinkList(engine.services.link.links(), breaker_of(engine.services))


async def list_limits(desk: Desk, arguments: Arguments) -> LimitList:  # noqa: ARG001 - one shape for all verbs
    """Show the limits, and what is used of them."""
    services = _engine(desk).services
    return LimitList(services.risk.limits, services.risk.view(), tuple(services.link.headroom()))


async def list_denials(desk: Desk, arguments: Arguments) -> DenialList:
    """Show the last signals that were denied."""
    rows = await last_rows(desk.journal, "denied", int(arguments.get("last", DENIALS)))
    return DenialList(tuple(_denial(row) for row in rows))


def _denial(row: Row) -> DenialRecord:
    fact = row.decode(Refused)
    return DenialRecord(
        offset=row.seq,
        at=rfc3339(row.ts_ns),
        signal_id=row.signal_id,
        strategy_id=fact.signal.strategy_id,
        symbol=fact.signal.symbol,
        code=fact.code,
        reason=fact.reason,
        numbers=fact.numbers,
    )


async def page_journal(desk: Desk, arguments: Arguments) -> JournalPage:
    """Give rows of the journal, a page at a time."""
    after, limit = int(arguments.get("after", 0)), int(arguments.get("limit", PAGE_ROWS))
    chosen = {name: str(arguments[name]) for name in ("signal_id", "cl_ord_id", "kind") if name in arguments}
    head, _ = desk.journal.head
    rows = tuple(_row(row) for row in islice(desk.journal.rows(after=after, upto=head, **chosen), limit))
    full = len(rows) == limit
    return JournalPage(rows, rows[-1].seq if full else max(after, head), head)


def _row(row: Row) -> JournalRow:
    return JournalRow(
        seq=row.seq,
        at=rfc3339(row.ts_ns),
        kind=row.kind,
        signal_id=row.signal_id,
        cl_ord_id=row.cl_ord_id,
        causation_id=row.causation_id,
        body=msgspec.Raw(row.body),
        hash=row.hash,
    )


async def follow_money(desk: Desk, arguments: Arguments) -> AsyncGenerator[MoneyTold, None]:
    """Yield the whole, then every change until the engine ends or the reader falls behind."""
    engine = _engine(desk)
    with engine.money.read() as reader:
        balances = await list_balances(desk, arguments)
        yield MoneyTold("whole", positions=engine.money.positions(), balances=balances)
        async for told in reader:
            yield _told(told)


def _told(told: MoneyEvent | CutOff) -> MoneyTold:
    match told:
        case PositionChanged():
            return MoneyTold("position", position=told)
        case BalanceChanged():
            return MoneyTold("balance", balance=told)
        case ForeignMovement():
            return MoneyTold("movement", movement=told)
        case BalanceMismatch():
            return MoneyTold("mismatch", mismatch=told)
        case MarginChanged():
            return MoneyTold("margin", margin=told)
        case MarginCharged():
            return MoneyTold("charge", charge=told)
        case CutOff():
            return MoneyTold("lagged")


def _engine(desk: Desk) -> Engine:
    if desk.engine is None:
        raise no_engine("this journal")
    return desk.engine
