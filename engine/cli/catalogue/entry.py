"""What is known of one code: where it is said, whether the same again may pass, and what a person does."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal[
    "denial",
    "exit_denial",
    "hold",
    "halt",
    "door",
    "not_flat",
    "alarm",
    "venue",
    "doubt",
    "not_sent",
    "key",
    "exit",
]
KINDS: dict[Kind, str] = {
    "denial": "an entry that we refuse; a value in the journal, nothing was sent",
    "exit_denial": "an exit that we refuse, by the four checks that exits meet",
    "hold": "a reason that keeps entries back until it is taken away",
    "halt": "a cause of the halt latch, which only resume releases",
    "door": "a command or a request that is not carried out",
    "not_flat": "why a close has not ended flat",
    "alarm": "something that a person should know",
    "venue": "Kraken's answer, by the engine's own name of it",
    "doubt": "a request that may have reached the venue",
    "not_sent": "a request that certainly did not",
    "key": "something about an API key",
    "exit": "an exit code of the command line",
}
"""Every kind, and what a code of it is about."""


class ErrorEntry(msgspec.Struct, frozen=True):
    """One code. The same word may stand under two kinds and mean two things.

    ``category`` is what a program routes on; ``retryable``: the same again, unchanged, may pass later.
    """

    kind: Kind
    code: str
    category: str
    retryable: bool
    meaning: str
    what_to_do: str
