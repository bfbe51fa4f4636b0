"""Every story runs inside ``deterministic``, as those of the engine do."""

from __future__ import annotations

from tests.scenarios.conftest import open_story as open_story
from tests.scenarios.conftest import seed as seed
