"""``GET /metrics/``: the figures of ``metrics``, without a token; refused with 503 while no engine runs."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response

from engine.control.desk import GetDesk
from engine.control.metrics import expose
from engine.control.refusal import not_ready


def metrics_route(desk: GetDesk) -> HTTPRouteHandler:
    """Return the handler of a scrape."""

    async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        engine = desk().engine
        if engine is None:
            raise not_ready("no engine runs")
        content_type, body = expose(engine, request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type, "cache-control": "no-store"})

    return HTTPRouteHandler("/metrics", http_method="GET", name="metrics")(metrics)
