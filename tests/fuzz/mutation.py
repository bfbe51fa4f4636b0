"""Documented messages with something wrong in them, drawn from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MESSAGES = Path(__file__).parent.parent / "fixtures/kraken/messages"
NUMBERS = (
    "0", "-0", "-1", "1E+30", "1e999999999", "-1e-999999999", "9" * 5000, "0." + "0" * 400 + "1", "NaN", "Infinity",
    "1e400", "1e-400", "01", "1.", ".5", "0x10", "+1", "18446744073709551616", "-9223372036854775809", "4294967296",
)  # fmt: skip
TEXTS = ("", "NaN", "sNaN", "Infinity", "1e999999999", "9" * 5000, "BTC/USD", "\x00", "\ufeff", "💥" * 50, "null", "\\")
TIMES = ("0000-00-00T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "2026-02-30T00:00:00Z", "2026-01-01T25:00:00+99:99")
DEPTHS = (10, 500, 5_000, 100_000)
_MARK = "@@number@@"


def messages(*, rest: bool) -> dict[str, bytes]:
    """Return the documented frames, or REST bodies, as bytes by name."""
    paths = sorted(MESSAGES.glob("*.json"))
    chosen = [path for path in paths if path.stem.startswith("rest_") == rest]
    return {path.stem: json.dumps(json.loads(path.read_bytes())["message"]).encode() for path in chosen}


class Mutator:
    """Draws one spoiled message after another; the same seed draws the same ones."""

    def __init__(self, rng: random.Random, sound: Sequence[bytes]) -> None:
        self._rng, self._sound = rng, list(sound)
        self._ways: list[Callable[[bytes], bytes]] = [
            self._restructured, self._restructured, self._restructured, self._renumbered, self._renumbered,
            self._cut, self._flipped, self._inserted, self._spliced, self._deep, self._doubled, self._noise,
            self._whole,
        ]  # fmt: skip

    def draw(self, sound: bytes | None = None) -> bytes:
        """Return a message, made of ``sound`` or of any, nearly always a broken one."""
        raw = self._rng.choice(self._ways)(self._rng.choice(self._sound) if sound is None else sound)
        return self._flipped(raw) if self._rng.random() < 0.1 else raw

    def text(self, raw: bytes) -> str | bytes:
        """Return it as the socket would give it: text where it is text, now and then a binary frame."""
        try:
            return raw if self._rng.random() < 0.1 else raw.decode()
        except UnicodeDecodeError:
            return raw

    # ways of spoiling

    def _restructured(self, raw: bytes) -> bytes:
        value = json.loads(raw)
        for _ in range(self._rng.randint(1, 3)):
            value = self._changed(value, self._junk())
        return _written(value)

    def _renumbered(self, raw: bytes) -> bytes:
        number = self._rng.choice(NUMBERS)
        return _written(self._changed(json.loads(raw), _MARK, leaf=True)).replace(
            f'"{_MARK}"'.encode(), number.encode()
        )

    def _cut(self, raw: bytes) -> bytes:
        return raw[: self._rng.randrange(len(raw))]

    def _flipped(self, raw: bytes) -> bytes:
        spoiled = bytearray(raw or b"{}")
        for _ in range(self._rng.randint(1, 4)):
            spoiled[self._rng.randrange(len(spoiled))] = self._rng.randrange(256)
        return bytes(spoiled)

    def _inserted(self, raw: bytes) -> bytes:
        at = self._rng.randrange(len(raw) + 1)
        return (
            raw[:at] + self._rng.choice((b"\xff\xfe", b"\x00", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"}", b'"')) + raw[at:]
        )

    def _spliced(self, raw: bytes) -> bytes:
        other = self._rng.choice(self._sound)
        return raw[: self._rng.randrange(len(raw))] + other[self._rng.randrange(len(other)) :]

    def _deep(self, raw: bytes) -> bytes:
        depth = self._rng.choice(DEPTHS)
        opening, closing = self._rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
        nest = opening * depth + b"1" + closing * self._rng.choice((0, depth))
        whole = _written(self._changed(json.loads(raw), _MARK, leaf=self._rng.random() < 0.5))
        return self._rng.choice((nest, whole.replace(f'"{_MARK}"'.encode(), nest)))

    def _doubled(self, raw: bytes) -> bytes:
        """Name the same member twice."""
        name = self._rng.choice(("channel", "method", "data", "result", "error", "type", "req_id"))
        return raw[:1] + f'"{name}":{json.dumps(self._junk(), default=str)},'.encode(errors="replace") + raw[1:]

    def _noise(self, _raw: bytes) -> bytes:
        return self._rng.randbytes(self._rng.randrange(60))

    def _whole(self, raw: bytes) -> bytes:
        return raw

    # parts

    def _changed(self, value: Any, junk: Any, *, leaf: bool = False) -> Any:
        """Replace, drop or double one thing somewhere inside."""
        if isinstance(value, dict) and value and (leaf or self._rng.random() < 0.85):
            name = self._rng.choice(sorted(value))
            if not leaf and self._rng.random() < 0.15:
                return {key: kept for key, kept in value.items() if key != name}
            return {**value, name: self._changed(value[name], junk, leaf=leaf)}
        if isinstance(value, list) and value and (leaf or self._rng.random() < 0.85):
            at = self._rng.randrange(len(value))
            doubled = value[at : at + 1] if self._rng.random() < 0.2 else []
            return [*value[:at], self._changed(value[at], junk, leaf=leaf), *doubled, *value[at + 1 :]]
        return junk

    def _junk(self) -> Any:
        kind = self._rng.randrange(9)
        junk: tuple[Any, ...] = (
            None,
            self._rng.random() < 0.5,
            self._rng.randint(-(10**30), 10**30),
            self._rng.uniform(-1e9, 1e9),
            self._rng.choice(TEXTS),
            self._rng.choice(TIMES),
            [],
            {},
            [self._rng.choice(TEXTS)] * self._rng.randint(1, 300),
        )
        return junk[kind]


def _written(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
