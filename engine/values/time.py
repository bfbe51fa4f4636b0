"""UTC nanoseconds and their RFC3339 text."""

from __future__ import annotations

import re
from datetime import UTC, datetime

NS = 1_000_000_000
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def parse_rfc3339(text: str) -> int:
    """Return UTC nanoseconds of an RFC3339 time with 0 to 9 fractional digits. Raises ValueError."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC3339 time: {text!r}")
    day, clock, fraction, zone = match.groups()
    moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    return int(moment.timestamp()) * NS + int((fraction or "0").ljust(9, "0"))


def rfc3339(ts_ns: int, digits: int = 6) -> str:
    """Return RFC3339 UTC text with ``digits`` fractional digits (cut, not rounded)."""
    seconds, rest = divmod(ts_ns, NS)
    stamp = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
    return f"{stamp}.{rest:09d}"[: 20 + digits] + "Z" if digits else f"{stamp}Z"
