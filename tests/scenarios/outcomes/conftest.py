"""Every story here is held against what the exchange knows: see tests/scenarios/honesty.py."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest

from tests.scenarios.honesty import open_honest_story
from tests.scenarios.story import Story


@pytest.fixture
def open_story(
    open_story: Callable[..., AbstractAsyncContextManager[Story]],
) -> Callable[..., AbstractAsyncContextManager[Story]]:
    """Open a story that ends with ``honest``."""
    return partial(open_honest_story, open_story)
