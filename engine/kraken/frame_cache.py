"""What came before, to drop exact repeats."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

FRAMES_KEPT = 10_000
FRAMES_KEPT_S = 300.0


class FrameCache:
    """Remembers frames or rows for a while. Bounded by number and by age."""

    def __init__(self, kept: int = FRAMES_KEPT, kept_s: float = FRAMES_KEPT_S) -> None:
        self._kept, self._kept_s = kept, kept_s
        self._seen: OrderedDict[Hashable, float] = OrderedDict()

    def repeated(self, row: Hashable, now_s: float) -> bool:
        """Tell whether the very same was here before, and remember it."""
        seen_s = self._seen.pop(row, None)
        self._seen[row] = now_s
        while len(self._seen) > self._kept or next(iter(self._seen.values())) < now_s - self._kept_s:
            self._seen.popitem(last=False)
        return seen_s is not None and seen_s >= now_s - self._kept_s
