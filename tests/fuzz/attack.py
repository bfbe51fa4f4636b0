"""One spoiled thing at a time at each of the exchange's doors."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

import trio

from engine.sim import Exchange
from tests.fuzz.asked import FRAMES, HANDSHAKES, HTTP, ORDER, PRIVATE, PUBLIC, SOUND_HANDSHAKE, WIRE_FRAMES
from tests.fuzz.doors import HOST, Doors, sign, told
from tests.fuzz.frames import Frames
from tests.fuzz.mutation import Mutator
from tests.fuzz.sanity import Sanity

TOKEN_S = 600.0


class Attack:
    """A client with a good key and bad manners."""

    def __init__(
        self, exchange: Exchange, doors: Doors, sanity: Sanity, nursery: trio.Nursery, rng: random.Random
    ) -> None:
        self._exchange, self._doors, self._sanity, self._rng = exchange, doors, sanity, rng
        self._keys = exchange._venue.keys
        self._bodies = Mutator(rng, [json.dumps(params).encode() for _, params in PRIVATE])
        self._texts = Mutator(rng, [json.dumps(frame).encode() for frame in FRAMES])
        self._frames = Frames(doors.connect, nursery, HOST)
        self._token_text, self._token_until_s = "", -1.0
        self._ways: tuple[Callable[[], Awaitable[str]], ...] = (
            self._private, self._private, self._private, self._private, self._frame, self._frame, self._frame,
            self._frame, self._public, self._http, self._handshake, self._wire_frame,
        )  # fmt: skip

    async def try_one(self) -> str:
        """Send one spoiled thing and return how that ended."""
        return await self._rng.choice(self._ways)()

    async def close(self) -> None:
        """Hang up where a connection is kept."""
        await self._frames.close()

    async def _private(self) -> str:
        name, params = self._rng.choice(PRIVATE)
        key = self._keys[self._exchange.api_key]
        if key.nonce_high > 1 << 62:  # a spoiled nonce was taken, and no other would be: as if the key were made anew
            key.nonce_high = 0
        nonce = str(key.nonce_high + 1)
        body, kind = self._form(params, nonce), "application/x-www-form-urlencoded"
        if self._rng.random() < 0.7:
            spoiled = self._known(self._drawn(self._bodies, params))
            body, kind = spoiled.replace(b"{", f'{{"nonce":"{nonce}",'.encode(), 1), "application/json"
        headers = self._signed(f"/0/private/{name}", nonce, body) | {"content-type": kind}
        return told("rest", await self._doors.ask("POST", f"/0/private/{name}", headers, body))

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
        orders = list(self._exchange.truth.orders)[-20:]
        return raw.replace(ORDER.encode(), self._rng.choice(orders).encode()) if orders else raw

    def _signed(self, path: str, nonce: str, body: bytes) -> dict[str, str]:
        good = {"API-Key": self._exchange.api_key, "API-Sign": sign(self._exchange.api_secret, path, nonce, body)}
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
        return told("public", await self._doors.ask(method, f"/0/public/{name}?{query[:6000]}", {}, b""))

    async def _http(self) -> str:
        raw = self._spoiled(self._rng.choice(HTTP))
        return told("http", await self._doors.say(raw, hang_up=self._rng.random() < 0.95))

    async def _handshake(self) -> str:
        return told("handshake", await self._doors.say(self._spoiled(self._rng.choice(HANDSHAKES))))

    async def _wire_frame(self) -> str:
        """Shake hands soundly; then, or in the same breath, send what is no frame."""
        frame = self._spoiled(self._rng.choice(WIRE_FRAMES))
        if self._rng.random() < 0.2:
            answer = await self._doors.say(SOUND_HANDSHAKE + frame)
            return "wire frame in one breath " + ("upgraded" if answer else "closed")
        answer = await self._doors.say(SOUND_HANDSHAKE, frame)
        assert answer.startswith(b"HTTP/1.1 101 "), answer[:60]
        return "wire frame closed"

    async def _frame(self) -> str:
        token = await self._token()
        frame = self._rng.choice(FRAMES)
        if "params" in frame and self._rng.random() < 0.9:
            frame = {**frame, "params": {**frame["params"], "token": token}}
        text = self._texts.text(self._known(self._drawn(self._texts, frame)))
        self._doors.tried.raw = text if isinstance(text, bytes) else text.encode()
        return f"frame {await self._frames.take(text)}"

    async def _token(self) -> str:
        if trio.current_time() > self._token_until_s:
            self._token_text = (await self._sanity.call("GetWebSocketsToken", self._exchange.api_key))["token"]
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
