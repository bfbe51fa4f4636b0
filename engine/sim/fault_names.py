"""The names that a scripted fault may use, as this exchange has them."""

from __future__ import annotations

from dataclasses import dataclass

from engine.sim.channels import PRIVATE, PUBLIC
from engine.sim.rest import ORDERS
from engine.sim.rest_account import KEYED, READING
from engine.sim.rest_public import PUBLIC as PUBLIC_CALLS
from engine.sim.settings import SimSettings
from engine.sim.ws_trading import ORDER_METHODS

_EARLY = ("connect", "ping", "subscribe", "unsubscribe", *PUBLIC_CALLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultNames:
    """Methods of both transports, channels, symbols and accounts."""

    methods: tuple[str, ...]
    channels: tuple[str, ...]
    symbols: tuple[str, ...]
    accounts: tuple[str, ...]
    before_only: frozenset[str] = frozenset(_EARLY)  # no fault can meet these after they were done


def names_of(settings: SimSettings) -> FaultNames:
    """Return the names of an exchange with these settings."""
    calls = [*ORDERS, *READING, *KEYED, *PUBLIC_CALLS]
    return FaultNames(
        methods=(*sorted(dict.fromkeys(calls)), *ORDER_METHODS, "subscribe", "unsubscribe", "connect", "ping"),
        channels=(*PRIVATE, *PUBLIC, "heartbeat"),
        symbols=tuple(pair.symbol for pair in settings.pairs),
        accounts=tuple(settings.accounts),
    )
