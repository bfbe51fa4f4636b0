"""``GET /metrics/``: the figures of ``metrics``, without a token; refused with 503 while no engine runs.

Made at most once in FRESH_S for each of the two forms: however often anybody asks, the engine's time is its own.
"""

from __future__ import annotations

from typing import Any, Final

import trio
from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response

from engine.control.desk import GetDesk
from engine.control.metrics import expose, form_of
from engine.control.refusal import not_ready
from engine.runtime.engine import Engine

FRESH_S: Final = 0.5


class _Scrapes:
    """The last exposition in each form."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Engine, float, bytes]] = {}

    def body(self, engine: Engine, form: str) -> bytes:
        engine_then, until_s, body = self._made.get(form, (None, 0.0, b""))
        if engine_then is not engine or trio.current_time() >= until_s:
            _, body = expose(engine, form)
            self._made[form] = engine, trio.current_time() + FRESH_S, body
        return body


def metrics_route(desk: GetDesk) -> HTTPRouteHandler:
    """Return the handler of a scrape."""
    scrapes = _Scrapes()

    async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        engine = desk().engine
        if engine is None:
            raise not_ready("no engine runs")
        form = form_of(request.headers.get("accept", ""))
        headers = {"content-type": form, "cache-control": "no-store"}
        return Response(scrapes.body(engine, form), headers=headers)

    return HTTPRouteHandler("/metrics", http_method="GET", name="metrics")(metrics)
