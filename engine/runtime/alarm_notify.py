"""Alarms to people's messengers (Telegram, Slack, mail and so on) through apprise, the optional extra ``notify``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from engine.errors import ConfigError
from engine.runtime.alarm import AlarmChange
from engine.runtime.alarm_outbox import SinkFailed
from engine.seams.threads import run_left_alone
from engine.values.time import rfc3339

NOTIFY_BOUND_S: Final = 20.0
"""Longer than the library's own time-outs (4 s to connect, 4 s to read) over a few addresses."""
_KIND = {"info": "info", "warning": "warning", "critical": "failure"}


class NotifySink:
    """Hands each change to every address. The library blocks, so it works in a thread that is left alone at the end.

    Addresses are secrets: the library's own log, which may hold parts of them, is silenced.
    """

    name = "notify"
    bound_s = NOTIFY_BOUND_S

    def __init__(self, urls: Sequence[str]) -> None:
        self._apprise = _load()
        for talkative in ("apprise", "urllib3", "requests"):
            logging.getLogger(talkative).setLevel(logging.CRITICAL)
        self._ways: Any = self._apprise.Apprise()
        for place, url in enumerate(urls, start=1):
            if not self._ways.add(url):
                raise ConfigError(f"notify address {place} is none that apprise knows")

    async def deliver(self, change: AlarmChange, dropped: int) -> None:
        """Tell one change to every address; one that did not take it makes all of them be tried again."""
        alarm = change.alarm
        title = f"{alarm.level} {change.change}: {alarm.code} {alarm.subject}".rstrip()
        lines = [alarm.text, f"since {rfc3339(alarm.first_ns)}; {alarm.what_to_do}"]
        if dropped:
            lines.append(f"{dropped} alarms before this one were lost")
        kind = "success" if change.change == "cleared" else _KIND[alarm.level]
        if not await run_left_alone(partial(self._tell, title, "\n".join(lines), kind)):
            raise SinkFailed("an address did not take it")

    def _tell(self, title: str, body: str, kind: str) -> bool:
        return bool(self._ways.notify(title=title, body=body, notify_type=kind))


def _load() -> Any:
    try:
        import apprise
    except ImportError:
        raise ConfigError("notify addresses need the extra: pip install 'kraken-order-engine[notify]'") from None
    return apprise
