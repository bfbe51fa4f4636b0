"""The question that ends a close on margin: does the venue hold what our books say, by its own list of positions?

No coins tell it: on margin only OpenPositions does, asked once it must show our last fill.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import trio

from engine.accounts.margin import VenuePosition, held_there
from engine.errors import VenueError
from engine.runtime.close_report import NotFlat, PositionProof
from engine.runtime.history import signal_of
from engine.runtime.services import Services
from engine.values.money import ZERO, trimmed
from engine.values.time import rfc3339

ASK_BOUND_S = 3.0
"""One question by REST; no stream tells positions, so without an answer nothing is proved."""


class MarginProof:
    """Asks the venue for its positions, and holds them against our books."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._names: dict[str, str] = {}  # what orders of earlier processes, or of others, are called; each asked once
        self._told: tuple[PositionProof, ...] = ()

    def symbols(self, among: Iterable[str], *, everywhere: bool) -> list[str]:
        """Return the markets, among some or of all, in which anything of ours was ever traded on margin."""
        wanted, results = set(among), self._services.accounts.ledger.results
        return sorted({symbol for _, symbol, margin in results if margin and (everywhere or symbol in wanted)})

    @property
    def shows_s(self) -> float:
        """From when on an answer of the venue must show our last fill, on the engine's clock."""
        return self._services.margin.shows_s

    async def positions(self, symbols: Sequence[str]) -> tuple[tuple[PositionProof, ...], str]:
        """Ask anew; returns what there is in each of these markets, and why it proves nothing, "" where it does.

        Without an answer what was told last stands beside the reason.
        """
        if not symbols:
            return (), ""
        asked_s, why = trio.current_time(), f"the venue did not tell its positions within {ASK_BOUND_S:g} s"
        with trio.move_on_after(ASK_BOUND_S):
            try:
                found = await self._services.link.margin_positions()
                ours = await self._ours(found)
                self._told = tuple(self._proof(symbol, found, ours) for symbol in symbols)
                why = "" if asked_s >= self.shows_s else "the venue's positions may not show our last fill yet"
            except VenueError as error:
                why = f"the venue did not tell its positions: {error}"
        return self._told, why

    def _proof(self, symbol: str, found: Sequence[VenuePosition], ours: frozenset[str]) -> PositionProof:
        services = self._services
        there = [one for one in found if one.symbol == symbol]
        return PositionProof(
            symbol=symbol,
            books=services.accounts.ledger.qty(symbol, margin=True),
            brackets=services.margin.in_brackets(symbol),
            at_venue=held_there(there).get(symbol, ZERO),
            of_others=held_there(one for one in there if one.order_id not in ours).get(symbol, ZERO),
            asked_at=rfc3339(services.clock.now_ns()),
        )

    async def _ours(self, found: Sequence[VenuePosition]) -> frozenset[str]:
        """Return the orders, of those that opened these positions, that are ours. Raises VenueError."""
        services = self._services
        opened_by = {one.order_id: services.desk.name_of(one.order_id) for one in found}
        unknown = [order_id for order_id, name in opened_by.items() if name is None and order_id not in self._names]
        if unknown:
            told = {one.order_id: one.cl_ord_id or "" for one in await services.link.query_orders(unknown)}
            self._names |= dict.fromkeys(unknown, "") | told
        names = {order_id: name or self._names[order_id] for order_id, name in opened_by.items()}
        return frozenset(order_id for order_id, name in names.items() if name and self._is_ours(name))

    def _is_ours(self, cl_ord_id: str) -> bool:
        return self._services.is_ours(cl_ord_id) or signal_of(self._services.journal, cl_ord_id) is not None


def not_flat(proofs: Iterable[PositionProof], why: str) -> list[NotFlat]:
    """Say what of the venue's positions keeps a close from being flat."""
    found = [NotFlat("", "", ZERO, "POSITIONS_NOT_TOLD", f"{why}; close again proves it")] if why else []
    return found + [
        NotFlat(one.symbol, "", abs(one.at_venue - one.books), "POSITION_THERE", _differs(one))
        for one in proofs
        if not one.agrees
    ]


def _differs(one: PositionProof) -> str:
    others = f", {trimmed(one.of_others)} of it opened by others" if one.of_others else ""
    return (
        f"the venue holds {trimmed(one.at_venue)} on margin{others}, our books {trimmed(one.books)}: somebody else "
        "trades this market on margin, or a fill of ours has not been told; see positions"
    )
