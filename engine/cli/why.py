"""The verb ``why``: an order's or a signal's whole story."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from engine.cli.asking import Config, DataDir, Json, directory_of, show_answer
from engine.cli.exits import Exit
from engine.control.table import WHY
from engine.runtime.story import Story


def why(
    name: Annotated[
        str, Parameter(name="id", help="cl_ord_id or signal_id, a unique beginning of one, or the venue's order_id.")
    ],
    *,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Tell why an order is as it is, cause by cause: signal, checks, requests, answers, evidence, transitions.

    Example: python -m engine why OABCDE-FGHIJ-KLMNOP
    """
    return show_answer(WHY, {"id": name}, directory_of(data_dir, config), as_json=as_json, lines=Story.lines)
