"""What a close was asked for and what it came to: rows of the journal, and the answer of the verb."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

import msgspec

from engine.journal.row import Row
from engine.runtime.entry_gate import EVERYWHERE
from engine.values.money import Qty, Side, trimmed

CLOSE_ROW, CLOSED_ROW = "close", "close_report"
"""Kinds of the journal's rows; both carry ``close_id`` where other rows have their signal."""

CloseScope = Literal["symbol", "signal", "all"]


class CloseAsked(msgspec.Struct, frozen=True):
    """A close was asked for: from here on it goes on, over restarts too, until its report is written.

    ``name`` is the symbol or the signal_id, "" for all. ``asked_ns`` and ``until_ns`` (our clock) bound it, ``wish_ns``
    bounds the wish ``max_slippage_bps``. ``drill``: on a copy of the positions, never on the venue.
    """

    close_id: str
    scope: CloseScope
    name: str
    reason: str
    asked_ns: int
    until_ns: int
    wish_ns: int = 0
    max_slippage_bps: Decimal | None = None
    include_holdings: bool = False

    @property
    def where(self) -> str:
        """Say what it keeps entries back from: a symbol, a signal, or ``EVERYWHERE``."""
        return self.name if self.scope != "all" else EVERYWHERE

    @property
    def words(self) -> str:
        """Name what is closed."""
        return {"symbol": self.name, "signal": f"signal {self.name[:8]}", "all": "everything of ours"}[self.scope]


class BracketClose(msgspec.Struct, frozen=True):
    """What became of one bracket: ``traded_qty`` base units in ``orders`` closing orders at ``avg_px``.

    ``left`` is what it still holds (signed); ``dust`` says that the venue takes no order for so little.
    """

    signal_id: str
    symbol: str
    side: Side
    outcome: str
    orders: int
    traded_qty: Qty
    avg_px: Decimal
    fees: dict[str, Decimal]
    left: Decimal
    dust: bool


class BalanceProof(msgspec.Struct, frozen=True):
    """One asset over the close, all its wallets summed: ``change`` is after minus before, ``fills`` what ours come to.

    ``explained`` None: the balance before the close is not known, or the profit of positions on margin is in it, which
    is the venue's to reckon.
    """

    asset: str
    before: Decimal | None
    after: Decimal
    change: Decimal | None
    fills: Decimal
    wallets: dict[str, Decimal]
    explained: bool | None


class PositionProof(msgspec.Struct, frozen=True):
    """One market on margin, in signed base units: by our books, and by the venue's own list of positions.

    ``brackets`` is what living brackets hold of ``books``: what a person has taken over is in these alone.
    ``of_others`` is what no order of ours has opened of what is there.
    """

    symbol: str
    books: Decimal
    brackets: Decimal
    at_venue: Decimal
    of_others: Decimal
    asked_at: str

    @property
    def agrees(self) -> bool:
        """Whether the venue holds nothing, or what our books say and beyond that only what others have opened."""
        ours = (self.books, self.brackets)
        return not self.at_venue or self.at_venue in ours or self.at_venue - self.of_others in ours


class NotFlat(msgspec.Struct, frozen=True):
    """One thing that is not flat: how much of which symbol, whose, and why."""

    symbol: str
    signal_id: str
    qty: Decimal
    code: str
    reason: str


class CloseReport(msgspec.Struct, frozen=True):
    """How a close ended. ``asked_by`` is what the last questions were put to: rest, stream or nothing.

    ``entries_canceled`` are the signals whose entry lived; ``notes`` tell what a person may want to know.
    """

    close_id: str
    scope: CloseScope
    name: str
    reason: str
    drill: bool
    asked_at: str
    ended_at: str
    took_s: float
    entries_canceled: tuple[str, ...]
    brackets: tuple[BracketClose, ...]
    balances: tuple[BalanceProof, ...]
    open_orders: int
    asked_by: Literal["rest", "stream", "nothing"]
    not_flat: tuple[NotFlat, ...]
    notes: tuple[str, ...]
    flat: bool
    positions: tuple[PositionProof, ...] = ()

    def lines(self) -> Iterator[str]:
        """Put it into words."""
        yield f"close {self.close_id[:8]} of {self.name or 'everything of ours'}: {self.reason}"
        for signal_id in self.entries_canceled:
            yield f"entry of {signal_id[:8]}: canceled"
        for one in self.brackets:
            yield _bracket_line(one)
        for balance in self.balances:
            yield _balance_line(balance)
        for position in self.positions:
            yield _position_line(position)
        for note in self.notes:
            yield f"note: {note}"
        for rest in self.not_flat:
            yield f"NOT FLAT: {_what(rest)}{rest.code}: {rest.reason}"
        asked = {
            "rest": "asked anew by REST",
            "stream": "told by the private stream",
            "nothing": "it could not be asked",
        }
        yield f"orders of ours on the venue there: {self.open_orders} ({asked[self.asked_by]})"
        drill = " (a drill: nothing was sent to the venue)" if self.drill else ""
        yield f"{'flat' if self.flat else 'NOT flat'} at {self.ended_at}, after {self.took_s:.2f} s{drill}"


def close_words(row: Row) -> str:
    """Say one row of a close in a sentence."""
    if row.kind == CLOSE_ROW:
        asked = row.decode(CloseAsked)
        wish = "" if asked.max_slippage_bps is None else f", within {trimmed(asked.max_slippage_bps)} bps at first"
        return f"close of {asked.words}: {asked.reason}{wish}"
    report = row.decode(CloseReport)
    rest = "; ".join(f"{_what(one)}{one.code}: {one.reason}" for one in report.not_flat)
    return f"{'flat' if report.flat else 'NOT flat'} after {report.took_s:.2f} s{f': {rest}' if rest else ''}"


def _what(rest: NotFlat) -> str:
    """Say how much of what, and whose; nothing where it is about all of it."""
    if not rest.qty:
        return f"{rest.symbol}: " if rest.symbol else ""
    whose = f" of signal {rest.signal_id[:8]}" if rest.signal_id else ""
    return f"{trimmed(rest.qty)} {rest.symbol}{whose}: "


def _bracket_line(one: BracketClose) -> str:
    base = one.symbol.partition("/")[0]
    did = f"{trimmed(one.traded_qty)} {base} in {one.orders} orders at {trimmed(round(one.avg_px, 8))}"
    rest = f", {trimmed(one.left)} left" if one.left else ""
    dust = " (dust: too little for an order)" if one.dust else ""
    return f"{one.signal_id[:8]} {one.symbol} {one.side}: {did if one.orders else 'nothing to trade'}{rest}{dust}"


def _position_line(one: PositionProof) -> str:
    others = f", {trimmed(one.of_others)} of it opened by others" if one.of_others else ""
    held = f"{trimmed(one.at_venue)} by the venue's own list{others}, {trimmed(one.books)} by our books"
    return f"{one.symbol} on margin: {held}"


def _balance_line(one: BalanceProof) -> str:
    if one.change is None:
        return f"{one.asset}: {trimmed(one.after)} now, our fills come to {trimmed(one.fills)}"
    agrees = "as our fills say" if one.explained else f"our fills come to {trimmed(one.fills)}"
    before = trimmed(one.before or Decimal(0))
    return f"{one.asset}: {before} before, {trimmed(one.after)} after: {trimmed(one.change)}, {agrees}"
