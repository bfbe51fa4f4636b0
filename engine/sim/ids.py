"""Ids in Kraken's look: a letter and base32 digits, 6-5-6 (protocol section 11.7)."""

from __future__ import annotations

import base64

from engine.seams.chance import Chance

_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Ids:
    """Draws ids, each kind from its own stream. The boot counter keeps a restarted exchange from repeating them."""

    def __init__(self, chance: Chance, boot: int) -> None:
        self._streams = {
            kind: chance.stream(f"sim/ids/{boot}/{kind}") for kind in ("order", "trade", "ledger", "amend", "deposit")
        }
        self._connections = chance.stream(f"sim/connections/{boot}")
        self._tokens = chance.stream(f"sim/tokens/{boot}")

    def _draw(self, first: str, kind: str) -> str:
        tail = "".join(self._streams[kind].choices(_DIGITS, k=16))
        return f"{first}{tail[:5]}-{tail[5:10]}-{tail[10:]}"

    def order(self) -> str:
        """Draw an order id."""
        return self._draw("O", "order")

    def trade(self) -> str:
        """Draw an execution id."""
        return self._draw("T", "trade")

    def ledger(self) -> str:
        """Draw a ledger entry's id."""
        return self._draw("L", "ledger")

    def deposit(self) -> str:
        """Draw the reference of a deposit or withdrawal."""
        return self._draw("Q", "deposit")

    def amend(self) -> str:
        """Draw an amend id; these begin with T as well."""
        return self._draw("T", "amend")

    def connection(self) -> int:
        """Draw a connection id; like the real ones it is beyond 2**53."""
        return (1 << 63) | self._connections.getrandbits(62)

    def token(self) -> str:
        """Draw a WebSocket token."""
        return base64.b64encode(self._tokens.randbytes(32)).decode()


def draw_credentials(chance: Chance, account: str) -> tuple[str, str]:
    """Draw an API key (56 characters) and its secret (base64 of 64 bytes)."""
    stream = chance.stream(f"sim/credentials/{account}")
    return base64.b64encode(stream.randbytes(42)).decode(), base64.b64encode(stream.randbytes(64)).decode()
