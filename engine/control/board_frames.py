"""Encoded once, sent to every viewer: the last frames of a stream, by number."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec

KEPT_MOST: Final = 25
"""Five seconds of frames: a viewer that is further behind begins anew with a snapshot."""

ENCODER: Final = msgspec.json.Encoder(decimal_format="string")


class Frames:
    """Numbered from 1. ``number`` is the newest one's, 0 before the first."""

    def __init__(self) -> None:
        self.number = 0
        self._kept: deque[msgspec.Raw] = deque(maxlen=KEPT_MOST)

    def add(self, frame: Any) -> None:
        """Encode a frame and keep it."""
        self.number += 1
        self._kept.append(msgspec.Raw(ENCODER.encode(frame)))

    def since(self, number: int) -> list[msgspec.Raw] | None:
        """Return the frames behind ``number``, oldest first; None when some of them are not kept any more."""
        missing = self.number - number
        if missing > len(self._kept):
            return None
        return list(self._kept)[len(self._kept) - missing :]

    def skip(self) -> None:
        """Forget every frame, so that whoever reads them begins anew."""
        self.number += 1
        self._kept.clear()
