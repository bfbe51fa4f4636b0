"""What the public stream is subscribed to, brought to what is wanted (§5.4, §6.2)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import structlog
import trio

from engine.kraken import encode, ws
from engine.kraken.feed import Feed
from engine.kraken.frames import Response
from engine.kraken.settings import KrakenSettings
from engine.net.budget import RollingBudget
from engine.net.link_monitor import LinkMonitor

log = structlog.get_logger()

ACK_TIMEOUT_S = 5.0
"""Requests above the message rate are dropped without an answer; what is not acknowledged by then is asked again."""
SYMBOLS_PER_REQUEST = 100
CHANNELS = ("book", "trade", "ticker")

Subscription = tuple[str, str]
"""(channel, symbol)"""


class _Asked:
    """A subscribe or unsubscribe request: one answer per symbol is due."""

    def __init__(self, channel: str, symbols: Iterable[str]) -> None:
        self.channel = channel
        self.waiting = dict.fromkeys(symbols)
        self.done = trio.Event()


class Subscriptions:
    """Three channels of every symbol in ``feeds``, on one connection after another. Every answer is counted."""

    def __init__(
        self, settings: KrakenSettings, feeds: dict[str, Feed], monitor: LinkMonitor, req_ids: Iterator[int]
    ) -> None:
        self._settings, self._feeds, self._monitor, self._req_ids = settings, feeds, monitor, req_ids
        self._asked: dict[int, _Asked] = {}
        self._standing: dict[Subscription, None] = {}
        self._broken: dict[str, float] = {}  # symbol to the time its book is asked for again
        self._changed = trio.Event()

    def change(self) -> None:
        """Look again at what is wanted."""
        self._changed.set()

    def resync(self, feed: Feed) -> None:
        """Ask for a feed's book anew, after its own back-off."""
        self._broken[feed.symbol] = trio.current_time() + feed.lose()
        self._changed.set()

    def begin(self) -> None:
        """Start on a new connection: nothing is subscribed there."""
        self._standing, self._asked, self._broken = {}, {}, {}

    async def keep(self, socket: ws.Socket) -> None:
        """Bring the connection to what is wanted, and keep it there until cancelled."""
        policy = self._settings.link
        budget = RollingBudget(policy.messages_most, policy.messages_within_s)
        while True:
            self._changed = trio.Event()
            self._drop_unheld()
            now_s = trio.current_time()
            due = [symbol for symbol, due_s in self._broken.items() if due_s <= now_s]
            for symbol in due:
                del self._broken[symbol]
            unwanted = [
                one for one in self._standing if one[1] not in self._feeds or (one[0] == "book" and one[1] in due)
            ]
            await self._ask(socket, "unsubscribe", unwanted, budget)
            missing = [(c, s) for c in CHANNELS for s in self._feeds if (c, s) not in self._standing]
            wanted = [one for one in missing if one[1] not in self._broken]
            complete = await self._ask(socket, "subscribe", wanted, budget)
            next_s = min(self._broken.values(), default=math.inf) if complete else trio.current_time() + 1
            with trio.move_on_at(next_s):
                await self._changed.wait()

    def _drop_unheld(self) -> None:
        """Forget feeds nobody holds, in the schedule that unsubscribes them: until then a new holder may take over."""
        for feed in [feed for feed in self._feeds.values() if feed.holders == 0]:
            del self._feeds[feed.symbol]
            self._broken.pop(feed.symbol, None)
            self._monitor.heal(feed.channel)
            feed.lose()

    async def _ask(self, socket: ws.Socket, method: str, wanted: list[Subscription], budget: RollingBudget) -> bool:
        """Send requests of many symbols each, paced, and wait for all answers; tell whether they all came."""
        sent: dict[int, _Asked] = {}
        for channel in CHANNELS:
            symbols = [symbol for name, symbol in wanted if name == channel]
            for at in range(0, len(symbols), SYMBOLS_PER_REQUEST):
                part = symbols[at : at + SYMBOLS_PER_REQUEST]
                await budget.take()
                req_id = next(self._req_ids)
                sent[req_id] = self._asked[req_id] = _Asked(channel, part)
                await socket.send(encode.frame(method, self._params(method, channel, part), req_id))
        with trio.move_on_after(ACK_TIMEOUT_S) as waiting:
            for asked in sent.values():
                await asked.done.wait()
        for req_id, asked in sent.items():
            del self._asked[req_id]
            if asked.waiting:
                log.warning("subscription.unanswered", link="public", channel=asked.channel, symbols=len(asked.waiting))
            if method == "unsubscribe":  # unanswered or not: a fresh subscription must follow
                for symbol in asked.waiting:
                    self._standing.pop((asked.channel, symbol), None)
        return not waiting.cancelled_caught

    def _params(self, method: str, channel: str, symbols: list[str]) -> encode.Params:
        params = encode.subscription(channel, symbols)
        if channel == "book":
            params["depth"] = self._settings.book_depth
        if method == "subscribe":
            params["snapshot"] = channel != "trade"
        return params

    def answered(self, response: Response) -> None:
        """Take one answer: of one symbol of one request."""
        asked = self._asked.get(response.req_id) if response.req_id is not None else None
        if asked is None:
            return
        symbol = response.symbol or (response.result.symbol if response.result is not None else None)
        if symbol is None and len(asked.waiting) == 1:
            symbol = next(iter(asked.waiting))
        if symbol not in asked.waiting:
            return
        del asked.waiting[symbol]
        if not asked.waiting:
            asked.done.set()
        if response.method == "unsubscribe":
            self._standing.pop((asked.channel, symbol), None)
            return
        self._standing[asked.channel, symbol] = None
        if not response.success and not (response.error or "").startswith("Already subscribed"):
            self._refused(asked.channel, symbol, response.error or "subscription refused without a reason")

    def _refused(self, channel: str, symbol: str, text: str) -> None:
        self._monitor.error(trio.current_time())
        log.warning("subscription.refused", channel=channel, symbol=symbol, text=text)
        feed = self._feeds.get(symbol)
        if feed is not None and channel == "book":
            feed.refuse(text)
