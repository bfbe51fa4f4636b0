"""The venue's clock, as far as its answers prove it."""

from __future__ import annotations

from engine.values.time import NS

DRIFT = 200e-6
"""How much slower than ours the venue's clock may run: far more than a disciplined clock ever does."""


class VenueTime:
    """Venue time minus our wall clock, moved only when an answer rules the present belief out.

    Network latency makes every measurement an interval; a belief inside it stands, so two good clocks give 0.
    Beside it stands what is certain whatever our wall clock does: readings of the venue's clock, aged by the
    monotonic clock (``now_s``).
    """

    def __init__(self) -> None:
        self.skew_ns = 0
        self._heard_ns, self._heard_s = 0, 0.0

    def now_ns(self, local_ns: int) -> int:
        """Return the venue's time at our time ``local_ns``."""
        return local_ns + self.skew_ns

    def certain_ns(self, now_s: float) -> int:
        """Return a moment that the venue's clock has certainly reached; far in the past when it was never heard."""
        return self._heard_ns + int((now_s - self._heard_s) * (1 - DRIFT) * NS)

    def hear(self, reading_ns: int, now_s: float) -> None:
        """Take a reading of the venue's clock that has just arrived, however old it may be."""
        if reading_ns > self.certain_ns(now_s):
            self._heard_ns, self._heard_s = reading_ns, now_s

    def observe_answer(self, sent_ns: int, received_ns: int, time_in_ns: int, time_out_ns: int) -> None:
        """Take one WebSocket answer: ``time_in`` was read after we sent, ``time_out`` before we received."""
        self._narrow(time_out_ns - received_ns, time_in_ns - sent_ns)

    def observe_second(self, sent_ns: int, received_ns: int, unixtime: int) -> None:
        """Take one REST Time answer, which is cut to whole seconds."""
        self._narrow(unixtime * NS - received_ns, (unixtime + 1) * NS - sent_ns)

    def _narrow(self, least: int, most: int) -> None:
        if least <= most:  # otherwise our own clock was stepped in between: the measurement says nothing
            self.skew_ns = min(max(self.skew_ns, least), most)
