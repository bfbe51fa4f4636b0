"""How long to wait before the next try."""

from __future__ import annotations

import random


class Backoff:
    """Doubles from ``first_s`` to ``most_s``, each wait drawn from its upper half; never gives up.

    The first ``handful`` waits stay within ``first_s``. A try that lived for ``settled_s`` leads back to them, and
    each such time makes one good; shorter lives do not, so that a connection which dies at once cannot use up a
    connection budget.
    """

    def __init__(
        self, rng: random.Random, first_s: float = 1, most_s: float = 60, settled_s: float = 30, handful: int = 1
    ) -> None:
        self._rng = rng
        self.first_s, self.most_s, self.settled_s, self.handful = first_s, most_s, settled_s, handful
        self.tries = 0

    def next_s(self, lived_s: float = 0) -> float:
        """Return the wait after a try that lived for ``lived_s`` seconds."""
        if lived_s >= self.settled_s:
            self.tries = max(0, min(self.tries, self.handful) - int(lived_s / self.settled_s))
        doublings = min(max(0, self.tries + 1 - self.handful), 60)
        bound = min(self.most_s, self.first_s * 2.0**doublings)
        self.tries += 1
        return bound * (0.5 + self._rng.random() / 2)
