"""Twenty kills of real engines, in every run of the tests; ``just kill-test N`` does as many as one likes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.killing.__main__ import kill_test

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]  # its last engine alone may take 90 s

SHARED_MACHINE_S = Decimal(40)
"""How soon protection is back is judged by ``just kill-test`` (10 s); here the machine is shared with other tests."""


def test_nothing_is_lost_or_doubled_over_twenty_kills(tmp_path: Path) -> None:
    """Killed at rows drawn over the journal, in more states than one: no order twice, none lost, fills equal."""
    hunt, orders, violations = kill_test(20, 7, tmp_path, SHARED_MACHINE_S)
    assert violations == []
    assert hunt.kills == 20
    assert orders > 10
    assert len(hunt.states) > 1
