"""What both clients have in common: a request as data, the reading of its answer, and the place in a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from engine.client.errors import Unreachable, refused

Answer = dict[str, Any]
"""One JSON object, amounts as strings."""

ANSWER_BOUND_S = 30.0
"""Longer than the door waits for itself: it is the one to say that there is no answer."""
CLOSE_BOUND_S = 340.0
CONNECT_BOUND_S = 3.0
SILENCE_BOUND_S = 30.0
"""A stream says that it lives every ten seconds."""
PAUSE_FIRST_S, PAUSE_MOST_S = 0.25, 5.0
"""Between two tries to connect a stream again."""
EVENTS = "text/event-stream"
TRIES = 10
"""Failures in a row after which a stream gives up: some half a minute."""


@dataclass(frozen=True)
class Ask:
    """One request. ``query`` for a GET, ``body`` (a JSON object, or a JSON text as it is) for a POST."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | str | None = None
    bound_s: float = ANSWER_BOUND_S

    def build(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Make httpx's request of it."""
        content = None if self.body is None else self.body if isinstance(self.body, str) else json.dumps(self.body)
        return http.build_request(
            self.method,
            self.path,
            params=self.query,
            content=content,
            headers={} if content is None else {"content-type": "application/json"},
            timeout=httpx.Timeout(self.bound_s, connect=CONNECT_BOUND_S),
        )


def get(path: str, **query: object) -> Ask:
    """Ask for something; None is left out."""
    return Ask("GET", path, {name: _text(value) for name, value in query.items() if value is not None})


def post(path: str, members: Mapping[str, object], bound_s: float = ANSWER_BOUND_S) -> Ask:
    """Tell it to do something; None is left out."""
    given = {name: value for name, value in members.items() if value is not None}
    return Ask("POST", path, body=given, bound_s=bound_s)


def in_path(text: str) -> str:
    """Quote an id for a path."""
    return quote(text, safe="")


def read_answer(response: httpx.Response) -> Answer:
    """Return the answer. Raises Refused."""
    if response.status_code != 200:
        raise refused(response.status_code, response.content, response.headers.get("retry-after"))
    answer: Answer = json.loads(response.content)
    return answer


def unreachable(error: httpx.TransportError) -> Unreachable:
    """Say whether the request can have arrived."""
    sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return Unreachable(f"no answer: {type(error).__name__}: {error}", sent=sent)


class Reading:
    """A stream of events as its lines come in: records out, and the place behind the last one."""

    def __init__(self, after: int | None) -> None:
        self.after, self.ended = after, False
        self._event, self._data, self._mark = "message", "", ""

    def begin(self) -> None:
        """A connection stands: nothing of an earlier one is left."""
        self.ended = False
        self._event, self._data, self._mark = "message", "", ""

    @property
    def headers(self) -> dict[str, str]:
        """What resumes it here."""
        place = {} if self.after is None else {"last-event-id": str(self.after)}
        return {"accept": EVENTS, **place}

    def take(self, line: str) -> Iterator[Answer]:
        """Read a line; an empty one completes a record."""
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "id":
                self._mark = value
            case "event":
                self._event = value
            case "data":
                self._data = value
            case "" if not line:
                yield from self._complete()

    def _complete(self) -> Iterator[Answer]:
        event, data, mark = self._event, self._data, self._mark
        self._event, self._data, self._mark = "message", "", ""
        if event == "end":
            self.ended = True
        elif data:
            yield json.loads(data)
            self.after = int(mark) if mark.isdecimal() else self.after


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
