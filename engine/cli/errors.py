"""The verb ``errors``: what a code means, whether the same again may pass, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from cyclopts import Parameter

from engine.cli.asking import Json, columns
from engine.cli.catalogue import CATALOGUE, KINDS, ErrorEntry, find, nearest
from engine.cli.catalogue.entry import Kind
from engine.cli.exits import Exit
from engine.cli.output import Output
from engine.errors import ConfigError


def errors(
    code: Annotated[str | None, Parameter(help="A code, or an error text of Kraken. Left out: all.")] = None,
    *,
    kind: Annotated[Kind | None, Parameter(help="Codes of this kind alone.")] = None,
    as_json: Json = False,
) -> Exit:
    """Say what a code means, whether the same again may pass, and what to do: ours, Kraken's, and the exit codes.

    Example: python -m engine errors PRICE_COLLAR
    """
    found: Iterable[ErrorEntry] = CATALOGUE if code is None else find(code)
    told = [one for one in found if kind in (None, one.kind)]
    if not told:
        like = nearest(code or "")
        hint = f"; did you mean {', '.join(like)}?" if like else "; errors lists them all"
        raise ConfigError(f"no code {code!r} is known{'' if kind is None else f' of the kind {kind}'}{hint}")
    output = Output()
    if as_json:
        output.json({"errors": told})
    else:
        lines = _list(told) if code is None else _details(told)
        output.text("".join(f"{line}\n" for line in lines))
    return Exit.DONE


def _list(told: list[ErrorEntry]) -> Iterator[str]:
    for kind, about in KINDS.items():
        rows = [
            (one.code, one.category, "yes" if one.retryable else "no", one.meaning, one.what_to_do)
            for one in told
            if one.kind == kind
        ]
        if rows:
            yield f"{kind}: {about}"
            yield from columns(
                ("  code", "category", "again", "meaning", "what to do"), [(f"  {r[0]}", *r[1:]) for r in rows]
            )
            yield ""


def _details(told: list[ErrorEntry]) -> Iterator[str]:
    for one in told:
        yield f"{one.code} ({one.kind}: {KINDS[one.kind]})"
        yield f"  meaning     {one.meaning}"
        yield f"  category    {one.category}"
        yield f"  retryable   {'yes, the same may pass later' if one.retryable else 'no'}"
        yield f"  what to do  {one.what_to_do}"
