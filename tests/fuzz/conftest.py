"""What the fuzz tests put back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logs_speak_again() -> Iterator[None]:
    """A run silences all logs of its process, and the next test may wait for one."""
    yield
    structlog.reset_defaults()
