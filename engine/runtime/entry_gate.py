"""What keeps entries back: reasons that stand until they are taken away. Exits never ask here."""

from __future__ import annotations

import structlog

from engine.risk.denials import Denial

log = structlog.get_logger()

EVERYWHERE = ""
SELF_ENDING = frozenset({"CLOSING"})
"""A close that is under way keeps entries of its market back until it is over, whatever anybody says."""


class EntryGate:
    """Reasons by code, for one symbol or for all (``EVERYWHERE``)."""

    def __init__(self) -> None:
        self._reasons: dict[tuple[str, str], str] = {}

    def close(self, code: str, why: str, symbol: str = EVERYWHERE) -> None:
        """Let no entry pass on ``symbol`` while this reason stands."""
        if (symbol, code) not in self._reasons:
            log.error("entries.halted", code=code, why=why, symbol=symbol or "all")
        self._reasons[symbol, code] = why

    def open(self, code: str, symbol: str = EVERYWHERE) -> None:
        """Take a reason away."""
        if self._reasons.pop((symbol, code), None) is not None:
            log.info("entries.released", code=code, symbol=symbol or "all")

    def clear(self) -> None:
        """Take away every reason that a person may look into; one that ends by itself stays."""
        for symbol, code in list(self._reasons):
            if code not in SELF_ENDING:
                self.open(code, symbol)

    def denial(self, symbol: str) -> Denial | None:
        """Return the first reason that holds for this symbol."""
        for (where, code), why in self._reasons.items():
            if where in (EVERYWHERE, symbol):
                return Denial(code, why)
        return None

    def releasable(self) -> tuple[str, ...]:
        """Return what ``clear`` takes away, by code and symbol."""
        keys = [(where, code) for where, code in self._reasons if code not in SELF_ENDING]
        return tuple(f"{code}:{where}" if where else code for where, code in keys)

    def reasons(self) -> dict[str, str]:
        """Return every reason that stands, by code and symbol, for people."""
        return {f"{code}:{where}" if where else code: why for (where, code), why in self._reasons.items()}
