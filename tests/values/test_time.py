"""UTC nanoseconds and their text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.values.time import NS, parse_rfc3339, rfc3339


@given(st.integers(0, 4_000_000_000 * NS))
def test_text_and_back(ts_ns: int) -> None:
    """Nine digits lose nothing."""
    assert parse_rfc3339(rfc3339(ts_ns, digits=9)) == ts_ns


def test_offset_and_digits_beyond_nanoseconds() -> None:
    """An offset is undone; what is finer than a nanosecond is cut."""
    assert parse_rfc3339("1970-01-01T01:00:00.0000000019+01:00") == 1
    assert rfc3339(1_999_999_999, digits=0) == "1970-01-01T00:00:01Z"


@pytest.mark.parametrize(
    "text",
    ["", "2099-01-01", "2099-01-01T00:00:00", "2099-13-01T00:00:00Z", "2099-01-01T24:00:01Z", "0000-01-01T00:00:00Z",
     "2099-01-01T00:00:00.Z", "٢٠٩٩-01-01T00:00:00Z", "2099-01-01T00:00:00Z\n"],
)  # fmt: skip
def test_other_texts_are_refused(text: str) -> None:
    """Without a zone, out of range, or in other digits: no time."""
    with pytest.raises(ValueError):
        parse_rfc3339(text)
