"""The ids that our orders carry: of a shape that Kraken takes, and ours to recognise."""

from __future__ import annotations

import random
import re
import uuid

import pytest

from engine.values.ids import is_marked, new_cl_ord_id

KEY = b"k" * 32


def test_ids_are_dashed_uuids() -> None:
    """Kraken refuses every order whose id is neither a UUID nor at most 18 characters (nautilus #3651)."""
    rng = random.Random(1)
    ids = [new_cl_ord_id(rng, KEY) for _ in range(500)]
    assert len(set(ids)) == 500
    for one in ids:
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one)
        assert str(uuid.UUID(one)) == one


@pytest.mark.parametrize("other", [None, "", "bot-1", "00000000-0000-8000-8000-000000000000"])
def test_only_ids_made_with_the_key_are_ours(other: str | None) -> None:
    """Neither another program's id, nor one made with another key."""
    mine = new_cl_ord_id(random.Random(2), KEY)
    assert is_marked(mine, KEY)
    assert not is_marked(mine, b"other" * 6)
    assert not is_marked(other, KEY)
