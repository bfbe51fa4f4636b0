"""The pairs and assets that a source elsewhere lists, so that an exchange can list the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import trio

from engine.net.wire import Wire
from engine.sim.instruments import DEFAULT_ASSETS, DEFAULT_PAIRS, AssetSpec, PairSpec
from engine.sim.numbers import amount
from engine.sim.source import INSTRUMENTS, Address, Request, SourceLost, SourceRefused, follow
from engine.sim.source_frames import Frame, instrument_data

_REST_NAMES = {"BTC": "XBT", "DOGE": "XDG"}
_TOLD = ("price_precision", "tick", "qty_precision", "qty_min", "cost_precision", "cost_min")
_FETCH_S = 20.0


@dataclass(frozen=True, slots=True)
class Listing:
    """What the members ``pairs`` and ``assets`` of SimSettings take."""

    pairs: tuple[PairSpec, ...]
    assets: tuple[AssetSpec, ...]


def listing_of(data: Mapping[str, Any], symbols: Sequence[str]) -> Listing:
    """Read the chosen symbols from the data of an instrument frame. Raises SourceRefused.

    The feed does not tell REST names or leverages: pairs and assets that this exchange lists by itself keep theirs,
    others get the plain names and no margin.
    """
    rows = {row["symbol"]: row for row in data.get("pairs", ()) if isinstance(row.get("symbol"), str)}
    missing = [symbol for symbol in symbols if symbol not in rows]
    if missing:
        raise SourceRefused(f"it does not list {', '.join(missing)}")
    try:
        pairs = tuple(_pair(rows[symbol]) for symbol in symbols)
        wanted = dict.fromkeys(asset for pair in pairs for asset in (pair.base, pair.quote))
        known = {row["id"]: row for row in data.get("assets", ())}
        return Listing(pairs, tuple(_asset(name, known.get(name, {})) for name in wanted))
    except (KeyError, TypeError, ValueError) as error:
        raise SourceRefused(f"its list of instruments cannot be read: {error!r}") from error


def _pair(row: Mapping[str, Any]) -> PairSpec:
    symbol, base, quote = str(row["symbol"]), str(row["base"]), str(row["quote"])
    precision = int(row["price_precision"])
    told = PairSpec(
        symbol=symbol,
        altname=_rest_name(base) + _rest_name(quote),
        rest_key=_rest_name(base) + _rest_name(quote),
        wsname=f"{_rest_name(base)}/{_rest_name(quote)}",
        base=base,
        quote=quote,
        price_precision=precision,
        tick=amount(row.get("price_increment", Decimal(1).scaleb(-precision))),
        qty_precision=int(row["qty_precision"]),
        qty_min=amount(row["qty_min"]),
        cost_precision=int(row.get("cost_precision", 5)),
        cost_min=amount(row.get("cost_min", Decimal("0.5"))),
    )
    own = next((pair for pair in DEFAULT_PAIRS if pair.symbol == symbol), None)
    return told if own is None else replace(own, **{name: getattr(told, name) for name in _TOLD})


def _rest_name(asset: str) -> str:
    return _REST_NAMES.get(asset, asset)


def _asset(name: str, row: Mapping[str, Any]) -> AssetSpec:
    own = next((asset for asset in DEFAULT_ASSETS if asset.name == name), None)
    if own is not None:
        return own
    plain = _rest_name(name)
    decimals, shown = int(row.get("precision", 10)), int(row.get("precision_display", 5))
    return AssetSpec(name=name, rest_key=plain, altname=plain, decimals=decimals, display_decimals=shown)


async def fetch_listing(wire: Wire, address: Address, symbols: Sequence[str]) -> Listing:
    """Ask a source for its instruments. Raises SourceLost and SourceRefused, within bounds."""
    found: list[Listing] = []
    done = trio.CancelScope(deadline=trio.current_time() + _FETCH_S)

    def take(frame: Frame, _: str) -> Sequence[Request]:
        if frame.channel == "instrument" and frame.type == "snapshot":
            found.append(listing_of(instrument_data(frame), symbols))
            done.cancel()
        return ()

    with done:
        await follow(wire, address, [INSTRUMENTS], take)
    if not found:
        raise SourceLost(f"it told no instruments within {_FETCH_S:.0f} s")
    return found[0]
