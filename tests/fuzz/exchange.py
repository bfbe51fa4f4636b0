"""Malformed requests and frames at the embedded exchange: an error answer or a clean close each.

After every hundred a sane client still gets its order placed and canceled, and the money is conserved.
"""

from __future__ import annotations

import base64
import gc
import hashlib
import hmac
import json
import random
import time
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

import structlog
import trio
import trio.testing

from engine.net.wire import VirtualStream, VirtualWire, open_virtual_wire
from engine.seams.chance import SeededChance
from engine.seams.clock import VirtualClock
from engine.sim import Exchange, KeySpec, SimSettings
from tests.fuzz.asked import FRAMES, HANDSHAKES, HTTP, ORDER, PRIVATE, PUBLIC, SOUND_HANDSHAKE, SYMBOL, WIRE_FRAMES
from tests.fuzz.frames import Frames
from tests.fuzz.mutation import Mutator

HOST, PORT = "kraken.test", 80
SANE_EVERY = 100
VIRTUAL_BOUND_S = 1_300.0
"""A peer that stops in the middle is waited for twice ten minutes; nothing takes longer on virtual time."""
SLOW_S = 5.0
"""A case that takes this long of real time is as good as a hang."""
GROWTH_MOST = 32 << 20
"""Bytes that one run may leave behind: orders, trades and ledgers are kept, requests and connections are not."""
TOKEN_S = 600.0
SHOWN = 400
FUNDS = MappingProxyType({"USD": Decimal(10**9), "BTC": Decimal(10**4)})
LIMIT = {"pair": "XBTUSD", "ordertype": "limit", "type": "buy", "volume": "0.001", "price": "45000.0"}


class Failure(AssertionError):
    """A case that did what none may do. Its bytes are in the message."""


def run(cases: int, seed: int) -> dict[str, int]:
    """Try so many cases at all doors; return how they ended. Raises Failure, or what the exchange died of."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    tried = Tried()
    try:
        trio.run(_world, cases, str(seed), tried, clock=trio.testing.MockClock(autojump_threshold=0))
    except BaseExceptionGroup as group:
        what = "; ".join(f"{type(leaf).__name__}: {leaf}" for leaf in _leaves(group))
        place = f"seed {seed}, case {sum(tried.ended.values())}"
        raise Failure(f"{place}: {what}: {tried.raw[:SHOWN]!r}") from group
    finally:
        structlog.reset_defaults()
    return dict(sorted(tried.ended.items()))


@dataclass
class Tried:
    """How the cases so far have ended, and the bytes of the one under way."""

    ended: Counter[str] = field(default_factory=Counter)
    raw: bytes = b""


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


async def _world(cases: int, seed: str, tried: Tried) -> None:
    settings = SimSettings(
        accounts={"client": FUNDS, "sane": FUNDS},
        more_keys=(KeySpec(name="sane/key", account="sane"),),
        keep_closed=500,
        hang_s=1.0,
    )
    exchange = Exchange(settings, VirtualClock(), SeededChance(seed))
    async with (
        exchange.running(),
        open_virtual_wire(random.Random(f"{seed}/wire")) as wire,
        trio.open_nursery() as nursery,
    ):
        wire.listen(HOST, PORT, exchange.serve)
        tracemalloc.start()
        try:
            await _try_all(Attack(exchange, wire, nursery, random.Random(seed), tried), cases, tried)
        finally:
            tracemalloc.stop()
        nursery.cancel_scope.cancel()


async def _try_all(attack: Attack, cases: int, tried: Tried) -> None:
    await attack.check_sanity()
    before = _bytes()
    for number in range(1, cases + 1):
        began = time.perf_counter()
        with trio.fail_after(VIRTUAL_BOUND_S):
            how = await attack.try_one()
            if number % SANE_EVERY == 0:
                await attack.check_sanity()
        assert (took_s := time.perf_counter() - began) < SLOW_S, f"took {took_s:.1f} s"
        tried.ended[how] += 1
    await attack.check_end()
    assert (grown := _bytes() - before) < GROWTH_MOST, f"{cases} cases left {grown:,} bytes behind"


def _bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


class Attack:
    """A client with a good key and bad manners."""

    def __init__(
        self, exchange: Exchange, wire: VirtualWire, nursery: trio.Nursery, rng: random.Random, tried: Tried
    ) -> None:
        self.exchange, self._wire, self._rng, self._tried = exchange, wire, rng, tried
        self._keys = exchange._venue.keys
        self._bodies = Mutator(rng, [json.dumps(params).encode() for _, params in PRIVATE])
        self._texts = Mutator(rng, [json.dumps(frame).encode() for frame in FRAMES])
        self._frames = Frames(self.connect, nursery, HOST)
        self._start = self._totals()
        self._token_text, self._token_until_s = "", -1.0
        self._ways: tuple[Callable[[], Awaitable[str]], ...] = (
            self._private, self._private, self._private, self._private, self._frame, self._frame, self._frame,
            self._frame, self._public, self._http, self._handshake, self._wire_frame,
        )  # fmt: skip

    async def connect(self) -> VirtualStream:
        """Open a connection."""
        stream = await self._wire.connect(HOST, PORT, tls=None)
        assert isinstance(stream, VirtualStream)
        return stream

    async def try_one(self) -> str:
        """Send one spoiled thing and return how that ended."""
        return await self._rng.choice(self._ways)()

    # what is sent

    async def _private(self) -> str:
        name, params = self._rng.choice(PRIVATE)
        key = self._keys[self.exchange.api_key]
        if key.nonce_high > 1 << 62:  # a spoiled nonce was taken, and no other would be: as if the key were made anew
            key.nonce_high = 0
        nonce = str(key.nonce_high + 1)
        body, kind = self._form(params, nonce), "application/x-www-form-urlencoded"
        if self._rng.random() < 0.7:
            spoiled = self._known(self._drawn(self._bodies, params))
            body, kind = spoiled.replace(b"{", f'{{"nonce":"{nonce}",'.encode(), 1), "application/json"
        headers = self._signed(f"/0/private/{name}", nonce, body) | {"content-type": kind}
        return _told("rest", await self._ask("POST", f"/0/private/{name}", headers, body))

    def _form(self, params: dict[str, Any], nonce: str) -> bytes:
        """Return the parameters as a form, some left out, some spoiled."""
        fields = {name: value for name, value in params.items() if self._rng.random() < 0.9}
        for name in [*fields]:
            if self._rng.random() < 0.3:
                fields[name] = self._bodies._junk()
        form = urlencode({**fields, "nonce": nonce}, errors="replace").encode()
        if self._rng.random() < 0.3:
            form += b"&" + self._rng.choice(
                (b"orders[0][price]=1", b"orders[999999][x]=1", b"%ff=%", b"&&&=", b"a[b]c=1")
            )
        return self._known(form)

    def _drawn(self, mutator: Mutator, sound: dict[str, Any]) -> bytes:
        """Return it spoiled; or as it is, that there be orders, subscriptions and trades to collide with."""
        raw = json.dumps(sound).encode()
        return raw if self._rng.random() < 0.3 else mutator.draw(raw)

    def _known(self, raw: bytes) -> bytes:
        """Name an order that is there, now and then, in place of the invented one."""
        orders = list(self.exchange.truth.orders)[-20:]
        return raw.replace(ORDER.encode(), self._rng.choice(orders).encode()) if orders else raw

    def _signed(self, path: str, nonce: str, body: bytes) -> dict[str, str]:
        good = {"API-Key": self.exchange.api_key, "API-Sign": sign(self.exchange.api_secret, path, nonce, body)}
        if self._rng.random() < 0.85:
            return good
        wrong: tuple[dict[str, str], ...] = (
            {},
            {"API-Key": good["API-Key"]},
            {"API-Sign": good["API-Sign"]},
            good | {"API-Key": "x" * self._rng.choice((1, 4000))},
            good | {"API-Sign": self._rng.choice(("", "=", "!!!!", "AAAA", "=" * 4000, good["API-Sign"][:-2]))},
        )
        return self._rng.choice(wrong)

    async def _public(self) -> str:
        name, params = self._rng.choice(PUBLIC)
        fields = {key: self._bodies._junk() if self._rng.random() < 0.5 else value for key, value in params.items()}
        query = urlencode(fields, errors="replace")
        if self._rng.random() < 0.3:
            query += "&" + quote_from_bytes(self._rng.randbytes(20), safe="&=%")
        method = self._rng.choice(("GET", "GET", "POST", "HEAD", "PATCH"))
        return _told("public", await self._ask(method, f"/0/public/{name}?{query[:6000]}", {}, b""))

    async def _http(self) -> str:
        raw = self._spoiled(self._rng.choice(HTTP))
        return _told("http", await self._say(raw, hang_up=self._rng.random() < 0.95))

    async def _handshake(self) -> str:
        return _told("handshake", await self._say(self._spoiled(self._rng.choice(HANDSHAKES))))

    async def _wire_frame(self) -> str:
        """Shake hands soundly; then, or in the same breath, send what is no frame."""
        frame = self._spoiled(self._rng.choice(WIRE_FRAMES))
        if self._rng.random() < 0.2:
            answer = await self._say(SOUND_HANDSHAKE + frame)
            return "wire frame in one breath " + ("upgraded" if answer else "closed")
        answer = await self._say(SOUND_HANDSHAKE, frame)
        assert answer.startswith(b"HTTP/1.1 101 "), answer[:60]
        return "wire frame closed"

    async def _frame(self) -> str:
        token = await self._token()
        frame = self._rng.choice(FRAMES)
        if "params" in frame and self._rng.random() < 0.9:
            frame = {**frame, "params": {**frame["params"], "token": token}}
        text = self._texts.text(self._known(self._drawn(self._texts, frame)))
        self._tried.raw = text if isinstance(text, bytes) else text.encode()
        return f"frame {await self._frames.take(text)}"

    async def _token(self) -> str:
        if trio.current_time() > self._token_until_s:
            self._token_text = (await self._sane_call("GetWebSocketsToken", self.exchange.api_key))["token"]
            self._token_until_s = trio.current_time() + TOKEN_S
        return self._token_text

    def _spoiled(self, raw: bytes) -> bytes:
        chance = self._rng.random()
        if raw and chance < 0.2:
            return raw[: self._rng.randrange(len(raw))]
        if raw and chance < 0.5:
            spoiled = bytearray(raw)
            for _ in range(self._rng.randint(1, 6)):
                spoiled[self._rng.randrange(min(len(spoiled), 400))] = self._rng.randrange(256)
            return bytes(spoiled)
        return raw

    async def _ask(self, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        lines = [f"{method} {target} HTTP/1.1", f"host: {HOST}", f"content-length: {len(body)}"]
        head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""])
        return await self._say(head.encode() + body)

    async def _say(self, raw: bytes, then: bytes = b"", *, hang_up: bool = True) -> bytes:
        """Send bytes on a connection of their own, ``then`` once something came; return all until it ended.

        Without ``hang_up`` the peer is left waiting for more.
        """
        self._tried.raw = raw + then
        stream, answer = await self.connect(), b""
        try:
            await stream.send_all(raw)
            if then:
                answer += await stream.receive_some()
                await stream.send_all(then)
            if hang_up:
                await stream.send_eof()
            while chunk := await stream.receive_some():
                answer += chunk
        except trio.BrokenResourceError:
            pass
        finally:
            await trio.aclose_forcefully(stream)
        return answer

    # what must still be so

    async def check_sanity(self) -> None:
        """Place, see and cancel an order by REST, by another key, and add up the money."""
        self._refill()
        assert (await self._sane_call("CancelAllOrdersAfter", self.exchange.api_key, timeout=0))["triggerTime"] == "0"
        await self._sane_call("CancelAll", self.exchange.api_key)
        sane = self.exchange.credentials("sane/key")[0]
        (txid,) = (await self._sane_call("AddOrder", sane, **LIMIT))["txid"]
        assert (await self._sane_call("QueryOrders", sane, txid=txid))[txid]["status"] == "open"
        assert (await self._sane_call("CancelOrder", sane, txid=txid))["count"] == 1
        bids, asks = self.exchange.truth.levels(SYMBOL)
        assert bids[0][0] < asks[0][0], "the book is crossed"
        assert (now := self._totals()) == self._start, f"money: {now}, at the start {self._start}"

    async def check_end(self) -> None:
        """Once all have hung up the exchange holds no connection."""
        await self._frames.close()
        await trio.sleep(VIRTUAL_BOUND_S)
        await self.check_sanity()
        await trio.sleep(VIRTUAL_BOUND_S)
        venue = self.exchange._venue
        left = (self.exchange._server._open, len(venue.sockets), len(venue.http_gates))
        assert left == (0, 0, 0), f"connections, sockets, gates left: {left}"

    def _refill(self) -> None:
        house = self.exchange.house
        house.clear(SYMBOL)
        for step in range(5):
            house.quote(SYMBOL, "buy", Decimal(49_900 - step), Decimal(5))
            house.quote(SYMBOL, "sell", Decimal(50_100 + step), Decimal(5))

    def _totals(self) -> dict[str, Decimal]:
        core = self.exchange._venue.core
        found: Counter[str] = Counter()
        for money in (*(account.balances for account in core.accounts.values()), core.settlement.collected):
            for asset, amount in money.items():
                found[asset] += amount  # type: ignore[assignment]  # a Counter of amounts
        return {asset: amount for asset, amount in found.items() if amount}  # type: ignore[misc]

    async def _sane_call(self, name: str, key_name: str, **params: object) -> Any:
        key = self._keys[key_name]
        if key.nonce_high > 1 << 62:
            key.nonce_high = 0
        nonce, path = str(key.nonce_high + 1), f"/0/private/{name}"
        body, raw = urlencode({"nonce": nonce, **params}).encode(), self._tried.raw
        headers = {"API-Key": key.public, "API-Sign": sign(key.secret, path, nonce, body)}
        answer = await self._ask("POST", path, headers, body)
        self._tried.raw = raw
        told = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert told["error"] == [], f"{name}: {told}"
        return told["result"]


def sign(secret: str, path: str, nonce: str, body: bytes) -> str:
    """API-Sign, written here once more: this client shares nothing with either side."""
    message = path.encode() + hashlib.sha256(nonce.encode() + body).digest()
    return base64.b64encode(hmac.digest(base64.b64decode(secret), message, hashlib.sha512)).decode()


def _told(door: str, answer: bytes) -> str:
    """Name how a request ended: closed, an HTTP status, or Kraken's error class. Raises AssertionError."""
    if not answer:
        return f"{door} closed"
    assert answer.startswith(b"HTTP/1.1 "), f"no HTTP: {answer[:60]!r}"
    status, (_, _, body) = int(answer[9:12]), answer.partition(b"\r\n\r\n")
    assert status not in (500, 502, 503), f"it failed inside: {answer[:300]!r}"
    assert b"Internal error" not in answer, f"it failed inside: {answer[:300]!r}"
    if status != 200 or door in ("http", "handshake"):
        return f"{door} {status}"
    if not body:
        return f"{door} head only"
    told = json.loads(body)
    return f"{door} {told['error'][0].partition(':')[0]}" if told["error"] else f"{door} taken"
