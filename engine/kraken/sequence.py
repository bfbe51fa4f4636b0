"""Watches the ``sequence`` numbers of one private subscription."""

from __future__ import annotations

from typing import Literal

from engine.errors import VenueProtocolError


class SequenceBroken(VenueProtocolError):
    """Frames of a channel went missing (``gap``: ``first`` to ``last`` did not come) or were numbered twice."""

    def __init__(self, channel: str, kind: Literal["gap", "repeat"], number: int, after: int) -> None:
        super().__init__(f"{channel}: sequence {kind}: {number} after {after}")
        self.channel, self.kind = channel, kind
        self.first, self.last = (after + 1, number - 1) if kind == "gap" else (number, number)


class SequenceTracker:
    """Numbers rise by one per message of a subscription; anything else means that frames were lost or repeated.

    The first message's number is taken as it comes: documented as 1, and nothing here depends on it.
    """

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.last: int | None = None

    def check(self, number: int | None) -> None:
        """Take the next message's number. Raises SequenceBroken, VenueProtocolError when there is no number."""
        if number is None:
            raise VenueProtocolError(f"{self.channel}: message without sequence after {self.last}")
        if self.last is not None and number != self.last + 1:
            raise SequenceBroken(self.channel, "gap" if number > self.last + 1 else "repeat", number, self.last)
        self.last = number
