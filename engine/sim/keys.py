"""API keys: whose they are, what they may do, their nonces; and the lockout after too many bad ones."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from engine.sim import errors
from engine.sim.errors import Refused
from engine.sim.numbers import NS
from engine.sim.rates import CallCounter

if TYPE_CHECKING:
    from engine.sim.settings import SimSettings

TRADING_PERMISSIONS = (
    "query-funds",
    "query-open-trades",
    "query-closed-trades",
    "modify-trades",
    "close-trades",
    "create-ws-token",
)
QUERY_PERMISSIONS = ("query-funds", "query-open-trades", "query-closed-trades")
PERMISSIONS = (*TRADING_PERMISSIONS, "query-ledger", "export-data", "earn-funds", "add-funds", "withdraw-funds")

_FUNDS, _OPEN, _CLOSED = ("query-funds",), ("query-open-trades",), ("query-closed-trades",)
_MODIFY, _CLOSE = ("modify-trades",), ("close-trades",)
_NEEDS: dict[str, tuple[str, ...]] = {  # any of these is enough; what is not listed needs none
    **dict.fromkeys(("Balance", "BalanceEx", "TradeBalance", "TradeVolume", "balances"), _FUNDS),
    **dict.fromkeys(("OpenOrders", "OpenPositions"), _OPEN),
    **dict.fromkeys(("Ledgers", "QueryLedgers"), ("query-ledger",)),
    **dict.fromkeys(("ClosedOrders",), _CLOSED),
    **dict.fromkeys(("QueryOrders", "TradesHistory", "QueryTrades", "OrderAmends", "executions"), _OPEN + _CLOSED),
    **dict.fromkeys(
        ("AddOrder", "AddOrderBatch", "AmendOrder", "EditOrder", "add_order", "batch_add", "amend_order", "edit_order"),
        _MODIFY,
    ),
    **dict.fromkeys(("CancelOrder", "CancelOrderBatch", "CancelAll", "CancelAllOrdersAfter"), _CLOSE),
    **dict.fromkeys(("cancel_order", "batch_cancel", "cancel_all", "cancel_all_orders_after"), _CLOSE),
    "GetWebSocketsToken": ("create-ws-token",),
}


_MOST_NONCES = 10_000  # kept before those outside the window are forgotten


class ApiKey:
    """One key of an account. ``name`` is what its owner called it: the account's name for its first key."""

    def __init__(
        self, name: str, account: str, pair: tuple[str, str], permissions: tuple[str, ...], settings: SimSettings
    ) -> None:
        self.name, self.account, self.permissions = name, account, permissions
        self.public, self.secret = pair
        self.nonce_high = 0
        self._nonces: set[int] = set()  # used ones within the window
        self.calls = CallCounter(settings, account)

    def __repr__(self) -> str:
        return f"ApiKey({self.name!r}, account={self.account!r})"

    def take_nonce(self, nonce: int, window: int) -> None:
        """Accept a nonce above the highest seen less the key's window, each once. Raises Refused."""
        if not self.nonce_high - window < nonce < 1 << 64 or nonce in self._nonces or nonce == self.nonce_high:
            raise Refused(errors.INVALID_NONCE)
        self.nonce_high = max(self.nonce_high, nonce)
        if window:
            self._nonces.add(nonce)
            if len(self._nonces) > _MOST_NONCES:
                self._nonces = {used for used in self._nonces if used > self.nonce_high - window}

    def require(self, method: str) -> None:
        """Check that the key may do this. Raises Refused (``EGeneral:Permission denied``)."""
        needed = _NEEDS.get(method)
        if needed is not None and not set(needed) & set(self.permissions):
            raise Refused(errors.PERMISSION_DENIED)


class Lockout:
    """Refuses every private call for a while after too many bad keys, signatures and nonces in a short time.

    Kraken counts by address; a simulated exchange has one client address, so it counts all together.
    """

    def __init__(self, settings: SimSettings) -> None:
        self._settings = settings
        self._failures: deque[int] = deque()
        self._until_ns = 0

    def check(self, now_ns: int) -> None:
        """Refuse while locked out; the attempt extends it, if the settings say so. Raises Refused."""
        if now_ns < self._until_ns:
            if self._settings.lockout_is_extended:
                self._until_ns = now_ns + round(self._settings.lockout_s * NS)
            raise Refused(errors.TEMPORARY_LOCKOUT)

    def note_failure(self, now_ns: int) -> None:
        """Count a bad authentication."""
        most = self._settings.lockout_after
        if most is None:
            return
        self._failures.append(now_ns)
        while self._failures[0] <= now_ns - round(self._settings.lockout_window_s * NS):
            self._failures.popleft()
        if len(self._failures) >= most:
            self._failures.clear()
            self._until_ns = now_ns + round(self._settings.lockout_s * NS)
