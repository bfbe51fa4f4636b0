"""The tables ``exchange.bounds`` and ``exchange.manners``: what Kraken limits, and what its documents leave open."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from engine.config.section import Percent, Seconds, Section
from engine.sim import SimSettings

Many = Annotated[int, Field(ge=1, le=1_000_000)]
Long = Annotated[float, Field(gt=0, le=86_400)]

_SIM = SimSettings()


class BoundsSection(Section):
    """``exchange.bounds``: limits beside the counters of ``exchange.tier`` (protocol sections 2.2, 4, 5.4, 5.5).

    A count that is left out binds nobody. Names and meanings are those of SimSettings.
    """

    ws_messages_per_s: Many | None = None
    rest_public_per_s: Many | None = None
    connection_budget: Many | None = None
    connection_window_s: Long = _SIM.connection_window_s
    connection_ban_s: Long = _SIM.connection_ban_s
    lockout_after: Many | None = None
    lockout_window_s: Long = _SIM.lockout_window_s
    lockout_s: Long = _SIM.lockout_s
    rest_history_cost: Literal[1, 2, 4] = _SIM.rest_history_cost  # type: ignore[assignment]
    token_life_s: Long = _SIM.token_life_s
    idle_close_s: Seconds = _SIM.idle_close_s
    nonce_window: Annotated[int, Field(ge=0, lt=1 << 63)] = _SIM.nonce_window


class MannersSection(Section):
    """``exchange.manners``: switches for what is not confirmed. Names and meanings are those of SimSettings."""

    post_only_manner: Literal["refuse", "cancel"] = _SIM.post_only_manner
    would_trigger_immediately: Literal["refuse", "cancel", "fire"] = _SIM.would_trigger_immediately
    trade_frame_completes_as: Literal["partially_filled", "filled"] = _SIM.trade_frame_completes_as
    trigger_exec_type: Literal["status", "restated"] = _SIM.trigger_exec_type
    snapshot_exec_type: Literal["new", "status"] = _SIM.snapshot_exec_type
    executions_before_ack: bool = _SIM.executions_before_ack
    snapshot_before_ack: bool = _SIM.snapshot_before_ack
    snap_trades_default: bool = _SIM.snap_trades_default
    batch_result: Literal["array", "orders"] = _SIM.batch_result
    ratecounter_field: Literal["ratecount", "rate_count"] = _SIM.ratecounter_field  # type: ignore[assignment]
    ratecounter_as_text: bool = _SIM.ratecounter_as_text
    post_only_cancel_is_charged: bool = _SIM.post_only_cancel_is_charged
    enforce_deadline_floor: bool = _SIM.enforce_deadline_floor
    edit_keeps_total: bool = _SIM.edit_keeps_total
    small_close: Literal["accept", "skip"] = _SIM.small_close
    market_band_pct: Annotated[Decimal, Field(gt=0, le=100)] | None = None
    any_validate_text_validates: bool = _SIM.any_validate_text_validates
    slash_names_are_echoed: bool = _SIM.slash_names_are_echoed
    ohlc_fills_gaps: bool = _SIM.ohlc_fills_gaps
    fee_tier_spelling: Literal["joined", "underscored"] = _SIM.fee_tier_spelling
    buys_pay_fees_in_base: bool = _SIM.buys_pay_fees_in_base
    margin_collateral: Literal["cash", "all"] = _SIM.margin_collateral
    margin_open_fee_pct: Percent = _SIM.margin_open_fee_pct
    margin_rollover_fee_pct: Percent = _SIM.margin_rollover_fee_pct
    margin_open_fee_in: Literal["entry", "fill", "own_entry"] = _SIM.margin_open_fee_in
    margin_rollover_ref: Literal["position", "order", "own"] = _SIM.margin_rollover_ref
    untriggered_stops_hold_funds: bool = _SIM.untriggered_stops_hold_funds
