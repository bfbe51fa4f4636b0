"""The help pages in the browser, at ``/help/`` and ``/help/TOPIC``: no data in them, no token for them.

A page is made when it is first asked for, in a thread: the tables that come from the machines take long enough to be
felt by an order.
"""

from __future__ import annotations

from functools import partial
from html import escape
from importlib import resources
from typing import Any

from litestar import HttpMethod, Request
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response

from engine.control.refusal import no_such_route
from engine.control.shell import Served, answer, serve
from engine.seams.threads import run_small


class Manual:
    """The pages, each made once."""

    def __init__(self) -> None:
        self._made: dict[str | None, Served] = {}

    def routes(self) -> list[HTTPRouteHandler]:
        """Return the handlers of ``GET /help/`` and ``GET /help/TOPIC``."""

        async def contents(request: Request[Any, Any, Any]) -> Response[bytes]:
            return answer(await self._page(None), request)

        async def page(request: Request[Any, Any, Any]) -> Response[bytes]:
            return answer(await self._page(request.path_params["topic"]), request)

        methods = (HttpMethod.GET, HttpMethod.HEAD)
        return [
            HTTPRouteHandler("/help", http_method=methods, name="manual")(contents),
            HTTPRouteHandler("/help/{topic:str}", http_method=methods, name="manual_page")(page),
        ]

    async def _page(self, topic: str | None) -> Served:
        if topic not in self._made:
            try:
                made = await run_small(partial(make_page, topic))
            except KeyError:
                raise no_such_route() from None
            self._made[topic] = serve(made.encode(), "text/html")
        return self._made[topic]


def make_page(topic: str | None) -> str:
    """Return a page's whole HTML, or that of the list of pages. Raises KeyError for a topic that is none."""
    from engine.control.help import TOPICS, load_page, to_html  # brings a Markdown reader that few engines need

    names = [(name, "API" if name == "api" else name.replace("-", " ").capitalize()) for name in TOPICS]
    if topic is None:
        title = "Help"
        rows = (f'<dt><a href="/help/{name}">{word}</a></dt><dd>{escape(TOPICS[name])}</dd>' for name, word in names)
        body = f"<h1>Help</h1>\n<dl>{''.join(rows)}</dl>"
    else:
        page = load_page(topic)
        title, body = page.text.splitlines()[0].removeprefix("# "), to_html(page)
    links = (
        f'<a href="/help/{name}"{" aria-current=page" if name == topic else ""}>{word}</a>' for name, word in names
    )
    frame = resources.files("engine.control.help").joinpath("page.html").read_text(encoding="utf-8")
    parts = {"{{title}}": escape(title), "{{topics}}": "\n".join(links), "{{body}}": body}
    for mark, part in parts.items():
        frame = frame.replace(mark, part, 1)
    return frame
