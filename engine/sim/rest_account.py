"""Private REST endpoints about the account: balances, fees, token, key; and the table of all that read."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from engine.sim.accounts import Account
from engine.sim.fees import FeeSchedule
from engine.sim.instruments import PairSpec
from engine.sim.keys import ApiKey
from engine.sim.numbers import ZERO, fixed
from engine.sim.rest_history import (
    closed_orders,
    open_orders,
    order_amends,
    query_orders,
    query_trades,
    trades_history,
)
from engine.sim.rest_ledger import ledgers, query_ledgers
from engine.sim.rest_params import Params, names, pairs_of, truth, word
from engine.sim.rest_positions import open_positions, trade_balance
from engine.sim.venue import Venue

_JOINED = ("fee", "minfee", "maxfee", "nextfee", "tiervolume", "nextvolume")
_UNDERSCORED = ("fee", "min_fee", "max_fee", "next_fee", "tier_volume", "next_volume")


def balance(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """Balance: totals, not net of holds. Raises Refused."""
    _check_rebasing(params)
    return {
        asset.rest_key: fixed(account.balances[asset.name], asset.decimals)
        for asset in venue.settings.assets
        if asset.name in account.balances
    }


def balance_ex(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """BalanceEx: totals and what open orders hold. Raises Refused."""
    _check_rebasing(params)
    return {
        asset.rest_key: {
            "balance": fixed(account.balances[asset.name], asset.decimals),
            "hold_trade": fixed(account.held.get(asset.name, ZERO), asset.decimals),
        }
        for asset in venue.settings.assets
        if asset.name in account.balances
    }


def _check_rebasing(params: Params) -> None:
    """No asset here is ever rebased: both words give the same."""
    word(params, "rebase_multiplier", ("rebased", "base"), "rebased")


def trade_volume(venue: Venue, account: Account, params: Params) -> dict[str, object]:
    """TradeVolume: USD traded in thirty days, and for named pairs the step of the fee schedule. Raises Refused."""
    settings, schedule = venue.settings, venue.settings.fees_of(account.name)
    volume = venue.core.settlement.volumes.total(account.name, venue.clock.now_ns())
    result: dict[str, object] = {"currency": "ZUSD", "volume": fixed(volume, 4)}
    pairs = pairs_of(venue, params) if names(params, "pair") else []
    spelling = _JOINED if settings.fee_tier_spelling == "joined" else _UNDERSCORED
    for key, liquidity in (("fees", "t"), ("fees_maker", "m")) if pairs else ():
        tier = dict(zip(spelling, _tier(schedule, volume, liquidity), strict=True))
        result[key] = {pair.rest_key: tier for pair in pairs}
    if truth(params, "fee_schedule") and pairs:
        result["schedules"] = [_schedule(schedule, volume, pair) for pair in pairs]
    return result


def _tier(schedule: FeeSchedule, volume: Decimal, liquidity: str) -> tuple[str | None, ...]:
    """Return fee, least and greatest fee, next fee, volume of this step and of the next, as TradeVolume writes them."""
    rates = [step.maker_pct if liquidity == "m" else step.taker_pct for step in schedule.steps]
    place = schedule.place(volume)
    following = place + 1 if place + 1 < len(rates) else None
    return (
        fixed(rates[place], 4),
        fixed(min(rates), 4),
        fixed(max(rates), 4),
        None if following is None else fixed(rates[following], 4),
        fixed(schedule.steps[place].volume, 4),
        None if following is None else fixed(schedule.steps[following].volume, 4),
    )


def _schedule(schedule: FeeSchedule, volume: Decimal, pair: PairSpec) -> dict[str, object]:
    tiers: list[dict[str, object]] = []
    for index, step in enumerate(schedule.steps):
        tier: dict[str, object] = {"maker_fee": fixed(step.maker_pct, 4), "taker_fee": fixed(step.taker_pct, 4)}
        if step.volume:
            tier["min_spot_volume"] = fixed(step.volume, 4)
        if index == schedule.place(volume):
            tier["active"] = True
        tiers.append(tier)
    return {"pair": pair.rest_key, "class": "forex", "tiers": tiers}


def web_sockets_token(venue: Venue, key: ApiKey, params: Params) -> dict[str, object]:  # noqa: ARG001
    """GetWebSocketsToken."""
    token = venue.tokens.issue(key, venue.clock.now_ns())
    return {"token": token, "expires": round(venue.settings.token_life_s)}


def api_key_info(venue: Venue, key: ApiKey, params: Params) -> dict[str, object]:  # noqa: ARG001
    """GetApiKeyInfo."""
    return {
        "apiKeyName": key.name,
        "apiKey": key.public,
        "nonce": str(key.nonce_high),
        "nonceWindow": venue.settings.nonce_window,
        "permissions": list(key.permissions),
        "ipAllowlist": [],
        "validUntil": "0",
        "queryFrom": "0",
        "queryTo": "0",
    }


READING: dict[str, Callable[[Venue, Account, Params], object]] = {
    "Balance": balance,
    "BalanceEx": balance_ex,
    "TradeBalance": trade_balance,
    "OpenOrders": open_orders,
    "ClosedOrders": closed_orders,
    "QueryOrders": query_orders,
    "TradesHistory": trades_history,
    "QueryTrades": query_trades,
    "OpenPositions": open_positions,
    "Ledgers": ledgers,
    "QueryLedgers": query_ledgers,
    "TradeVolume": trade_volume,
    "OrderAmends": order_amends,
}
KEYED: dict[str, Callable[[Venue, ApiKey, Params], dict[str, object]]] = {
    "GetWebSocketsToken": web_sockets_token,
    "GetApiKeyInfo": api_key_info,
}
