"""What can be set on the simulated exchange. A fact that Kraken's documents leave open is a switch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from engine.sim.fault_plan import NO_FAULTS, FaultPlan
from engine.sim.fees import FeeSchedule, FeeStep
from engine.sim.instruments import DEFAULT_ASSETS, DEFAULT_PAIRS, AssetSpec, PairSpec
from engine.sim.keys import TRADING_PERMISSIONS
from engine.sim.script import Step
from engine.sim.tiers import TIERS, TierName

Manner = Literal["refuse", "cancel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticMarket:
    """A seeded market on one symbol: a walking middle, makers around it, takers at random.

    Amounts and distances are in whole ticks and in ``lot`` units, so that chance never touches money as a float.
    """

    symbol: str
    start_price: Decimal
    half_spread_ticks: int = 20
    walk_ticks: float = 15.0  # standard deviation of the middle's step at each refresh
    refresh_s: float = 0.5
    levels: int = 12
    level_step_ticks: int = 15
    lot: Decimal = Decimal("0.0001")
    level_lots: tuple[int, int] = (200, 4000)
    taker_every_s: float = 0.7  # mean of an exponential pause
    taker_lots: tuple[int, int] = (5, 120)


def _client_funds() -> Mapping[str, Mapping[str, Decimal]]:
    funds = {"USD": Decimal(100_000), "BTC": Decimal(2), "ETH": Decimal(20), "SOL": Decimal(100)}
    return MappingProxyType({"client": MappingProxyType(funds)})


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySpec:
    """A further API key of an account; drawn from chance by its name when not given."""

    name: str
    account: str = "client"
    permissions: tuple[str, ...] = TRADING_PERMISSIONS
    api_key: str | None = None
    api_secret: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTerms:
    """What one account has other than the rest; None is what the settings say for all."""

    maker_fee_pct: Decimal | None = None
    taker_fee_pct: Decimal | None = None
    tier: TierName | None = None
    permissions: tuple[str, ...] | None = None  # of its first key
    key: tuple[str, str] | None = field(default=None, repr=False)  # API key and secret of its first key


NO_TERMS = AccountTerms()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayMarket:
    """Recorded public frames drive the books (see recording.py); ``speed`` 2 is twice as fast as they were."""

    file: Path
    speed: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMarket:
    """A public WebSocket v2 feed drives the books of ``symbols``."""

    url: str
    symbols: tuple[str, ...]
    depth: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SimSettings:
    """Everything that shapes one simulated exchange; the first account is the default one."""

    assets: tuple[AssetSpec, ...] = DEFAULT_ASSETS
    pairs: tuple[PairSpec, ...] = DEFAULT_PAIRS
    accounts: Mapping[str, Mapping[str, Decimal]] = field(default_factory=_client_funds)
    api_key: str | None = None  # of the default account; drawn from chance when not given
    api_secret: str | None = None  # base64 of 64 bytes
    permissions: tuple[str, ...] = (*TRADING_PERMISSIONS, "query-ledger")  # of every account's first key
    terms: Mapping[str, AccountTerms] = field(default_factory=dict)  # by account, where they differ
    more_keys: tuple[KeySpec, ...] = ()
    boot: int = 0  # counts the starts on one data directory; mixed into every id

    maker_fee_pct: Decimal = Decimal("0.25")
    taker_fee_pct: Decimal = Decimal("0.40")
    fee_schedule: tuple[FeeStep, ...] = ()  # by 30-day volume; without one the two fees above hold for everybody
    max_open_orders: int = 80  # per account and pair, while no tier is set

    # --- limits (protocol section 5). Without a tier counters are kept and shown, and nothing is refused by them
    tier: TierName | None = None
    rest_history_cost: int = 2  # 2 by the guide, 4 by an older copy of it
    rest_history_calls: tuple[str, ...] = ("TradesHistory", "Ledgers", "QueryLedgers")
    rest_free_calls: tuple[str, ...] = ("AddOrder", "CancelOrder")  # no document says more than these two
    rate_refusal_is_charged: bool = True  # a request refused for its rate counts as well (REST: up to twice the bound)
    post_only_cancel_is_charged: bool = False  # as a cancel of a fresh order: +8
    ratecounter_field: str = "ratecount"  # in executions reports; the other candidate is "rate_count"
    ratecounter_as_text: bool = False  # a string as in v1, instead of a number
    ws_messages_per_s: int | None = None  # per connection; about 20 were once named by Kraken's support
    rest_public_per_s: int | None = None  # public calls within any second; no number is published
    connection_budget: int | None = None  # WebSocket attempts per window, then a ban; about 150 at Cloudflare
    connection_window_s: float = 600.0
    connection_ban_s: float = 600.0
    lockout_after: int | None = None  # this many bad keys, signatures or nonces within the window
    lockout_window_s: float = 60.0
    lockout_s: float = 900.0
    lockout_is_extended: bool = True  # by every attempt during it

    synthetic: tuple[SyntheticMarket, ...] = ()
    script: tuple[Step, ...] = ()
    replay: ReplayMarket | None = None
    live: LiveMarket | None = None
    faults: FaultPlan = NO_FAULTS  # from the moment the exchange runs

    # --- time
    processing_delay_s: float = 0.001  # between the arrival of a request and the engine
    rest_lag_s: float = 0.0  # REST queries see orders, trades and balances as they were so long ago
    token_life_s: float = 900.0
    ws_deadline_default_s: float = 5.0
    ws_deadline_floor_s: float = 0.5
    rest_deadline_floor_s: float = 2.0
    deadline_ceiling_s: float = 60.0
    heartbeat_s: float = 1.0
    idle_close_s: float = 60.0  # a WebSocket without subscriptions and without client traffic
    nonce_window: int = 0

    # --- switches for what is not confirmed
    any_validate_text_validates: bool = False  # a form's validate=false too (reported in 2017); clients now send it
    slash_names_are_echoed: bool = True  # a pair asked for as BTC/USD is the key BTC/USD; else always the id
    untriggered_stops_hold_funds: bool = True
    post_only_manner: Manner = "refuse"
    would_trigger_immediately: Literal["refuse", "cancel", "fire"] = "cancel"
    trade_frame_completes_as: Literal["partially_filled", "filled"] = "partially_filled"
    trigger_exec_type: Literal["status", "restated"] = "status"
    snapshot_exec_type: Literal["new", "status"] = "new"
    executions_before_ack: bool = True
    snap_trades_default: bool = False  # of an executions subscription that does not say; Kraken's pages disagree
    ohlc_snapshot_candles: int = 720  # at most this many; the document's example has two
    ohlc_fills_gaps: bool = True  # REST shows an interval without trades as a flat candle
    fee_tier_spelling: Literal["joined", "underscored"] = (
        "joined"  # minfee, as in samples, or min_fee, as in the schema
    )
    snapshot_before_ack: bool = False
    batch_result: Literal["array", "orders"] = "array"  # of batch_add: a list, or {"orders": [...]} with success flags
    enforce_deadline_floor: bool = False  # a deadline nearer than the floor, yet ahead: refuse it
    market_band_pct: Decimal | None = None  # market orders stop this far from the best price
    edit_keeps_total: bool = True  # the new order of an edit is for the new volume less what the old one has filled
    buys_pay_fees_in_base: bool = False  # a fee preference of the accounts; orders on margin pay in quote all the same
    small_close: Literal["accept", "skip"] = "accept"  # what a fill below the order minimum makes of its close order
    margin_collateral: Literal["cash", "all"] = "cash"  # USD alone, or every asset at its last price
    margin_open_fee_pct: Decimal = Decimal(0)  # of the cost of what a fill opens; rates are not confirmed
    margin_rollover_fee_pct: Decimal = Decimal(0)  # of the open cost, every ``margin_rollover_s``
    margin_rollover_s: int = 14_400
    margin_open_fee_in: Literal["entry", "fill", "own_entry"] = "entry"  # where it is told: with the fill's ledger row,
    # in the fee that the fill's reports tell too, or in a further row of the same reference
    margin_rollover_ref: Literal["position", "order", "own"] = "position"  # what its ledger row refers to
    split_hosts: bool = False  # private methods only on hosts named ws-auth..., public ones only elsewhere

    # --- texts that Kraken does not publish
    reason_user: str = "User requested"
    reason_post_only: str = "Post only order"
    reason_would_trigger: str = "Order would trigger immediately"
    reason_ioc: str = "Immediate or cancel: not filled"
    reason_fok: str = "Fill or kill: not filled"
    reason_no_liquidity: str = "No liquidity"
    reason_stp: str = "Self trade prevention"
    reason_funds: str = "Insufficient funds"
    reason_reduce_only: str = "Reduce only:Position is closed"
    reason_edited: str = "Order replaced"
    reason_margin: str = "Insufficient margin"
    reason_dead_man: str = "Cancel all orders after"
    reason_expired: str = "Order expired"
    error_would_trigger: str = "EOrder:Order would trigger immediately"
    error_duplicate_cl_ord_id: str = "EGeneral:Invalid arguments:cl_ord_id"
    error_margin: str = "EOrder:Insufficient margin"  # too little free margin; Kraken has several texts for it

    # --- bounds of the server itself
    max_connections: int = 500
    max_body: int = 1 << 20
    ws_out_frames: int = 4096  # frames waiting for a slow WebSocket reader; one more and it is closed (1008)
    keep_closed: int | None = None  # closed orders in memory, and ten trades for each; older ones no query finds
    ws_late_requests: int = 256  # requests of one connection held back by faults at one time
    hang_s: float = 120.0  # how long a REST answer that a fault swallowed keeps its connection open

    @property
    def fees(self) -> FeeSchedule:
        """The fee schedule. Raises ValueError for one that does not begin at zero and rise."""
        flat = FeeStep(volume=Decimal(0), taker_pct=self.taker_fee_pct, maker_pct=self.maker_fee_pct)
        return FeeSchedule(self.fee_schedule or (flat,))

    def fees_of(self, account: str) -> FeeSchedule:
        """The fee schedule of an account: its own flat fees where its terms name one."""
        terms = self.terms_of(account)
        if terms.maker_fee_pct is None and terms.taker_fee_pct is None:
            return self.fees
        taker = self.taker_fee_pct if terms.taker_fee_pct is None else terms.taker_fee_pct
        maker = self.maker_fee_pct if terms.maker_fee_pct is None else terms.maker_fee_pct
        return FeeSchedule((FeeStep(volume=Decimal(0), taker_pct=taker, maker_pct=maker),))

    def terms_of(self, account: str) -> AccountTerms:
        """Return what is special of an account."""
        return self.terms.get(account, NO_TERMS)

    def tier_of(self, account: str) -> TierName | None:
        """Return the tier whose limits bind an account; None: none do."""
        return self.terms_of(account).tier or self.tier

    def open_orders_limit_of(self, account: str) -> int:
        """The most open orders of an account on a pair."""
        tier = self.tier_of(account)
        return self.max_open_orders if tier is None else TIERS[tier].open_orders

    def pair_named(self, name: str) -> PairSpec | None:
        """Find a pair by any of its names except wsname, which REST does not accept where it differs."""
        return next((p for p in self.pairs if name in (p.symbol, p.altname, p.rest_key)), None)

    def asset(self, name: str) -> AssetSpec:
        """Return the asset of a v2 name. Raises KeyError."""
        for asset in self.assets:
            if asset.name == name:
                return asset
        raise KeyError(name)
