"""``GET /metrics/``: numbers for Prometheus, without a token; aggregates only."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response

from engine.control.desk import GetDesk
from engine.control.refusal import Refusal


def metrics_route(desk: GetDesk) -> HTTPRouteHandler:
    """Return the handler of the metrics."""

    async def metrics(request: Request[Any, Any, Any]) -> Response[str]:  # noqa: ARG001 - a handler's shape
        try:
            engine = desk().engine
        except Refusal:
            engine = None
        text = f"# TYPE engine_up gauge\nengine_up {int(engine is not None)}\n"
        return Response(text, media_type="text/plain; version=0.0.4")

    return HTTPRouteHandler("/metrics", http_method="GET", name="metrics")(metrics)
