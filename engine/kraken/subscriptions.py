"""What the public stream is subscribed to, brought to what is wanted (§5.4, §6.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import structlog
import trio

from engine.errors import VenueRefused
from engine.kraken import encode, ws
from engine.kraken.frames import Response
from engine.kraken.settings import KrakenSettings
from engine.market.topics import MarketChannel, Topic
from engine.net.budget import RollingBudget

log = structlog.get_logger()

ACK_TIMEOUT_S = 5.0
"""Requests above the message rate are dropped without an answer; what is not acknowledged by then is asked again."""
SYMBOLS_PER_REQUEST = 100
CHANNELS: tuple[MarketChannel, ...] = ("book", "trade", "ticker", "ohlc")
"""In the order in which they are asked for: books first, for money waits for them."""


class _Asked:
    """A subscribe or unsubscribe request: one answer per symbol is due."""

    def __init__(self, method: str, topics: Iterable[Topic]) -> None:
        self.method = method
        self.waiting = {topic.symbol: topic for topic in topics}
        self.until_s = math.inf  # not yet sent

    @property
    def channel(self) -> str:
        """The one channel of all its topics."""
        return next(iter(self.waiting.values())).channel


class Subscriptions:
    """Every topic that ``wanted`` names, on one connection after another. Every answer is counted.

    One request after another, paced; none waits for the answer of another, but what was unsubscribed is asked for
    again only when that has been answered. ``refused`` is told what the venue will not send, and (None) when it is
    being asked again.
    """

    def __init__(
        self,
        settings: KrakenSettings,
        req_ids: Iterator[int],
        wanted: Callable[[], Iterable[Topic]],
        refused: Callable[[Topic, str | None], None],
    ) -> None:
        self._settings, self._req_ids, self._wanted, self._refused = settings, req_ids, wanted, refused
        self._asked: dict[int, _Asked] = {}
        self._standing: dict[Topic, None] = {}
        self._refusals: dict[Topic, str] = {}
        self._broken: dict[Topic, float] = {}  # to the time it is asked for again
        self._renewing: dict[Topic, None] = {}
        self._waiters: dict[Topic, trio.Event] = {}
        self._changed = trio.Event()

    def change(self) -> None:
        """Look again at what is wanted."""
        self._changed.set()

    def renew(self, topic: Topic, wait_s: float) -> None:
        """Have a topic sent anew after a pause."""
        self._broken[topic] = trio.current_time() + wait_s
        self._changed.set()

    def begin(self) -> None:
        """Start on a new connection: nothing is subscribed there."""
        for topic in self._refusals:
            self._refused(topic, None)
        self._standing, self._asked, self._broken, self._renewing, self._refusals = {}, {}, {}, {}, {}

    def stands(self, topic: Topic) -> bool:
        """Whether the venue has acknowledged a topic on this connection."""
        return topic in self._standing and topic not in self._refusals

    def refusal(self, topic: Topic) -> str:
        """Why the venue will not send a topic; empty when it has not said so."""
        return self._refusals.get(topic, "")

    async def wait_standing(self, topic: Topic) -> None:
        """Return once a wanted topic is acknowledged. Raises VenueRefused."""
        while not self.stands(topic):
            if topic in self._refusals:
                raise VenueRefused([self._refusals[topic]])
            await self._waiters.setdefault(topic, trio.Event()).wait()

    async def keep(self, socket: ws.Socket, expire: Callable[[float], float]) -> None:
        """Bring the connection to what is wanted, and keep it there until cancelled.

        ``expire`` is called with the time before each look, and returns when it wants to be called again.
        """
        policy = self._settings.link
        budget = RollingBudget(policy.messages_most, policy.messages_within_s)
        while True:
            self._changed = trio.Event()
            next_s = min(expire(trio.current_time()), self._look(trio.current_time()))
            if self._next() is not None:
                await budget.take()
                await self._send(socket)
                continue
            with trio.move_on_at(next_s):
                await self._changed.wait()

    def _look(self, now_s: float) -> float:
        """Give up unanswered requests, release broken topics whose pause is over; return when to look again."""
        for req_id in [number for number, asked in self._asked.items() if asked.until_s <= now_s]:
            self._unanswered(self._asked.pop(req_id))
        for topic in [topic for topic, due_s in self._broken.items() if due_s <= now_s]:
            del self._broken[topic]
            self._renewing[topic] = None
        return min((*self._broken.values(), *(asked.until_s for asked in self._asked.values())), default=math.inf)

    def _unanswered(self, asked: _Asked) -> None:
        log.warning("subscription.unanswered", link="public", channel=asked.channel, symbols=len(asked.waiting))
        if asked.method == "unsubscribe":  # it may stand or not: a fresh subscription must follow
            for topic in asked.waiting.values():
                self._standing.pop(topic, None)

    def _next(self) -> tuple[str, list[Topic]] | None:
        """Return the next request: a method and topics of one channel and variant."""
        wanted = dict.fromkeys(self._wanted())
        under_way = {(t.channel, t.symbol) for asked in self._asked.values() for t in asked.waiting.values()}
        self._renewing = {t: None for t in self._renewing if t in self._standing or (t.channel, t.symbol) in under_way}
        gone = [t for t in self._standing if t not in wanted or t in self._renewing]
        for topic in [t for t in gone if t in self._refusals]:  # never stood: there is nothing to unsubscribe
            del self._standing[topic], self._refusals[topic]
            gone.remove(topic)
        leaving = [t for t in gone if (t.channel, t.symbol) not in under_way]
        held_up = under_way | {(t.channel, t.symbol) for t in (*gone, *self._broken)}
        missing = [t for t in wanted if t not in self._standing and (t.channel, t.symbol) not in held_up]
        books = [t for t in missing if t.channel == "book"]
        if leaving and not books:  # an entry waits for a book; what is left over can wait for its turn
            return "unsubscribe", _alike(leaving)
        return ("subscribe", _alike(books or missing)) if missing else None

    async def _send(self, socket: ws.Socket) -> None:
        found = self._next()  # anew: much may have changed while the budget made us wait
        if found is None:
            return
        method, topics = found
        req_id = next(self._req_ids)
        asked = self._asked[req_id] = _Asked(method, topics)
        for topic in topics:
            self._renewing.pop(topic, None)
        await socket.send(encode.frame(method, _params(method, topics), req_id))
        asked.until_s = trio.current_time() + ACK_TIMEOUT_S

    def answered(self, response: Response) -> bool:
        """Take one answer, of one symbol of one request; tell whether it was a refusal."""
        asked = self._asked.get(response.req_id) if response.req_id is not None else None
        if asked is None:
            return False
        symbol = response.symbol or (response.result.symbol if response.result is not None else None)
        if symbol is None and len(asked.waiting) == 1:
            symbol = next(iter(asked.waiting))
        topic = asked.waiting.pop(symbol, None) if symbol is not None else None
        if topic is None:
            return False
        if not asked.waiting:
            del self._asked[response.req_id]  # type: ignore[arg-type]  # found by it above
        self._changed.set()
        if asked.method == "unsubscribe":
            self._standing.pop(topic, None)
            return False
        self._standing[topic] = None
        refused = not response.success and not (response.error or "").startswith("Already subscribed")
        if refused:
            self._refuse(topic, response.error or "subscription refused without a reason")
        waiter = self._waiters.pop(topic, None)
        if waiter is not None:
            waiter.set()
        return refused

    def _refuse(self, topic: Topic, text: str) -> None:
        log.warning("subscription.refused", channel=topic.channel, symbol=topic.symbol, text=text)
        self._refusals[topic] = text
        self._refused(topic, text)


def _alike(topics: list[Topic]) -> list[Topic]:
    """Return those that fit into one request with the most urgent of them."""
    first = min(topics, key=lambda topic: CHANNELS.index(topic.channel))
    alike = [t for t in topics if (t.channel, t.variant) == (first.channel, first.variant)]
    return alike[:SYMBOLS_PER_REQUEST]


def _params(method: str, topics: list[Topic]) -> encode.Params:
    channel, variant = topics[0].channel, topics[0].variant
    params = encode.subscription(channel, [topic.symbol for topic in topics])
    if channel == "book":
        params["depth"] = variant
    elif channel == "ohlc":
        params["interval"] = variant
    if method == "subscribe":
        params["snapshot"] = True
    return params
