"""WebSocket tokens: 15 minutes to be used, then kept alive by the private subscription they opened."""

from __future__ import annotations

from engine.sim.errors import INVALID_SESSION, Refused
from engine.sim.ids import Ids
from engine.sim.numbers import NS


class Tokens:
    """Issued tokens by text. Expired ones are dropped as new ones are issued."""

    def __init__(self, ids: Ids, life_s: float) -> None:
        self._ids = ids
        self.life_ns = round(life_s * NS)
        self._issued: dict[str, tuple[str, int]] = {}

    def issue(self, account: str, now_ns: int) -> str:
        """Give a new token of this account."""
        self._issued = {token: held for token, held in self._issued.items() if held[1] > now_ns}
        token = self._ids.token()
        self._issued[token] = (account, now_ns + self.life_ns)
        return token

    def revoke_all(self) -> None:
        """Forget every token, as an upgrade of the real servers does."""
        self._issued.clear()

    def account_of(self, token: object, now_ns: int) -> str:
        """Return the account behind a token. Raises Refused (``ESession:Invalid session``)."""
        held = self._issued.get(token) if isinstance(token, str) else None
        if held is None or held[1] <= now_ns:
            raise Refused(INVALID_SESSION)
        return held[0]
