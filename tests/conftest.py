"""How the whole suite runs."""

from __future__ import annotations

import gc
from typing import Final

import pytest

LONGEST: Final = ("tests/killing/", "tests/browser/", "tests/cli/test_demo_faults.py")
"""What mostly waits, and longest: begun last, it would be all that still runs."""


def pytest_configure() -> None:
    """Look for garbage more seldom: tests are short, most of what they make dies with them. It saves a fifth."""
    gc.set_threshold(50_000, 20, 100)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
