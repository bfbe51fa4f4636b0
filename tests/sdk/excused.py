"""What of python-kraken-sdk is not called against the exchange, and why: every other public name is."""

from __future__ import annotations

_EXPORT = "exports are files made by Kraken's back office, not trading"
_SUBACCOUNT = "institutional accounts only"

CLASSES = {
    "Earn": "staking: not spot trading",
    "Funding": "deposits and withdrawals move real coins: not simulated",
}
"""Classes of ``kraken.spot`` that are left out whole."""

METHODS = {
    "User.request_export_report": _EXPORT,
    "User.get_export_report_status": _EXPORT,
    "User.retrieve_export": _EXPORT,
    "User.delete_export_report": _EXPORT,
    "User.create_subaccount": _SUBACCOUNT,
    "User.account_transfer": _SUBACCOUNT,
    "SpotAsyncClient.async_close": "deprecated alias of close",
    "SpotWSClient.stop": "deprecated alias of close",
    "SpotWSClient.on_message": "what the client calls itself for every frame",
}
"""Single methods, as ``Class.method``."""

CHANNELS = {
    "level3": "served by another host to approved accounts; the exchange leaves it out",
}
"""Channels that the WebSocket client lists."""
