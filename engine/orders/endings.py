"""How brackets end, and the reasons to end them that the journal keeps."""

from __future__ import annotations

from typing import Final, Literal

Outcome = Literal["target", "stop", "abandoned", "denied", "flattened", "detached", "taken_over", "liquidated"]

TIME_BARRIER: Final = "its time has run out"
OTHER_EXIT: Final = "the other exit has traded"
COINS_GONE: Final = "the coins are gone: a person has moved or sold them"
POSITION_GONE: Final = "the margin position is gone: the venue or a person has closed it"
GONE: Final = frozenset({COINS_GONE, POSITION_GONE})
TAKEN_TWICE: Final = "protection was taken away twice"
