"""What may be done in each pair now: its own status, or the stricter mode of the whole exchange (§1.3, §6.2)."""

from __future__ import annotations

import msgspec
import structlog

from engine.kraken.symbols import Symbols
from engine.values.instrument import Instrument, PairStatus
from engine.venue.protocol import MarketSink

log = structlog.get_logger()

_SEVERITY: dict[PairStatus, int] = {
    "online": 0,
    "post_only": 1,
    "limit_only": 1,
    "reduce_only": 1,
    "cancel_only": 2,
    "maintenance": 3,
}


class PairModes:
    """Tells the sink of every instrument whose effective state differs from what was last told."""

    def __init__(self, symbols: Symbols, sink: MarketSink) -> None:
        self._symbols, self._sink = symbols, sink
        self._system = "online"
        self._told: dict[str, Instrument] = {}

    def enter(self, system: str) -> None:
        """Take the mode of the whole exchange."""
        if system == self._system:
            return
        log.warning("venue.mode", mode=system, before=self._system)
        self._system = system
        for instrument in self._symbols.instruments():
            self.tell(instrument)

    def tell(self, instrument: Instrument) -> None:
        """Tell of an instrument, unless what holds for it is what was last told."""
        now = self.effective(instrument)
        if self._told.get(now.symbol) != now:
            self._told[now.symbol] = now
            self._sink.on_instrument(now)

    def effective(self, instrument: Instrument) -> Instrument:
        """Return an instrument with the status that holds for it now."""
        status = under_system(instrument.status, self._system)
        return instrument if status == instrument.status else msgspec.structs.replace(instrument, status=status)


def under_system(status: PairStatus, system: str) -> PairStatus:
    """Return what a pair may do while the whole exchange is in ``system`` mode: the stricter of both."""
    whole: PairStatus = system if system in _SEVERITY else "unknown"
    return whole if _SEVERITY.get(whole, 3) > _SEVERITY.get(status, 3) else status
