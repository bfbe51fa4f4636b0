"""The REST door: routing, authentication, the points where faults are consulted (protocol sections 1.1, 2, 4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl

import trio

from engine.sim import errors
from engine.sim.accounts import Account
from engine.sim.errors import Refused
from engine.sim.faults import CLEAR, Verdict
from engine.sim.hub import encode
from engine.sim.rest_account import READING
from engine.sim.rest_orders import add_order, amend_order, cancel_all, cancel_batch, cancel_order
from engine.sim.rest_params import Params
from engine.sim.rest_public import PUBLIC
from engine.sim.signing import signature_matches
from engine.sim.venue import Venue

ORDERS: dict[str, Callable[[Venue, Account, Params, int], dict[str, object]]] = {
    "AddOrder": add_order,
    "AmendOrder": amend_order,
    "CancelOrder": cancel_order,
    "CancelOrderBatch": cancel_batch,
    "CancelAll": cancel_all,
}
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, or the way in which there is none."""

    status: int
    body: bytes
    content_type: str = _JSON
    fate: Literal["send", "hang", "kill"] = "send"


def _reply(error: list[str], result: object = None) -> Reply:
    return Reply(200, encode({"error": error} if error else {"error": [], "result": result}))


class Rest:
    """Answers REST requests. An API error is a 200, as at Kraken."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    async def handle(self, target: str, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> Reply:
        """Answer one request; ``target`` is path and query as sent."""
        path, _, query = target.partition("?")
        given = {name.lower(): value.decode("latin-1") for name, value in headers}
        try:
            if path.startswith("/0/public/"):
                return self._public(path.removeprefix("/0/public/"), query, given, body)
            if path.startswith("/0/private/"):
                return await self._private(path, given, body)
        except Refused as refusal:
            return _reply([refusal.text])
        return Reply(404, encode({"error": [errors.UNKNOWN_METHOD]}))

    def _public(self, name: str, query: str, headers: dict[bytes, str], body: bytes) -> Reply:
        endpoint = PUBLIC.get(name)
        if endpoint is None:
            raise Refused(errors.UNKNOWN_METHOD)
        params = _read_form(query) | (_read_body(headers, body) if body else {})
        return _reply([], endpoint(self._venue, params))

    async def _private(self, path: str, headers: dict[bytes, str], body: bytes) -> Reply:
        arrived_ns = self._venue.clock.now_ns()
        name = path.removeprefix("/0/private/")
        if name not in READING and name not in ORDERS:
            raise Refused(errors.UNKNOWN_METHOD)
        params = _read_body(headers, body)
        account = self._authenticate(path, headers, params, body)
        if name in ORDERS:
            self._venue.note("rest", name, params.get("cl_ord_id"))
            await trio.sleep(self._venue.settings.processing_delay_s)
        before = await self._venue.faults.on_request("rest", name, "before")
        if before.delay_s:
            await trio.sleep(before.delay_s)
        if before.interferes:
            return _instead(before)
        reply = self._carry_out(name, account, params, arrived_ns)
        after = await self._venue.faults.on_request("rest", name, "after")
        if after.delay_s:
            await trio.sleep(after.delay_s)
        return _instead(after) if after.interferes else reply

    def _carry_out(self, name: str, account: Account, params: Params, arrived_ns: int) -> Reply:
        try:
            if name in ORDERS:
                return _reply([], ORDERS[name](self._venue, account, params, arrived_ns))
            return _reply([], READING[name](self._venue, account, params))
        except Refused as refusal:
            return _reply([refusal.text])

    def _authenticate(self, path: str, headers: dict[bytes, str], params: Params, body: bytes) -> Account:
        """Check key, signature and nonce, in this order: only a signed nonce counts. Raises Refused."""
        account = self._venue.account_of_key(headers.get(b"api-key", ""))
        if account is None:
            raise Refused(errors.INVALID_KEY)
        nonce = params.get("nonce")
        if not isinstance(nonce, str) or not nonce.isascii() or not nonce.isdigit() or len(nonce) > 20:
            raise Refused(errors.INVALID_NONCE)
        if not signature_matches(headers.get(b"api-sign", ""), account.api_secret, path, nonce, body):
            raise Refused(errors.INVALID_SIGNATURE)
        account.take_nonce(int(nonce), self._venue.settings.nonce_window)
        return account


def _instead(verdict: Verdict = CLEAR) -> Reply:
    """Build what a fault puts in the place of the answer."""
    if verdict.kill:
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
