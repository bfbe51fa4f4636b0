"""The verb ``help``: the pages that explain, in the terminal."""

from __future__ import annotations

import difflib
from typing import Annotated

from cyclopts import Parameter
from rich.markdown import Markdown

from engine.cli.asking import Json, columns
from engine.cli.exits import Exit
from engine.cli.output import Output
from engine.control.help import TOPICS, load_page, to_html
from engine.errors import ConfigError

WIDTH_MOST = 100
"""Longer lines are hard to read."""


def help_page(
    topic: Annotated[str | None, Parameter(help="The page; left out: the list of them.")] = None,
    *,
    html: Annotated[bool, Parameter(help="Print the page as HTML, as the dashboard shows it.")] = False,
    as_json: Json = False,
) -> Exit:
    """Explain a topic: concepts, the order's table, outcomes, brackets, limits, recovery, chaos, the API and more.

    Example: python -m engine help recovery
    """
    output = Output()
    if topic is None:
        if as_json:
            output.json({"topics": TOPICS})
        else:
            lines = columns(("topic", "about"), list(TOPICS.items()))
            output.text("".join(f"{line}\n" for line in (*lines, "", "python -m engine help TOPIC shows one")))
        return Exit.DONE
    if topic not in TOPICS:
        like = difflib.get_close_matches(topic, TOPICS, 1)
        hint = f"did you mean {like[0]}?" if like else f"there are {', '.join(TOPICS)}"
        raise ConfigError(f"there is no page {topic!r}: {hint}")
    page = load_page(topic)
    if as_json:
        output.json({"topic": page.name, "about": page.about, "markdown": page.text})
    elif html:
        output.text(to_html(page))
    elif output.is_terminal:
        output.console.width = min(output.width, WIDTH_MOST)
        output.show(Markdown(page.text))
    else:
        output.text(page.text)
    return Exit.DONE
