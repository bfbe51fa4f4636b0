"""What can be wrong with an API key."""

from __future__ import annotations

from typing import Final

from engine.cli.catalogue.entry import ErrorEntry

KEYS: Final[tuple[ErrorEntry, ...]] = tuple(
    ErrorEntry("key", code, category, False, meaning, what_to_do)
    for code, category, meaning, what_to_do in (
        ("KEY_LACKS_PERMISSION", "fatal", "it may do too little", "tick the permission on Kraken's API page"),
        ("KEY_MAY_WITHDRAW", "fatal", "it may move funds away", "untick that, or set may_withdraw"),
        ("KEY_EXPIRED", "fatal", "it has expired", "make a new one"),
        ("KEY_QUERY_RANGE", "fatal", "it sees a limited time only", "remove its query dates"),
        ("KEY_EXPIRES_SOON", "advice", "it expires within a week", "make a new one in time"),
        ("KEY_NONCE_WINDOW", "advice", "it accepts late nonces", "set its nonce window to 0"),
        ("KEY_NO_IP_LIST", "advice", "it works from every address", "give it an IP allow list"),
        ("FOREIGN_NONCE", "advice", "another program uses it too", "give each program a key of its own"),
    )
)
