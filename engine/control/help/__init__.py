"""The help pages: written once as Markdown, shown in the terminal by ``python -m engine help``, elsewhere as HTML."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Final

import msgspec
from markdown_it import MarkdownIt

from engine.orders.bracket_machine import BracketMachine
from engine.orders.diagram import diagram_of, state_table, table
from engine.orders.machine import OrderMachine

TOPICS: Final[dict[str, str]] = {
    "concepts": "signal, bracket, order, report: the words and the way of a signal",
    "order-table": "every state of an order, and every move between them",
    "outcomes": "sent, not sent, may have been sent: what each answer and each silence proves",
    "brackets": "how stops and targets follow what has filled",
    "limits": "what entries are held to, Kraken's counters, halts",
    "recovery": "what happens after a kill, and what you can look at before",
    "chaos": "the engine in bad weather, seed by seed; your strategy too",
    "venue": "writing an adapter for another exchange",
    "api": "driving the engine from a program, with examples that run",
    "guardian": "a second process that watches the first",
    "margin": "entries with leverage, and what they may lose",
    "dashboard": "the page in the browser, its link and its token",
    "parts": "what the engine is asked to have, the room that has it, the test that holds it",
}
"""Every page in the order in which it is best read, and what it is about."""

_MADE: Final[dict[str, Callable[[], str]]] = {
    "{{order states}}": lambda: state_table(diagram_of(OrderMachine)),
    "{{order moves}}": lambda: table(diagram_of(OrderMachine)),
    "{{bracket moves}}": lambda: table(diagram_of(BracketMachine)),
}
"""Parts that come from the definitions themselves, so that no page can lag behind them."""


class Page(msgspec.Struct, frozen=True):
    """One page. ``text`` is Markdown, its first line the title."""

    name: str
    about: str
    text: str


class Example(msgspec.Struct, frozen=True):
    """One fenced block of a page: its language, and what stands in it."""

    language: str
    text: str


@cache
def load_page(name: str) -> Page:
    """Return a page. Raises KeyError for a topic that is none."""
    about = TOPICS[name]
    text = resources.files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8")
    for mark, made in _MADE.items():
        if mark in text:
            text = text.replace(mark, made().strip())
    return Page(name, about, text)


def to_html(page: Page) -> str:
    """Return the page's body as HTML; markup inside the text is escaped, links lead nowhere outside."""
    html: str = _renderer().render(page.text)
    return html


def examples_of(page: Page) -> list[Example]:
    """Return the fenced blocks of a page, in order."""
    return [
        Example(token.info.strip(), token.content) for token in _renderer().parse(page.text) if token.type == "fence"
    ]


@cache
def _renderer() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")
