"""What an account can be asked about afterwards: its fills and its ledger, each by time and by id.

Bounds: of ``keep`` closed orders twice as many fills and four times as many ledger rows are kept, and up to twice that
before the oldest go. A page of the newest rows costs what it shows; one that is filtered goes through what is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from engine.sim.events import LedgerEntry
from engine.sim.orders import SimTrade

FILLS_EACH, ROWS_EACH = 2, 4


class Fills:
    """Fills in their order; ``merged`` is how REST shows them unless told otherwise."""

    def __init__(self) -> None:
        self.rows: list[SimTrade] = []
        self._by_id: dict[str, SimTrade] = {}
        self._merged: dict[str, SimTrade] = {}  # by taker order, or by the maker's fill
        self._parts: dict[str, list[str]] = {}  # of a merged row, by its id

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, trade: SimTrade) -> None:
        """Add one fill."""
        self.rows.append(trade)
        self._by_id[trade.exec_id] = trade
        key = _key(trade)
        first = self._merged.get(key)
        if first is None:
            self._merged[key] = trade
            return
        self._parts.setdefault(first.exec_id, [first.exec_id]).append(trade.exec_id)
        qty, cost = first.qty + trade.qty, first.cost + trade.cost
        fee, margin = first.fee + trade.fee, first.margin + trade.margin
        self._merged[key] = replace(first, qty=qty, cost=cost, fee=fee, margin=margin, price=cost / qty)

    def get(self, exec_id: str) -> SimTrade | None:
        """Return one fill."""
        return self._by_id.get(exec_id)

    def parts(self, exec_id: str) -> list[str]:
        """Return the fills behind a merged row, itself among them."""
        return list(self._parts.get(exec_id, [exec_id]))

    def merged_ids(self, exec_ids: Iterable[str]) -> list[str]:
        """Return those of an order's fills that name a merged row."""
        rows = ((exec_id, self._by_id.get(exec_id)) for exec_id in exec_ids)
        return [exec_id for exec_id, row in rows if row is None or self._merged[_key(row)].exec_id == exec_id]

    def newest_first(self, *, merged: bool) -> Iterator[SimTrade]:
        """Go through the fills; ``merged`` makes one row of what an order took, under its first fill's id."""
        return reversed(self._merged.values()) if merged else reversed(self.rows)

    def count(self, *, merged: bool) -> int:
        """Count the rows of ``newest_first``."""
        return len(self._merged) if merged else len(self.rows)

    def forget(self, keep: int) -> None:
        """Drop the oldest, once there are twice as many as are to be kept."""
        if len(self.rows) <= 2 * FILLS_EACH * keep:
            return
        kept, self.rows = self.rows[-FILLS_EACH * keep :], []
        self._by_id.clear()
        self._merged.clear()
        self._parts.clear()
        for trade in kept:
            self.add(trade)


def _key(trade: SimTrade) -> str:
    return trade.order_id if trade.liquidity == "t" else trade.exec_id


class Ledger:
    """Every movement of the account's balances, from its first deposit on."""

    def __init__(self) -> None:
        self.rows: list[LedgerEntry] = []
        self._by_id: dict[str, LedgerEntry] = {}
        self._by_ref: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, entry: LedgerEntry) -> None:
        """Add one row."""
        self.rows.append(entry)
        self._by_id[entry.ledger_id] = entry
        self._by_ref.setdefault(entry.ref_id, []).append(entry.ledger_id)

    def get(self, ledger_id: str) -> LedgerEntry | None:
        """Return one row."""
        return self._by_id.get(ledger_id)

    def of(self, ref_id: str) -> list[str]:
        """Return the ids of the rows that a fill has caused."""
        return list(self._by_ref.get(ref_id, ()))

    def forget(self, keep: int) -> None:
        """Drop the oldest, once there are twice as many as are to be kept."""
        if len(self.rows) <= 2 * ROWS_EACH * keep:
            return
        for entry in self.rows[: -ROWS_EACH * keep]:
            self._by_id.pop(entry.ledger_id)
            self._by_ref.pop(entry.ref_id, None)
        del self.rows[: -ROWS_EACH * keep]
