"""One journal row, its canonical bytes and the hash that chains it to the row before."""

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

import msgspec

GENESIS = "0" * 64
"""What stands in the place of a previous hash before the first row."""

HEADER = "header"
"""Kind of the first row; the other kinds belong to whoever appends them."""

T = TypeVar("T")

# Sorted members make the bytes independent of the order in which a dict was filled or a struct declared.
# A Decimal becomes the string of all its digits, trailing zeros and exponent included, and reads back equal.
_BODY = msgspec.json.Encoder(order="sorted", decimal_format="string")
_PLAIN = msgspec.json.Encoder()


class Row(msgspec.Struct, frozen=True):
    """One thing that happened. ``seq`` counts from 1 without gaps; ``ts_ns`` is the writer's UTC wall clock.

    ``signal_id`` is the correlation id and ``cl_ord_id`` the order concerned ("" when there is none);
    ``causation_id`` is the ``seq`` of the row that caused this one (0 = none). ``body`` is canonical JSON, ``hash``
    hex SHA-256 over the previous row's hash and this row's canonical bytes.
    """

    seq: int
    ts_ns: int
    kind: str
    signal_id: str
    cl_ord_id: str
    causation_id: int
    body: bytes
    hash: str

    def decode(self, body_type: type[T]) -> T:
        """Return the body as ``body_type``. Raises msgspec.ValidationError when it does not fit."""
        return msgspec.json.decode(self.body, type=body_type)


def canonical_body(body: msgspec.Struct | dict[str, Any]) -> bytes:
    """Return the one JSON text of a body: members sorted, amounts as strings.

    Raises TypeError for what has no JSON form; nothing is journalled then.
    """
    return _BODY.encode(body)


def canonical_row(row: Row) -> bytes:
    """Return the JSON array of everything but the hash. The body comes last and verbatim, so no two rows share it."""
    return _PLAIN.encode(
        (row.seq, row.ts_ns, row.kind, row.signal_id, row.cl_ord_id, row.causation_id, msgspec.Raw(row.body))
    )


def row_hash(previous: str, row: Row) -> str:
    """Return the hash ``row`` must carry when ``previous`` is the hash of the row before it."""
    return hashlib.sha256(previous.encode() + canonical_row(row)).hexdigest()


def sealed(previous: str, row: Row) -> Row:
    """Return ``row`` with its hash."""
    return msgspec.structs.replace(row, hash=row_hash(previous, row))
