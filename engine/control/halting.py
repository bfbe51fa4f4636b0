"""The red button at the door: halt, resume and rearm. Each is durable before it is answered."""

from __future__ import annotations

import msgspec
import structlog

from engine.control.command import Arguments
from engine.control.desk import Desk
from engine.control.refusal import no_engine, refused
from engine.risk.trading_state import TradingStateName
from engine.runtime.engine import Engine
from engine.runtime.trading_desk import TradingView

log = structlog.get_logger()


class Halted(msgspec.Struct, frozen=True):
    """A halt, taken. ``entries`` are the signals whose entries lived and are being cancelled; the reports tell more."""

    trading_state: TradingStateName
    strategy: str
    reason: str
    entries: tuple[str, ...]


class Released(msgspec.Struct, frozen=True):
    """A halt, released: the causes that stood, and what stands still (of single strategies, or of all)."""

    trading_state: TradingStateName
    strategy: str
    reason: str
    released: tuple[str, ...]
    still: TradingView


class Rearmed(msgspec.Struct, frozen=True):
    """A throttled strategy that may go on."""

    strategy: str
    reason: str


async def halt(desk: Desk, arguments: Arguments) -> Halted:
    """Halt all trading, or one strategy's."""
    engine, strategy, reason = _engine(desk), str(arguments.get("strategy", "")), str(arguments["reason"])
    reducing = bool(arguments.get("reducing", False))
    entries = engine.brackets.living_entries(strategy)
    if not engine.halt(reason, strategy_id=strategy, reducing=reducing):
        raise refused("HALTED_ALREADY", "a halt by command stands there already", "status shows it; resume releases it")
    await engine.journal.sync()
    log.warning("control.halt", strategy=strategy or "all", why=reason, reducing=reducing)
    return Halted(engine.services.trading.state_of(strategy), strategy, reason, entries)


async def resume(desk: Desk, arguments: Arguments) -> Released:
    """Release all trading, or one strategy."""
    engine, strategy, reason = _engine(desk), str(arguments.get("strategy", "")), str(arguments["reason"])
    done = engine.resume_trading(reason, strategy_id=strategy)
    if done.status == "not_halted":
        raise refused("NOT_HALTED", f"{strategy or 'trading'} is not halted", "status shows every halt that stands")
    if done.status == "refused":
        raise refused(done.code, done.reason, "put it right first; then resume")
    await engine.journal.sync()
    trading = engine.services.trading
    log.warning("control.resume", strategy=strategy or "all", why=reason, released=done.released)
    return Released(trading.state_of(strategy), strategy, reason, done.released, trading.view())


async def rearm(desk: Desk, arguments: Arguments) -> Rearmed:
    """Let a throttled strategy go on."""
    engine, strategy, reason = _engine(desk), str(arguments["strategy"]), str(arguments["reason"])
    if not engine.rearm(strategy, reason):
        raise refused("NOT_THROTTLED", f"strategy {strategy} is not throttled", "status shows those that are")
    await engine.journal.sync()
    return Rearmed(strategy, reason)


def _engine(desk: Desk) -> Engine:
    if desk.engine is None:
        raise no_engine("this journal")
    return desk.engine
