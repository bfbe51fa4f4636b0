"""What keeps entries back: reasons that stand until they are taken away. Exits never ask here."""

from __future__ import annotations

import structlog

from engine.risk.denials import Denial

log = structlog.get_logger()

EVERYWHERE = ""


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
        """Take every reason away: a person has looked into them."""
        for symbol, code in list(self._reasons):
            self.open(code, symbol)

    def denial(self, symbol: str) -> Denial | None:
        """Return the first reason that holds for this symbol."""
        for (where, code), why in self._reasons.items():
            if where in (EVERYWHERE, symbol):
                return Denial(code, why)
        return None

    def reasons(self) -> dict[str, str]:
        """Return every reason that stands, by code and symbol, for people."""
        return {f"{code}:{where}" if where else code: why for (where, code), why in self._reasons.items()}
