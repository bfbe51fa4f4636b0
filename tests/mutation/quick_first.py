"""A plugin of pytest for campaigns: property tests run last, since a mutant is mostly noticed by a plain one."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the order of all else."""
    items.sort(key=lambda item: hasattr(getattr(item, "obj", None), "hypothesis"))
