"""One frame from a client, read with every number exact."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


def decode(message: str | bytes) -> dict[str, Any]:
    """Read a frame with every number exact. Raises ValueError with a text for the client."""
    if not isinstance(message, str):
        raise ValueError("binary frame")
    try:
        request = json.loads(message, parse_float=Decimal, parse_constant=_no_constant)
        if "\\u" in message:  # an escaped half of a surrogate pair could not be echoed
            json.dumps(request, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError):
        raise ValueError("malformed JSON") from None
    if not isinstance(request, dict):
        raise ValueError("not an object")
    req_id = request.get("req_id")
    if req_id is not None and (isinstance(req_id, bool) or not isinstance(req_id, int) or abs(req_id) >= 1 << 63):
        raise ValueError("req_id")
    return request


def _no_constant(name: str) -> None:
    raise ValueError(name)
