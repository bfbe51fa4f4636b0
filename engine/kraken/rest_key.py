"""One API key over REST: its nonces, its line, its counter, its signature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from engine.kraken.call_budget import CallBudget
from engine.kraken.encode import form_body, json_body
from engine.kraken.limits import TIERS
from engine.kraken.nonce import Nonces, NonceStore
from engine.kraken.nonce_line import NonceLine
from engine.kraken.settings import Secret
from engine.kraken.signing import api_sign
from engine.seams.clock import Clock
from engine.values.time import NS


class RestKey:
    """Everything that Kraken keeps per key (§2.2, §5.1). One call at a time holds ``line``.

    The counter of calls goes on from where an earlier process left it: engines that start in quick succession would
    else be refused, and blocked, in the very moment in which they need the venue's word.
    """

    def __init__(self, key: Secret, secret: Secret, store: NonceStore, tier: str, clock: Clock) -> None:
        self._key, self._secret, self._store, self._clock = key, secret, store, clock
        self._nonces = Nonces(store)
        self.line = NonceLine()
        limits = TIERS[tier]
        self._decay_per_s = limits.rest_decay
        left = (store.spent_until() - clock.now_ns()) / NS * limits.rest_decay
        self.budget = CallBudget(limits.rest_max, limits.rest_decay, level=left, note=self._note)
        self.last_nonce = 0

    def request(
        self, http: httpx.AsyncClient, name: str, fields: Mapping[str, Any], now_ns: int, *, as_json: bool
    ) -> httpx.Request:
        """Return a signed request with the next nonce: to be written before any other of this key is made."""
        path = f"/0/private/{name}"
        self.last_nonce = self._nonces.draw(now_ns)
        nonce = str(self.last_nonce)
        body = (json_body if as_json else form_body)({"nonce": nonce, **fields})
        headers = {
            "API-Key": self._key.reveal(),
            "API-Sign": api_sign(path, nonce, body, self._secret.reveal()),
            "Content-Type": "application/json" if as_json else "application/x-www-form-urlencoded",
        }
        return http.build_request("POST", path, content=body, headers=headers)

    def _note(self, level: float) -> None:
        self._store.spend(self._clock.now_ns() + int(level / self._decay_per_s * NS))
