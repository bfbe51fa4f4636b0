"""WebSocket tokens: 15 minutes to be used, then kept alive by the private subscription they opened."""

from __future__ import annotations

from engine.sim.errors import INVALID_SESSION, Refused
from engine.sim.ids import Ids
from engine.sim.keys import ApiKey
from engine.sim.numbers import NS


class Tokens:
    """Issued tokens by text. Expired ones are dropped as new ones are issued."""

    def __init__(self, ids: Ids, life_s: float) -> None:
        self._ids = ids
        self.life_ns = round(life_s * NS)
        self.generation = 0  # a subscription of an older one does not keep its token alive any more
        self._issued: dict[str, tuple[ApiKey, int]] = {}

    def issue(self, key: ApiKey, now_ns: int) -> str:
        """Give a new token of this key."""
        self._issued = {token: held for token, held in self._issued.items() if held[1] > now_ns}
        token = self._ids.token()
        self._issued[token] = (key, now_ns + self.life_ns)
        return token

    def revoke_all(self, *, in_use: bool) -> None:
        """Forget every token, as an upgrade of the real servers does; those in use as well, if so wanted."""
        self._issued.clear()
        if in_use:
            self.generation += 1

    def key_of(self, token: object, now_ns: int) -> ApiKey:
        """Return the key behind a token. Raises Refused (``ESession:Invalid session``)."""
        held = self._issued.get(token) if isinstance(token, str) else None
        if held is None or held[1] <= now_ns:
            raise Refused(INVALID_SESSION)
        return held[0]
