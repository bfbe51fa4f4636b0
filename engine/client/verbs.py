"""One method for each verb of the door, for both clients: what it is called, what it takes, where it goes.

Amounts are given as ``Decimal``, ``str`` or ``int``, never as a float. An id may be any unique beginning of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

from engine.client.request import CLOSE_BOUND_S, Ask, get, in_path, post

Result = TypeVar("Result")
Amount = Decimal | str | int


class Verbs(Generic[Result]):
    """Every method raises Refused when the engine says no, and Unreachable when nobody answers."""

    def _ask(self, ask: Ask) -> Result:
        raise NotImplementedError

    # --- signals ------------------------------------------------------------------------------------------------------

    def submit(self, signal: Mapping[str, Any] | str) -> Result:
        """Give a signal (a mapping, or its JSON text); answered once its verdict is durable.

        Safe to send again after Unreachable: the same ``signal_id`` with the same content has the same verdict. With
        other content it is Refused (SIGNAL_CONFLICT). A denial is a verdict: ``status``, ``code``, ``reason``.
        """
        text = signal if isinstance(signal, str) else json.dumps(signal, default=_plain)
        return self._ask(Ask("POST", "/api/signals", body=text))

    def plan(self, signal: Mapping[str, Any] | str) -> Result:
        """Return what a signal would do if it came now: verdict, every check, orders, worst case. Nothing is sent."""
        text = signal if isinstance(signal, str) else json.dumps(signal, default=_plain)
        return self._ask(Ask("POST", "/api/plan", body=text))

    def signal(self, signal: str) -> Result:
        """Return one signal, its verdict and its bracket."""
        return self._ask(get(f"/api/signals/{in_path(signal)}"))

    def brackets(self) -> Result:
        """Return the brackets that have not ended."""
        return self._ask(get("/api/brackets"))

    def bracket(self, signal: str) -> Result:
        """Return one bracket, living or ended."""
        return self._ask(get(f"/api/brackets/{in_path(signal)}"))

    # --- orders -------------------------------------------------------------------------------------------------------

    def orders(self, history: int | None = None) -> Result:
        """Return the orders that have not settled, and the last ``history`` fills."""
        return self._ask(get("/api/orders", history=history))

    def order(self, order: str) -> Result:
        """Return one order and every report about it."""
        return self._ask(get(f"/api/orders/{in_path(order)}"))

    def why(self, id: str) -> Result:  # noqa: A002 - the parameter's name at the door
        """Return the story of an order or a signal, cause by cause."""
        return self._ask(get(f"/api/why/{in_path(id)}"))

    # --- money --------------------------------------------------------------------------------------------------------

    def positions(self) -> Result:
        """Return what our fills have left in our hands."""
        return self._ask(get("/api/positions"))

    def balances(self) -> Result:
        """Return the venue's balances held against our books."""
        return self._ask(get("/api/balances"))

    def pnl(self, by: Literal["strategy", "symbol", "day"] | None = None) -> Result:
        """Return realised and unrealised profit."""
        return self._ask(get("/api/pnl", by=by))

    def quality(self, signal: str | None = None, last: int | None = None) -> Result:
        """Return how signals were executed."""
        return self._ask(get("/api/quality", signal=signal, last=last))

    # --- machinery ----------------------------------------------------------------------------------------------------

    def status(self) -> Result:
        """Return how the engine is."""
        return self._ask(get("/api/status"))

    def board(self) -> Result:
        """Return everything the dashboard shows."""
        return self._ask(get("/api/board"))

    def books(self, symbol: str | None = None, depth: int | None = None) -> Result:
        """Return the books that are held."""
        return self._ask(get("/api/books", symbol=symbol, depth=depth))

    def links(self) -> Result:
        """Return the connections to the venue."""
        return self._ask(get("/api/links"))

    def limits(self) -> Result:
        """Return the limits and what is used of them."""
        return self._ask(get("/api/limits"))

    def denials(self, last: int | None = None) -> Result:
        """Return the last signals that were denied."""
        return self._ask(get("/api/denials", last=last))

    def alarms(self, *, past: bool = False) -> Result:
        """Return what is wrong now; with ``past`` also what is over."""
        return self._ask(get("/api/alarms", past=past or None))

    def ack(self, alarm: str, reason: str | None = None) -> Result:
        """Acknowledge an alarm by its code or id."""
        return self._ask(post("/api/ack", {"alarm": alarm, "reason": reason}))

    def alarm_test(self, text: str | None = None) -> Result:
        """Send a test alarm through every sink."""
        return self._ask(post("/api/alarms/test", {"text": text}))

    def reload(self, reason: str | None = None) -> Result:
        """Read the settings files anew: limits and pairs."""
        return self._ask(post("/api/reload", {"reason": reason}))

    def journal(
        self,
        after: int | None = None,
        limit: int | None = None,
        *,
        signal_id: str | None = None,
        cl_ord_id: str | None = None,
        kind: str | None = None,
    ) -> Result:
        """Return a page of the journal; ``next_after`` in it is the next page's ``after``."""
        chosen = {"signal_id": signal_id, "cl_ord_id": cl_ord_id, "kind": kind}
        return self._ask(get("/api/journal", after=after, limit=limit, **chosen))

    # --- commands -----------------------------------------------------------------------------------------------------

    def cancel(
        self,
        *,
        order: str | None = None,
        signal: str | None = None,
        symbol: str | None = None,
        all: bool = False,  # noqa: A002 - the parameter's name at the door
        reason: str | None = None,
    ) -> Result:
        """Cancel one order, or what is left of entries; exactly one of the four is given. Fills stay protected."""
        chosen = {"order": order, "signal": signal, "symbol": symbol, "all": all or None}
        return self._ask(post("/api/cancel", {**chosen, "reason": reason}))

    def close(
        self,
        *,
        symbol: str | None = None,
        signal: str | None = None,
        all: bool = False,  # noqa: A002
        max_slippage_bps: int | None = None,
        include_holdings: bool = False,
        reason: str | None = None,
    ) -> Result:
        """Make something flat; answered with the proof, or with what is not flat and why. Takes up to minutes."""
        chosen = {"symbol": symbol, "signal": signal, "all": all or None, "include_holdings": include_holdings or None}
        given = {"max_slippage_bps": max_slippage_bps, "reason": reason}
        return self._ask(post("/api/close", {**chosen, **given}, CLOSE_BOUND_S))

    def halt(self, reason: str, *, strategy: str | None = None, reducing: bool = False) -> Result:
        """Let no entry pass, over restarts too, until ``resume``."""
        return self._ask(post("/api/halt", {"reason": reason, "strategy": strategy, "reducing": reducing or None}))

    def resume(self, reason: str, *, strategy: str | None = None) -> Result:
        """Release a halt."""
        return self._ask(post("/api/resume", {"reason": reason, "strategy": strategy}))

    def rearm(self, strategy: str, reason: str) -> Result:
        """Let a throttled strategy go on."""
        return self._ask(post("/api/rearm", {"strategy": strategy, "reason": reason}))

    def amend(
        self,
        *,
        order: str | None = None,
        limit_price: Amount | None = None,
        qty: Amount | None = None,
        signal: str | None = None,
        stop: Amount | None = None,
        target: Amount | None = None,
        reason: str | None = None,
    ) -> Result:
        """Change an entry (``order`` with ``limit_price``), or a bracket's exits (``signal`` with stop or target)."""
        prices = {"limit_price": limit_price, "qty": qty, "stop": stop, "target": target}
        texts = {name: None if value is None else _plain(value) for name, value in prices.items()}
        return self._ask(post("/api/amend", {"order": order, "signal": signal, "reason": reason, **texts}))

    def protect(
        self,
        symbol: str,
        qty: Amount,
        stop: Amount,
        target: Amount | None = None,
        side: Literal["buy", "sell"] | None = None,
    ) -> Result:
        """Put coins that are there already under a stop, and a target."""
        texts = {"qty": _plain(qty), "stop": _plain(stop), "target": None if target is None else _plain(target)}
        return self._ask(post("/api/protect", {"symbol": symbol, "side": side, **texts}))

    def resolve(self, order: str, verdict: Literal["live", "dead"], reason: str) -> Result:
        """Decide what became of an unknown order."""
        return self._ask(post("/api/resolve", {"order": order, "as": verdict, "reason": reason}))


def _plain(value: object) -> str:
    """Write an amount without an exponent. Raises TypeError for a float: its digits are not what was meant."""
    if isinstance(value, bool) or not isinstance(value, Decimal | str | int):
        raise TypeError(f"an amount is a Decimal, a str or an int, not {type(value).__name__}")
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
