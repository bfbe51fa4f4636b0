"""Twenty kills of real engines, in every run of the tests; ``just kill-test N`` does as many as one likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.killing.__main__ import kill_test

pytestmark = pytest.mark.process


def test_nothing_is_lost_or_doubled_over_twenty_kills(tmp_path: Path) -> None:
    """Killed at rows drawn over the journal, in more states than one: no order twice, none lost, fills equal."""
    hunt, orders, violations = kill_test(20, 7, tmp_path)
    assert violations == []
    assert hunt.kills == 20
    assert orders > 10
    assert len(hunt.states) > 1
