"""One API key over REST: its nonces, its line, its counter, its signature."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple

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

_SIGN, _LENGTH = "API-Sign", "Content-Length"


class SignedLate(NamedTuple):
    """A request, and what is called right before its first byte: it returns the headers that take their values then."""

    request: httpx.Request
    sign: Callable[[], Mapping[str, str]]


def unsigned(request: httpx.Request) -> SignedLate:
    """Wrap a request that needs no signature."""
    return SignedLate(request, dict)


class _LateBody(httpx.AsyncByteStream):
    """A body whose text is not known before its headers are written."""

    def __init__(self) -> None:
        self.data = b""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Once(self)


class _Once:
    """Gives the body's text, once. No generator: a cancelled request drops it, and leaves nothing to close."""

    def __init__(self, body: _LateBody) -> None:
        self._body: _LateBody | None = body

    def __aiter__(self) -> _Once:
        return self

    async def __anext__(self) -> bytes:
        body, self._body = self._body, None
        if body is None:
            raise StopAsyncIteration
        return body.data


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

    def request(self, http: httpx.AsyncClient, name: str, fields: Mapping[str, Any], *, as_json: bool) -> SignedLate:
        """Return a request that is signed, with the next nonce, when its bytes are written."""
        path = f"/0/private/{name}"
        body = _LateBody()
        headers = {
            "API-Key": self._key.reveal(),
            _SIGN: "",
            "Content-Type": "application/json" if as_json else "application/x-www-form-urlencoded",
            _LENGTH: "0",
        }

        def sign() -> dict[str, str]:
            self.last_nonce = self._nonces.draw(self._clock.now_ns())
            nonce = str(self.last_nonce)
            body.data = (json_body if as_json else form_body)({"nonce": nonce, **fields})
            return {_SIGN: api_sign(path, nonce, body.data, self._secret.reveal()), _LENGTH: str(len(body.data))}

        return SignedLate(http.build_request("POST", path, content=body, headers=headers), sign)

    def _note(self, level: float) -> None:
        self._store.spend(self._clock.now_ns() + int(level / self._decay_per_s * NS))
