"""Who holds which part of the market subscribed. Pure: the time comes as an argument."""

from __future__ import annotations

import math

from engine.market.topics import MarketChannel, Topic

LINGER_S = 0.5
"""A topic outlives its last hold by this: whoever takes over from another (a bracket from the intake) finds it live."""


class Holds:
    """Counts holds by topic and name. A topic is wanted from its first hold until a little after its last."""

    def __init__(self) -> None:
        self._holders: dict[Topic, dict[str, int]] = {}  # empty while the topic lingers
        self._idle: dict[Topic, float] = {}  # lingering topic to the time at which it is dropped

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Everything wanted."""
        return tuple(self._holders)

    def holders(self, topic: Topic) -> tuple[str, ...]:
        """Return the names that hold a topic."""
        return tuple(self._holders.get(topic, ()))

    def of(self, channel: MarketChannel, symbol: str) -> tuple[Topic, ...]:
        """Return the wanted topics of one channel of a symbol, whatever their depth or interval."""
        return tuple(topic for topic in self._holders if topic.symbol == symbol and topic.channel == channel)

    def hold(self, topic: Topic, holder: str) -> None:
        """Count one more hold of this name."""
        names = self._holders.setdefault(topic, {})
        names[holder] = names.get(holder, 0) + 1
        self._idle.pop(topic, None)

    def release(self, topic: Topic, holder: str, now_s: float) -> bool:
        """Count one hold of this name less; False when it has none."""
        names = self._holders.get(topic, {})
        if holder not in names:
            return False
        names[holder] -= 1
        if not names[holder]:
            del names[holder]
        if not names:
            self._idle[topic] = now_s + LINGER_S
        return True

    def expire(self, now_s: float) -> list[Topic]:
        """Drop and return what nobody has held for long enough."""
        gone = [topic for topic, due_s in self._idle.items() if due_s <= now_s]
        for topic in gone:
            del self._idle[topic], self._holders[topic]
        return gone

    @property
    def next_s(self) -> float:
        """When something may have to be dropped next; infinite when never."""
        return min(self._idle.values(), default=math.inf)
