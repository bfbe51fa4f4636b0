"""A thousand malformed frames and bodies at our client, and what a hundred thousand have found."""

from __future__ import annotations

from tests.fuzz.client import run


def test_client_takes_a_thousand_malformed_frames_and_bodies() -> None:
    """Each is a value, a counted invalid frame or an error of ours; the same seed ends the same."""
    ended = run(1_000, seed=4)
    assert sum(ended.values()) == 1_000
    assert min(ended[how] for how in ("frame unreadable", "frame value", "query value", "query OutcomeUnknown")) > 20
    assert run(250, seed=5) == run(250, seed=5)
