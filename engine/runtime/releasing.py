"""Releasing a halt: by a person's word, and only when nothing would halt again at once."""

from __future__ import annotations

from typing import Literal

import msgspec
import structlog

from engine.runtime.services import Services

log = structlog.get_logger()


class Resumed(msgspec.Struct, frozen=True):
    """What became of a wish to resume. ``refused``: ``code`` and ``reason`` say what stands in the way.

    ``released`` are the causes that stood and are gone.
    """

    status: Literal["resumed", "not_halted", "refused"]
    code: str = ""
    reason: str = ""
    released: tuple[str, ...] = ()


def release(services: Services, reason: str, strategy_id: str = "") -> Resumed:
    """Release the latch of one strategy, or of all trading and with it every reason that keeps entries back.

    A drawdown is measured anew from here. Journalled; durable before the next entry is sent.
    """
    trading, gate = services.trading, services.gate
    causes = [one.code for one in trading.view().causes if one.strategy_id == strategy_id]
    kept_back = () if strategy_id else gate.releasable()
    if not causes and not kept_back:
        return Resumed("not_halted")
    obstacle = services.halt_watch.obstacle(strategy_id)
    if obstacle is not None:
        code, why = obstacle
        return Resumed("refused", code, why)
    if "DRAWDOWN" in causes:
        services.accounts.reset_peak()
    trading.resume(reason, strategy_id)
    if kept_back:
        log.warning("entries.looked_into", reasons=list(kept_back), why=reason)
        gate.clear()
    services.market.wake_all()
    return Resumed("resumed", released=(*causes, *kept_back))
