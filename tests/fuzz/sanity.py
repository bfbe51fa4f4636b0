"""What must still be so whatever the exchange was sent: sane clients go on, money is conserved, nothing piles up."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import trio

from engine.sim import Exchange
from tests.fuzz.asked import SYMBOL
from tests.fuzz.doors import Doors, sign

LIMIT = {"pair": "XBTUSD", "ordertype": "limit", "type": "buy", "volume": "0.001", "price": "45000.0"}


class Sanity:
    """A client with good manners, and an auditor of the exchange."""

    def __init__(self, exchange: Exchange, doors: Doors, drained_s: float) -> None:
        self._exchange, self._doors, self._drained_s = exchange, doors, drained_s
        self._keys = exchange._venue.keys
        self._start = self._totals()

    async def check(self) -> None:
        """Place, see and cancel an order by REST, by another key, and add up the money."""
        self._refill()
        assert (await self.call("CancelAllOrdersAfter", self._exchange.api_key, timeout=0))["triggerTime"] == "0"
        await self.call("CancelAll", self._exchange.api_key)
        sane = self._exchange.credentials("sane/key")[0]
        (txid,) = (await self.call("AddOrder", sane, **LIMIT))["txid"]
        assert (await self.call("QueryOrders", sane, txid=txid))[txid]["status"] == "open"
        assert (await self.call("CancelOrder", sane, txid=txid))["count"] == 1
        bids, asks = self._exchange.truth.levels(SYMBOL)
        assert bids[0][0] < asks[0][0], "the book is crossed"
        assert (now := self._totals()) == self._start, f"money: {now}, at the start {self._start}"

    async def check_end(self) -> None:
        """Once all have hung up the exchange holds no connection."""
        await trio.sleep(self._drained_s)
        await self.check()
        await trio.sleep(self._drained_s)
        venue = self._exchange._venue
        left = (self._exchange._server._open, len(venue.sockets), len(venue.http_gates))
        assert left == (0, 0, 0), f"connections, sockets, gates left: {left}"

    def _refill(self) -> None:
        house = self._exchange.house
        house.clear(SYMBOL)
        for step in range(5):
            house.quote(SYMBOL, "buy", Decimal(49_900 - step), Decimal(5))
            house.quote(SYMBOL, "sell", Decimal(50_100 + step), Decimal(5))

    def _totals(self) -> dict[str, Decimal]:
        core = self._exchange._venue.core
        found: Counter[str] = Counter()
        for money in (*(account.balances for account in core.accounts.values()), core.settlement.collected):
            for asset, amount in money.items():
                found[asset] += amount  # type: ignore[assignment]  # a Counter of amounts
        return {asset: amount for asset, amount in found.items() if amount}  # type: ignore[misc]

    async def call(self, name: str, key_name: str, **params: object) -> Any:
        key = self._keys[key_name]
        if key.nonce_high > 1 << 62:
            key.nonce_high = 0
        nonce, path = str(key.nonce_high + 1), f"/0/private/{name}"
        body, raw = urlencode({"nonce": nonce, **params}).encode(), self._doors.tried.raw
        headers = {"API-Key": key.public, "API-Sign": sign(key.secret, path, nonce, body)}
        answer = await self._doors.ask("POST", path, headers, body)
        self._doors.tried.raw = raw
        told = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert told["error"] == [], f"{name}: {told}"
        return told["result"]
