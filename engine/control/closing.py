"""The red button's other half at the door: close. Answered when it has ended, flat or not."""

from __future__ import annotations

from decimal import Decimal

import structlog

from engine.control.command import Arguments
from engine.control.desk import Desk
from engine.control.reading import find_subject
from engine.control.refusal import bad_request, no_engine, refused
from engine.errors import ConfigError, VenueUnavailable
from engine.runtime.close_report import CloseReport

log = structlog.get_logger()

SCOPES = ("symbol", "signal", "all")


async def close(desk: Desk, arguments: Arguments) -> CloseReport:
    """Close one thing; whoever asked may hang up, the close goes on."""
    engine = desk.engine
    if engine is None:
        raise no_engine("this journal")
    given = [name for name in SCOPES if arguments.get(name)]
    if given == ["signal"] and arguments.get("include_holdings"):
        raise bad_request("include_holdings: holdings belong to a market, not to a signal: close the symbol")
    signal_id = (await find_subject(desk, str(arguments["signal"]))).signal_id if given == ["signal"] else None
    bps = arguments.get("max_slippage_bps")
    log.warning("control.close", what=given[0], name=str(arguments[given[0]]))
    try:
        return await engine.close(
            str(arguments["symbol"]) if given == ["symbol"] else None,
            signal_id=signal_id,
            everything=given == ["all"],
            max_slippage_bps=None if bps is None else Decimal(int(bps)),
            include_holdings=bool(arguments.get("include_holdings", False)),
            reason=str(arguments.get("reason", "asked by the operator")),
        )
    except ConfigError as error:
        raise refused("NOTHING_OF_THAT_NAME", str(error), "orders and status show what there is") from None
    except VenueUnavailable as error:
        raise refused("ENGINE_ENDED", str(error), "start the engine again: it goes on with it") from None
