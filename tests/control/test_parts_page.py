"""The page that names rooms and tests names only what is there."""

from __future__ import annotations

import re
from pathlib import Path

from engine.control.help import load_page

ROOT = Path(__file__).parents[2]


def test_every_room_and_test_of_the_parts_page_exists() -> None:
    paths = re.findall(r"`((?:engine|tests)/[\w/.]+)`", load_page("parts").text)
    assert len(paths) > 60
    assert [path for path in paths if not (ROOT / path).exists()] == []
