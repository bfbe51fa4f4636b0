"""Finding one signal's or one order's rows must not read the whole journal."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.journal.sqlite_store import _page
from engine.journal.store import Selection


@pytest.mark.parametrize(("member", "index"), [("signal_id", "rows_by_signal"), ("cl_ord_id", "rows_by_order")])
def test_lookup_by_name_uses_its_index(member: str, index: str, tmp_path: Path) -> None:
    """SQLite's own plan names the index: a partial one is only used when the query repeats its condition."""
    from engine.journal.sqlite_store import _metadata

    engine = sa.create_engine(f"sqlite:///{tmp_path / 'plan.db'}")
    _metadata.create_all(engine)
    query = _page(Selection(after=0, upto=10, **{member: "x"}), 0).compile(
        engine, compile_kwargs={"literal_binds": True}
    )
    engine.dispose()
    connection = sqlite3.connect(tmp_path / "plan.db")
    plan = " ".join(str(row) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
    connection.close()
    assert index in plan
