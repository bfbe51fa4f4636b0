"""The judge's own client of the exchange: it shares nothing with engine/kraken."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

PAGE = 50
AHEAD_NS = 3_600 * 10**9
"""An engine's nonces run ahead of the clock after each restart; whoever judges comes after all of them."""


class Rest:
    """Signed calls, one connection each. Use the private ones only once no engine uses the key any more."""

    def __init__(self, url: str, key: str, secret: str) -> None:
        self._url, self._key, self._secret = url, key, base64.b64decode(secret)

    def mid(self, pair: str) -> Decimal:
        """Return the middle of the best bid and ask."""
        with urlopen(f"{self._url}/0/public/Ticker?pair={pair}", timeout=10) as answer:
            (row,) = json.load(answer)["result"].values()
        return (Decimal(row["a"][0]) + Decimal(row["b"][0])) / 2

    def open_orders(self) -> dict[str, Any]:
        """Return the open orders by id."""
        return dict(self._ask("OpenOrders")["open"])

    def closed_orders(self) -> dict[str, Any]:
        """Return every closed order by id."""
        return self._all("ClosedOrders", "closed")

    def trades(self) -> dict[str, Any]:
        """Return every fill by its id, each by itself: Kraken puts a taker's fills together unless asked not to."""
        return self._all("TradesHistory", "trades", consolidate_taker="false")

    def _all(self, name: str, member: str, **params: object) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while True:
            page = self._ask(name, ofs=len(found), **params)
            found |= page[member]
            if not page[member] or len(found) >= page["count"]:
                return found

    def _ask(self, name: str, **params: object) -> Any:
        nonce = str(time.time_ns() + AHEAD_NS)
        body = urlencode({"nonce": nonce, **params}).encode()
        path = f"/0/private/{name}"
        digest = path.encode() + hashlib.sha256(nonce.encode() + body).digest()
        sign = base64.b64encode(hmac.digest(self._secret, digest, hashlib.sha512)).decode()
        headers = {"API-Key": self._key, "API-Sign": sign, "Content-Type": "application/x-www-form-urlencoded"}
        with urlopen(Request(self._url + path, body, headers), timeout=10) as answer:
            said = json.load(answer, parse_float=Decimal)
        if said["error"]:
            raise RuntimeError(f"{name}: {said['error']}")
        return said["result"]
