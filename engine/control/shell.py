"""The page's shell at ``/`` and its files under ``/static/``: no data in them, no token for them.

What lies in ``pages/`` beside this module is read once, when the door opens, and served from memory by its exact name:
there is no path to play tricks with.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from litestar import HttpMethod, Request
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response

from engine.control.refusal import no_such_route

PAGES = Path(__file__).with_name("pages")
INDEX = "index.html"
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}
"""A file of any other kind is not served."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of everything served here: nothing inline, nothing from elsewhere, in nobody's frame."""


class Served(NamedTuple):
    """What one address answers."""

    content: bytes
    media_type: str
    etag: str


class Shell:
    """The files of the page."""

    def __init__(self, folder: Path = PAGES) -> None:
        self._files = {file.relative_to(folder).as_posix(): _read(file) for file in sorted(_served(folder))}

    def routes(self) -> list[HTTPRouteHandler]:
        """Return the handlers of ``GET /`` and ``GET /static/…``."""

        async def index(request: Request[Any, Any, Any]) -> Response[bytes]:
            return answer(self._files.get(INDEX), request)

        async def static(request: Request[Any, Any, Any]) -> Response[bytes]:
            return answer(self._files.get(request.path_params["name"].lstrip("/")), request)

        methods = (HttpMethod.GET, HttpMethod.HEAD)
        return [
            HTTPRouteHandler("/", http_method=methods, name="index")(index),
            HTTPRouteHandler("/static/{name:path}", http_method=methods, name="static")(static),
        ]


def answer(served: Served | None, request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return it whole, or its tag alone to whom has it already. Raises Refusal where there is nothing."""
    if served is None:
        raise no_such_route()
    headers = {"etag": served.etag, "cache-control": "no-cache", "content-security-policy": POLICY}
    if request.headers.get("if-none-match") == served.etag:
        return Response(b"", status_code=304, headers=headers)
    return Response(served.content, media_type=served.media_type, headers=headers)


def serve(content: bytes, media_type: str) -> Served:
    """Tag a content by its hash."""
    return Served(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def _served(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and file.suffix in TYPES]


def _read(file: Path) -> Served:
    return serve(file.read_bytes(), TYPES[file.suffix])
