"""Randomness, one named stream per component, so that a change in one does not shift the others."""

from __future__ import annotations

import os
import random
from typing import Protocol


class Chance(Protocol):
    """Hands out independent random streams by name."""

    def stream(self, tag: str) -> random.Random:
        """Return the stream of this name; asking twice gives two streams from the same start."""
        ...


class SystemChance:
    """Streams seeded by the operating system."""

    def stream(self, tag: str) -> random.Random:  # noqa: ARG002 - every name gets fresh entropy
        """Return a stream nobody can predict."""
        return random.Random(os.urandom(32))


class SeededChance:
    """Streams that depend on the seed and the name alone."""

    def __init__(self, seed: int | str) -> None:
        self.seed = seed

    def stream(self, tag: str) -> random.Random:
        """Return ``Random("seed/tag")``."""
        return random.Random(f"{self.seed}/{tag}")
