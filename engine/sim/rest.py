"""The REST door: routing, authentication, the points where faults are consulted (protocol sections 1.1, 2, 4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal
from urllib.parse import parse_qsl

import trio

from engine.sim import errors
from engine.sim.accounts import Account
from engine.sim.budgets import SecondBudget
from engine.sim.errors import Refused
from engine.sim.faults import CLEAR, Phase, Verdict
from engine.sim.hub import encode
from engine.sim.keys import ApiKey
from engine.sim.outbox import estranged
from engine.sim.rest_account import KEYED, READING
from engine.sim.rest_orders import (
    add_batch,
    add_order,
    amend_order,
    cancel_all,
    cancel_all_after,
    cancel_batch,
    cancel_order,
    edit_order,
)
from engine.sim.rest_params import Params
from engine.sim.rest_public import PUBLIC
from engine.sim.signing import signature_matches
from engine.sim.venue import Venue

ORDERS: dict[str, Callable[[Venue, Account, Params, int], dict[str, object]]] = {
    "AddOrder": add_order,
    "AddOrderBatch": add_batch,
    "AmendOrder": amend_order,
    "EditOrder": edit_order,
    "CancelOrder": cancel_order,
    "CancelOrderBatch": cancel_batch,
    "CancelAll": cancel_all,
    "CancelAllOrdersAfter": cancel_all_after,
}
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, or the way in which there is none."""

    status: int
    body: bytes
    content_type: str = _JSON
    fate: Literal["send", "hang", "kill"] = "send"
    stall_s: float = 0.0  # the connection goes half-open in front of it
    then: Callable[[], Reply] | None = None  # makes the answer once that is over


def _reply(error: list[str], result: object = None, verdict: Verdict = CLEAR) -> Reply:
    body = encode({"error": error} if error else {"error": [], "result": result})
    return Reply(200, estranged(body) if verdict.strange else body, stall_s=verdict.stall_s)


class Rest:
    """Answers REST requests. An API error is a 200, as at Kraken."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._public_calls = SecondBudget(venue.settings.rest_public_per_s)

    async def handle(self, target: str, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> Reply:
        """Answer one request; ``target`` is path and query as sent."""
        path, _, query = target.partition("?")
        given = {name.lower(): value.decode("latin-1") for name, value in headers}
        try:
            if path.startswith("/0/public/"):
                return await self._public(path.removeprefix("/0/public/"), query, given, body)
            if path.startswith("/0/private/"):
                return await self._private(path, given, body)
        except Refused as refusal:
            return _reply([refusal.text])
        finally:
            if self._venue.keeper is not None:
                self._venue.keeper.save_nonces()
        return Reply(404, encode({"error": [errors.UNKNOWN_METHOD]}))

    async def _public(self, name: str, query: str, headers: dict[bytes, str], body: bytes) -> Reply:
        endpoint = PUBLIC.get(name)
        if endpoint is None:
            raise Refused(errors.UNKNOWN_METHOD)
        if not self._public_calls.allows():
            raise Refused(errors.TOO_MANY_REQUESTS)
        params = _read_form(query) | (_read_body(headers, body) if body else {})
        verdict = await self._judged(name, "before", self._venue.next_number(), self._venue.symbol_of(params))
        if verdict.interferes:
            return _instead(verdict)
        return _reply([], endpoint(self._venue, params), verdict)

    async def _private(self, path: str, headers: dict[bytes, str], body: bytes) -> Reply:
        arrived_ns = self._venue.clock.now_ns()
        name = path.removeprefix("/0/private/")
        if name not in READING and name not in ORDERS and name not in KEYED:
            raise Refused(errors.UNKNOWN_METHOD)
        params = _read_body(headers, body)
        key = self._authenticate(path, headers, params, body)
        key.calls.take(name, arrived_ns)
        key.require(name)
        if name in ORDERS:
            self._venue.note("rest", name, params.get("cl_ord_id"))
            await trio.sleep(self._venue.settings.processing_delay_s)
        return await self._judge(name, key, params, arrived_ns)

    async def _judge(self, name: str, key: ApiKey, params: Params, arrived_ns: int) -> Reply:
        """Take a request through the points where faults are consulted."""
        number = self._venue.next_number()
        before = await self._judged(name, "before", number, self._venue.symbol_of(params))
        if before.interferes:
            if before.later_s is not None:
                await self._venue.spawn(partial(self._later, before.later_s, name, key, params, arrived_ns))
            return _instead(before)
        if before.stall_s:
            return Reply(0, b"", stall_s=before.stall_s, then=partial(self._carry_out, name, key, params, arrived_ns))
        reply = self._carry_out(name, key, params, arrived_ns)
        after = await self._judged(name, "after", number)
        if after.interferes:
            return _instead(after)
        if after.strange:
            reply = replace(reply, body=estranged(reply.body))
        return replace(reply, stall_s=after.stall_s)

    async def _judged(self, name: str, phase: Phase, number: int, symbol: str = "") -> Verdict:
        """Ask the faults and serve their delay."""
        verdict = await self._venue.faults.on_request("rest", name, phase, number, symbol)
        if verdict.delay_s:
            await trio.sleep(verdict.delay_s)
        return verdict

    async def _later(self, delay_s: float, name: str, key: ApiKey, params: Params, arrived_ns: int) -> None:
        await trio.sleep(delay_s)
        self._carry_out(name, key, params, arrived_ns)

    def _carry_out(self, name: str, key: ApiKey, params: Params, arrived_ns: int) -> Reply:
        venue = self._venue
        try:
            if name in ORDERS:
                return _reply([], ORDERS[name](venue, venue.core.accounts[key.account], params, arrived_ns))
            if name in KEYED:
                return _reply([], KEYED[name](venue, key, params))
            return _reply([], READING[name](venue, venue.seen_by_rest(key.account), params))
        except Refused as refusal:
            return _reply([refusal.text])

    def _authenticate(self, path: str, headers: dict[bytes, str], params: Params, body: bytes) -> ApiKey:
        """Check key, signature and nonce, in this order: only a signed nonce counts. Raises Refused."""
        now_ns = self._venue.clock.now_ns()
        self._venue.lockout.check(now_ns)
        try:
            return self._identified(path, headers, params, body)
        except Refused:
            self._venue.lockout.note_failure(now_ns)
            raise

    def _identified(self, path: str, headers: dict[bytes, str], params: Params, body: bytes) -> ApiKey:
        key = self._venue.keys.get(headers.get(b"api-key", ""))
        if key is None:
            raise Refused(errors.INVALID_KEY)
        nonce = params.get("nonce")
        if not isinstance(nonce, str) or not nonce.isascii() or not nonce.isdigit() or len(nonce) > 20:
            raise Refused(errors.INVALID_NONCE)
        if not signature_matches(headers.get(b"api-sign", ""), key.secret, path, nonce, body):
            raise Refused(errors.INVALID_SIGNATURE)
        key.take_nonce(int(nonce), self._venue.settings.nonce_window)
        if self._venue.keeper is not None:
            self._venue.keeper.note_nonce(key)
        return key


def _instead(verdict: Verdict = CLEAR) -> Reply:
    """Build what a fault puts in the place of the answer."""
    if verdict.kill or verdict.close:
        return Reply(0, b"", fate="kill")
    if verdict.drop:
        return Reply(0, b"", fate="hang")
    if verdict.http_status is not None:
        return Reply(verdict.http_status, verdict.body.encode(), "text/html; charset=utf-8")
    return _reply([verdict.error or errors.INTERNAL_ERROR])


def _read_body(headers: dict[bytes, str], body: bytes) -> dict[str, Any]:
    """Read a form or JSON body; JSON numbers become their text, exactly as sent. Raises Refused."""
    try:
        text = body.decode()
        if not headers.get(b"content-type", "").startswith(_JSON):
            return _read_form(text)
        params = json.loads(text, parse_float=str, parse_int=str, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(errors.BAD_REQUEST) from None
    if not isinstance(params, dict):
        raise Refused(errors.BAD_REQUEST)
    return params


def _read_form(text: str) -> dict[str, Any]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=1000))
    except ValueError:
        raise Refused(errors.BAD_REQUEST) from None


def _no_constant(name: str) -> None:
    raise ValueError(name)
