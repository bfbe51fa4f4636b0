"""Numbers and times as the wire writes them (protocol sections 1.1, 6.3, 6.4). Money is Decimal throughout."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache

import msgspec

NS = 1_000_000_000
ZERO = Decimal(0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)  # Decimal takes 4_0 and NaN as well
MOST_DIGITS = 18  # before and after the point: the product of two amounts must fit the decimal context


def fixed(value: Decimal, places: int) -> str:
    """Write with exactly ``places`` decimals, never with an exponent."""
    return f"{value:.{places}f}"


def number(value: Decimal, places: int) -> msgspec.Raw:
    """Make a JSON number that keeps its trailing zeros."""
    return msgspec.Raw(fixed(value, places).encode())


def nearest(value: Decimal, places: int) -> Decimal:
    """Round half up: the rounding that fits the recorded fees (protocol section 11.8)."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def upward(value: Decimal, places: int) -> Decimal:
    """Round up, for amounts set aside."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_CEILING)


def decimals_of(value: Decimal) -> int:
    """Count the decimals that matter: trailing zeros do not."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def amount(value: object) -> Decimal:
    """Read a price or quantity from wire text or a decoded JSON number.

    Raises ValueError for anything that is not a finite number of ordinary size: a huge exponent in a short text
    would otherwise become gigabytes of digits.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise ValueError("not a number")
    if isinstance(value, str) and (len(value) > 64 or not _NUMBER.fullmatch(value)):
        raise ValueError("not a number")
    try:
        result = Decimal(value)
    except InvalidOperation:
        raise ValueError("not a number") from None
    exponent = result.as_tuple().exponent
    if not isinstance(exponent, int) or result.adjusted() >= MOST_DIGITS or exponent < -MOST_DIGITS:
        raise ValueError("not a number of ordinary size")
    return result


@lru_cache(maxsize=256)  # one second has thousands of frames
def _to_the_second(seconds: int) -> str:
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"


def rfc3339(ns: int) -> str:
    """Write UTC nanoseconds as RFC3339 with microseconds."""
    whole, rest = divmod(ns, NS)
    return f"{_to_the_second(whole)}.{rest // 1000:06d}Z"


def rfc3339_nano(ns: int) -> str:
    """Write UTC nanoseconds as RFC3339 with all nine digits."""
    return f"{_to_the_second(ns // NS)}.{ns % NS:09d}Z"


def rfc3339_seconds(ns: int) -> str:
    """Write UTC nanoseconds as RFC3339 in whole seconds."""
    return f"{_to_the_second(ns // NS)}Z"


def rfc1123(ns: int) -> str:
    """Write the two-digit-year date of the Time endpoint, in English under any locale."""
    moment = _EPOCH + timedelta(seconds=ns // NS)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02d} {month} {moment.year % 100:02d} {moment:%H:%M:%S} +0000"


def parse_rfc3339(text: object) -> int:
    """Read an RFC3339 time as UTC nanoseconds (to the microsecond). Raises ValueError."""
    if not isinstance(text, str) or not 10 < len(text) < 40:
        raise ValueError("not a time")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("time without a zone")
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def epoch_seconds(ns: int) -> msgspec.Raw:
    """Write a private REST time: epoch seconds with four decimals."""
    return msgspec.Raw(f"{ns // NS}.{ns % NS // 100_000:04d}".encode())
