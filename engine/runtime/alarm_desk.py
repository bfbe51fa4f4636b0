"""Every alarm of the engine: raised once however often it comes, cleared when it is over, acknowledged by a person.

Nothing here blocks and nothing here waits: whoever tells an alarm goes on at once, whatever its sinks do.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
import structlog
import trio

from engine.runtime.alarm import RANK, Alarm, AlarmChange, AlarmSettings, Condition
from engine.runtime.alarm_codes import code_of
from engine.runtime.readers import Every
from engine.seams.clock import Clock

log = structlog.get_logger()

MAX_ALARMS: Final = 500
"""Alarms kept at once: far more than a person reads. Beyond it the least of them goes, and is counted."""
MAX_PAST: Final = 200
"""Alarms that are over, kept to be looked at."""
READER_QUEUE: Final = 1024
TEXT_CHARS: Final = 500

Key = tuple[str, str]


class AlarmDesk:
    """``sinks`` are called with every change and return at once; each has a queue of its own."""

    def __init__(self, clock: Clock, settings: AlarmSettings) -> None:
        self._clock, self._settings = clock, settings
        self._alarms: dict[Key, Alarm] = {}
        self._seen_s: dict[Key, float] = {}  # when its condition was last seen to hold (trio's clock)
        self._missed: set[Key] = set()  # conditions that were gone at the last look, and not yet for long
        self._past: deque[Alarm] = deque(maxlen=MAX_PAST)
        self._readers: list[Every[AlarmChange]] = []
        self._numbers = 0
        self.sinks: list[Callable[[AlarmChange], object]] = []
        self.raised: Counter[str] = Counter()
        """Alarms raised so far, by code."""
        self.dropped = 0

    # --- what it is told --------------------------------------------------------------------------------------------

    def occurred(self, code: str, subject: str, text: str) -> None:
        """Take something that has happened. The same again is counted, and told nobody outside a second time."""
        self._note((code, subject), text, again=True)

    def look(self, conditions: Iterable[Condition]) -> None:
        """Take everything that stands now; what has been gone for long enough is over."""
        now_s, standing = trio.current_time(), set()
        for one in conditions:
            key = (one.code, one.subject)
            standing.add(key)
            self._note(key, one.text, again=key in self._missed)
            self._missed.discard(key)
        for key in [key for key in self._alarms if key not in standing and code_of(key[0]).ends]:
            self._missed.add(key)
            if now_s - self._seen_s[key] >= self._settings.clear_after_s:
                self._clear(key)

    def acknowledge(self, what: str, why: str) -> tuple[Alarm, ...]:
        """Take a person's word that an alarm was seen: by its number, or every one of a code. Empty: there is none.

        One that cannot end by itself is over with that; one that still stands stays in the list, marked.
        """
        found = [one for one in self._alarms.values() if what in (one.code, str(one.number)) and not one.acked_ns]
        return tuple(self._acknowledge(one, why) for one in found)

    # --- what it is asked -------------------------------------------------------------------------------------------

    def alarms(self) -> tuple[Alarm, ...]:
        """Return what is not over: the gravest first, of those the newest first."""
        return tuple(sorted(self._alarms.values(), key=lambda one: (-RANK[one.level], -one.last_ns, -one.number)))

    def past(self) -> tuple[Alarm, ...]:
        """Return what is over, the newest first."""
        return tuple(reversed(self._past))

    @contextmanager
    def read(self, capacity: int = READER_QUEUE) -> Iterator[Every[AlarmChange]]:
        """Receive every change from now on; a reader that falls behind is cut off, and looks at the list anew."""
        reader: Every[AlarmChange] = Every(capacity)
        self._readers.append(reader)
        try:
            yield reader
        finally:
            self._readers = [one for one in self._readers if one is not reader]
            reader.close()

    def close(self) -> None:
        """End every reader after what it has waiting."""
        for reader in self._readers:
            reader.close()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _note(self, key: Key, text: str, *, again: bool) -> None:
        text, now_ns = text[:TEXT_CHARS], self._clock.now_ns()
        self._seen_s[key] = trio.current_time()
        known = self._alarms.get(key)
        if known is None:
            self._raise(key, text, now_ns)
        elif again:
            self._tell("repeated", self._put(known, text=text, last_ns=now_ns, count=known.count + 1))
        elif known.text != text:
            self._put(known, text=text, last_ns=now_ns)  # figures in it have moved: no news

    def _raise(self, key: Key, text: str, now_ns: int) -> None:
        code, subject = key
        known = code_of(code)
        self._numbers += 1
        self.raised[code] += 1
        self._make_room()
        alarm = Alarm(
            number=self._numbers,
            code=code,
            subject=subject,
            level=known.level,
            text=text,
            what_to_do=known.what_to_do,
            first_ns=now_ns,
            last_ns=now_ns,
        )
        self._alarms[key] = alarm
        tell = getattr(log, alarm.level)  # its levels are the log's
        tell("alarm.raised", code=code, subject=subject, number=alarm.number, text=text)
        self._tell("raised", alarm)

    def _make_room(self) -> None:
        if len(self._alarms) < MAX_ALARMS:
            return
        least = min(self._alarms.values(), key=lambda one: (not one.acked_ns, RANK[one.level], one.number))
        self.dropped += 1
        self._forget((least.code, least.subject))

    def _clear(self, key: Key) -> None:
        known = self._alarms[key]
        over = msgspec.structs.replace(known, standing=False, cleared_ns=self._clock.now_ns())
        self._forget(key)
        self._past.append(over)
        log.info("alarm.cleared", code=over.code, subject=over.subject, number=over.number)
        self._tell("cleared", over)

    def _acknowledge(self, alarm: Alarm, why: str) -> Alarm:
        seen = self._put(alarm, acked_ns=self._clock.now_ns(), acked_why=why)
        if not code_of(seen.code).ends:
            seen = msgspec.structs.replace(seen, standing=False)
            self._forget((seen.code, seen.subject))
            self._past.append(seen)
        log.info("alarm.acknowledged", code=seen.code, subject=seen.subject, number=seen.number, why=why)
        self._tell("acknowledged", seen)
        return seen

    def _put(self, alarm: Alarm, **changes: object) -> Alarm:
        changed = msgspec.structs.replace(alarm, **changes)
        self._alarms[alarm.code, alarm.subject] = changed
        return changed

    def _forget(self, key: Key) -> None:
        del self._alarms[key], self._seen_s[key]
        self._missed.discard(key)

    def _tell(self, change: str, alarm: Alarm) -> None:
        told = AlarmChange(change, alarm)  # type: ignore[arg-type]  # one of its four words
        for sink in self.sinks:
            sink(told)
        for reader in self._readers:
            reader.offer(told)
