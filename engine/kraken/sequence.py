"""Watches the ``sequence`` numbers of one private subscription."""

from __future__ import annotations

from engine.errors import VenueProtocolError


class SequenceTracker:
    """Numbers rise by one per message of a subscription; anything else means that frames were lost or repeated.

    The first message's number is taken as it comes: documented as 1, and nothing here depends on it.
    """

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.last: int | None = None

    def check(self, number: int | None) -> None:
        """Take the next message's number. Raises VenueProtocolError on a gap, a repeat or a missing number."""
        if number is None:
            raise VenueProtocolError(f"{self.channel}: message without sequence after {self.last}")
        if self.last is not None and number != self.last + 1:
            kind = "gap" if number > self.last + 1 else "repeat"
            raise VenueProtocolError(f"{self.channel}: sequence {kind}: {number} after {self.last}")
        self.last = number
