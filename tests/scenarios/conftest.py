"""Every scenario runs inside ``deterministic``: the id in the test's name is the seed that replays it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest

from engine.seams.determinism import deterministic
from tests.scenarios.story import Story
from tests.scenarios.story import open_story as _open_story

SEEDS = [int(seed) for seed in os.environ.get("STORY_SEEDS", "1").split(",")]
"""``STORY_SEEDS=1,2,3 pytest tests/scenarios`` tells every story under several interleavings."""


@pytest.fixture(params=SEEDS, ids=lambda seed: f"seed{seed}")
def seed(request: pytest.FixtureRequest) -> Iterator[int]:
    """Pin the scheduler, the wire and every random stream."""
    with deterministic(request.param):
        yield request.param


@pytest.fixture
def open_story(seed: int) -> Callable[..., AbstractAsyncContextManager[Story]]:
    """Open a story of this seed; give it ``sim``, ``settings`` or members of KrakenSettings."""
    return partial(_open_story, seed)
