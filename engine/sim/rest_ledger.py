"""Private REST endpoints about the ledger: every movement of a balance (protocol sections 5.1, 6.6)."""

from __future__ import annotations

from collections.abc import Iterable

from engine.sim import errors
from engine.sim.accounts import Account
from engine.sim.errors import Refused
from engine.sim.events import LedgerEntry
from engine.sim.numbers import epoch_seconds, fixed
from engine.sim.rest_pages import ids, paged, span
from engine.sim.rest_params import Params, names, truth, word
from engine.sim.venue import Venue

_QUERY_LEDGERS = 20
_TYPES = (
    "all",
    "trade",
    "deposit",
    "withdrawal",
    "transfer",
    "margin",
    "adjustment",
    "rollover",
    "credit",
    "settled",
    "staking",
    "dividend",
    "sale",
    "nft_rebate",
    "reserve",
    "conversion",
    "reward",
    "creator_fee",
)


def ledgers(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """Ledgers: a page of 50, newest first, of some or all assets and of one or all types. Raises Refused.

    ``start`` (exclusive) and ``end`` (inclusive) are times or ids of rows.
    """
    assets, kind = _assets(venue, params), word(params, "type", _TYPES, "all")
    is_listed = word(params, "aclass", ("currency", "tokenized_asset"), "currency") == "currency"
    within = span(params, lambda ledger_id: entry.ts_ns if (entry := account.ledger.get(ledger_id)) else None)
    rows: Iterable[LedgerEntry] = reversed(account.ledger.rows)
    count: int | None = len(account.ledger)
    if assets or kind != "all" or within or not is_listed:
        rows = [
            entry
            for entry in rows
            if is_listed
            and (not assets or entry.asset in assets)
            and kind in ("all", entry.type)
            and within.holds(entry.ts_ns)
        ]
        count = None
    page, counted = paged(params, rows, count)
    return {"ledger": _rows(venue, page)} | counted


def query_ledgers(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """QueryLedgers by id, at most 20. Raises Refused."""
    found: list[LedgerEntry] = []
    truth(params, "trades")
    for ledger_id in ids(params, "id", _QUERY_LEDGERS):
        entry = account.ledger.get(ledger_id)
        if entry is None:
            raise Refused(errors.INVALID_LEDGER)
        found.append(entry)
    return _rows(venue, found)


def _assets(venue: Venue, params: Params) -> set[str]:
    """Read the assets asked for, by any of their names; empty means all. Raises Refused."""
    wanted = [name for name in names(params, "asset") if name != "all"]
    known = {
        name: asset.name for asset in venue.settings.assets for name in (asset.name, asset.rest_key, asset.altname)
    }
    if any(name not in known for name in wanted):
        raise Refused(errors.UNKNOWN_ASSET)
    return {known[name] for name in wanted}


def _rows(venue: Venue, entries: Iterable[LedgerEntry]) -> dict[str, object]:
    return {entry.ledger_id: _object(venue, entry) for entry in entries}


def _object(venue: Venue, entry: LedgerEntry) -> dict[str, object]:
    asset = venue.settings.asset(entry.asset)
    return {
        "refid": entry.ref_id,
        "time": epoch_seconds(entry.ts_ns),
        "type": entry.type,
        "subtype": entry.subtype,
        "aclass": "currency",
        "asset": asset.rest_key,
        "amount": fixed(entry.amount, asset.decimals),
        "fee": fixed(entry.fee, asset.decimals),
        "balance": fixed(entry.balance, asset.decimals),
    }
