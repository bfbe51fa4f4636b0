"""What a key may do, and what of that keeps the engine from using it (GetApiKeyInfo, §1.4). Pure."""

from __future__ import annotations

import msgspec

from engine.values.time import NS, rfc3339

NEEDED = {
    "query-funds": "Query Funds",
    "query-open-trades": "Query Open Orders & Trades",
    "query-closed-trades": "Query Closed Orders & Trades",
    "modify-trades": "Create & Modify Orders",
    "close-trades": "Cancel & Close Orders",
    "create-ws-token": "Access WebSockets API",
}
"""Permissions of the trading key, with their names on Kraken's settings page."""
READING = ("query-funds", "query-open-trades", "query-closed-trades")
"""All that a key for reads needs."""
WITHDRAWING = frozenset(("withdraw-funds", "add-withdraw-address", "update-withdraw-address"))
SOON_S = 7 * 86_400
"""A key that expires within a week is worth a word."""


class KeyInfo(msgspec.Struct, frozen=True, rename="camel"):
    """A key's own description. Times are UTC seconds as texts, "0" = no bound; the key itself is not kept."""

    permissions: tuple[str, ...] = ()
    api_key_name: str = ""
    nonce: str | int = "0"
    nonce_window: str | int = 0
    valid_until: str | int | None = "0"
    query_from: str | int | None = "0"
    query_to: str | int | None = "0"
    ip_allowlist: tuple[str, ...] | None = ()


class Fault(msgspec.Struct, frozen=True):
    """One thing about a key. ``code`` is stable, ``text`` says what to do; not ``fatal`` is advice."""

    code: str
    text: str
    fatal: bool = True


def check_key(
    info: KeyInfo, *, now_ns: int, used_nonce: int = 0, may_withdraw: bool = False, reads_only: bool = False
) -> list[Fault]:
    """Return all that is wrong with a key; ``used_nonce`` is the one its description was asked with (0 = not known).

    ``reads_only`` is for the second key. ``now_ns`` is UTC.
    """
    faults = _check_permissions(info, may_withdraw=may_withdraw, reads_only=reads_only)
    faults += _check_validity(info, now_ns // NS)
    if _whole(info.query_from) or _whole(info.query_to):
        text = "sees only orders and trades of a limited time; remove the query start and end dates from it"
        faults.append(Fault("KEY_QUERY_RANGE", f"{_name(info)} {text}"))
    return faults + _advise(info, used_nonce)


def _check_permissions(info: KeyInfo, *, may_withdraw: bool, reads_only: bool) -> list[Fault]:
    wanted = READING if reads_only else NEEDED
    faults = [
        Fault("KEY_LACKS_PERMISSION", f"{_name(info)} lacks {NEEDED[name]!r} ({name}); tick it on Kraken's API page")
        for name in wanted
        if name not in info.permissions
    ]
    harmful = sorted(WITHDRAWING.intersection(info.permissions))
    if harmful and not may_withdraw:
        text = f"may move funds away ({', '.join(harmful)}); untick that on Kraken's API page, or set may_withdraw"
        faults.append(Fault("KEY_MAY_WITHDRAW", f"{_name(info)} {text}"))
    return faults


def _check_validity(info: KeyInfo, now_s: int) -> list[Fault]:
    until_s = _whole(info.valid_until)
    if not until_s:
        return []
    moment = rfc3339(until_s * NS, 0)
    if until_s <= now_s:
        return [Fault("KEY_EXPIRED", f"{_name(info)} expired at {moment}; make a new one")]
    if until_s - now_s <= SOON_S:
        return [Fault("KEY_EXPIRES_SOON", f"{_name(info)} expires at {moment}; make a new one in time", fatal=False)]
    return []


def _advise(info: KeyInfo, used_nonce: int) -> list[Fault]:
    faults = []
    if used_nonce and _whole(info.nonce) > used_nonce:
        text = "is used by another program too: its nonce is above ours; give each program a key of its own"
        faults.append(Fault("FOREIGN_NONCE", f"{_name(info)} {text}", fatal=False))
    if _whole(info.nonce_window):
        text = f"accepts late nonces (window {info.nonce_window}); 0 is safer, and enough for this engine"
        faults.append(Fault("KEY_NONCE_WINDOW", f"{_name(info)} {text}", fatal=False))
    if not info.ip_allowlist:
        text = "works from every address; an IP allow list would make a stolen one useless"
        faults.append(Fault("KEY_NO_IP_LIST", f"{_name(info)} {text}", fatal=False))
    return faults


def _name(info: KeyInfo) -> str:
    return f"API key {info.api_key_name!r}"


def _whole(value: str | int | None) -> int:
    """Read a whole number that may come as text; what is none counts as not set."""
    text = str(value or 0).strip()
    return int(text) if text.isascii() and text.isdigit() else 0
