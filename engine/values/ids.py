"""Our order ids: UUIDs with a mark inside, so that an order of ours is known even without the journal."""

from __future__ import annotations

import hashlib
import hmac
import random
import uuid

_RANDOM_BYTES = 10
_MARK_BYTES = 6


def _mark(head: bytes, key: bytes) -> bytes:
    return hmac.digest(key, head, hashlib.sha256)[:_MARK_BYTES]


def new_cl_ord_id(rng: random.Random, mark_key: bytes) -> str:
    """Return a fresh UUID: 10 random bytes (74 bits free) and 6 bytes keyed by ``mark_key`` over them.

    Kraken takes the dashed form of 36 characters as cl_ord_id.
    """
    head = bytearray(rng.randbytes(_RANDOM_BYTES))
    head[6] = head[6] & 0x0F | 0x80  # version 8: the layout is our own
    head[8] = head[8] & 0x3F | 0x80  # variant of RFC 9562
    return str(uuid.UUID(bytes=bytes(head) + _mark(bytes(head), mark_key)))


def is_marked(cl_ord_id: str | None, mark_key: bytes) -> bool:
    """Tell whether the id was made with this key: a false yes has one chance in 2**48."""
    try:
        raw = uuid.UUID(cl_ord_id or "").bytes
    except ValueError:
        return False
    return hmac.compare_digest(raw[_RANDOM_BYTES:], _mark(raw[:_RANDOM_BYTES], mark_key))
