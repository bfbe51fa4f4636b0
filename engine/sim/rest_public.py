"""Public REST endpoints about the venue itself: time, status, assets, pairs (protocol section 1.3)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.sim import errors
from engine.sim.errors import Refused
from engine.sim.feed import pair_status
from engine.sim.instruments import PairSpec
from engine.sim.market_state import Market
from engine.sim.numbers import NS, rfc1123, rfc3339_seconds
from engine.sim.rest_market import MARKET, PublicEndpoint
from engine.sim.rest_params import Params, key_of, names, pairs_of, word
from engine.sim.venue import Venue

_CLASSES = ("currency", "tokenized_asset")


def time(venue: Venue, params: Params) -> dict[str, object]:  # noqa: ARG001
    """Time."""
    now = venue.clock.now_ns()
    return {"unixtime": now // NS, "rfc1123": rfc1123(now)}


def system_status(venue: Venue, params: Params) -> dict[str, object]:  # noqa: ARG001
    """SystemStatus."""
    return {"status": venue.core.status, "timestamp": rfc3339_seconds(venue.clock.now_ns())}


def assets(venue: Venue, params: Params) -> dict[str, object]:
    """Assets, all or those named by key, altname or v2 name; ``currency`` is the only class. Raises Refused."""
    wanted, is_listed = names(params, "asset"), word(params, "aclass", _CLASSES, "currency") == "currency"
    rows: dict[str, object] = {}
    for asset in venue.settings.assets if is_listed else ():
        if not wanted or {asset.name, asset.rest_key, asset.altname} & set(wanted):
            rows[asset.rest_key] = {
                "aclass": "currency",
                "altname": asset.altname,
                "decimals": asset.decimals,
                "display_decimals": asset.display_decimals,
                "status": "enabled",
            }
    if len(rows) < len(wanted):
        raise Refused(errors.UNKNOWN_ASSET)
    return rows


def asset_pairs(venue: Venue, params: Params) -> dict[str, object]:
    """AssetPairs, all or those named; ``info`` chooses what is told of each. Raises Refused.

    Every pair is a currency of the international venue, and no country hides one.
    """
    info = word(params, "info", tuple(_INFO), "info")
    is_listed = word(params, "aclass_base", _CLASSES, "currency") == "currency"
    is_here = word(params, "execution_venue", ("international", "bitnomial_exchange"), "international")
    pairs = pairs_of(venue, params)
    if not is_listed or is_here != "international":
        return {}
    markets = [venue.core.market(pair.symbol) for pair in pairs]
    return {key_of(venue, params, market.pair): _INFO[info](venue, market) for market in markets}


def _leverage(venue: Venue, market: Market) -> dict[str, object]:  # noqa: ARG001
    return {"leverage_buy": list(market.pair.leverage_buy), "leverage_sell": list(market.pair.leverage_sell)}


def _fees(venue: Venue, market: Market) -> dict[str, object]:  # noqa: ARG001
    steps = venue.settings.fees.steps
    return {
        "fees": [[int(step.volume), _percent(step.taker_pct)] for step in steps],
        "fees_maker": [[int(step.volume), _percent(step.maker_pct)] for step in steps],
        "fee_volume_currency": "ZUSD",
    }


def _margin(venue: Venue, market: Market) -> dict[str, object]:  # noqa: ARG001
    return {"margin_call": market.pair.margin_call, "margin_stop": market.pair.margin_stop}


def _whole(venue: Venue, market: Market) -> dict[str, object]:
    pair = market.pair
    return {
        **_names_of(venue, pair),
        "cost_decimals": pair.cost_precision,
        "pair_decimals": pair.price_precision,
        "lot_decimals": pair.qty_precision,
        "lot_multiplier": 1,
        **_leverage(venue, market),
        **_fees(venue, market),
        **_margin(venue, market),
        "ordermin": format(pair.qty_min, "f"),
        "costmin": format(pair.cost_min, "f"),
        "tick_size": format(pair.tick, "f"),
        "status": pair_status(market, venue.core.status),
        "execution_venue": "international",
    }


def _names_of(venue: Venue, pair: PairSpec) -> dict[str, object]:
    return {
        "altname": pair.altname,
        "wsname": pair.wsname,
        "aclass_base": "currency",
        "base": venue.settings.asset(pair.base).rest_key,
        "aclass_quote": "currency",
        "quote": venue.settings.asset(pair.quote).rest_key,
        "lot": "unit",
    }


def _percent(value: Decimal) -> msgspec.Raw:
    """Write a percentage as recorded: a number without trailing zeros."""
    return msgspec.Raw(format(value.normalize(), "f").encode())


_INFO = {"info": _whole, "leverage": _leverage, "fees": _fees, "margin": _margin}
PUBLIC: dict[str, PublicEndpoint] = {
    "Time": time,
    "SystemStatus": system_status,
    "Assets": assets,
    "AssetPairs": asset_pairs,
    **MARKET,
}
