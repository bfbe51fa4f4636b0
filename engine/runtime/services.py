"""What every scope of a running engine stands on."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.journal.journal import Journal
from engine.risk.breaker import Breaker
from engine.runtime.account_desk import AccountDesk
from engine.runtime.alarm_desk import AlarmDesk
from engine.runtime.alarm_outbox import Outbox
from engine.runtime.balance_desk import BalanceDesk
from engine.runtime.bus import Bus
from engine.runtime.charge_desk import ChargeDesk
from engine.runtime.entry_gate import EntryGate
from engine.runtime.fence import Fence
from engine.runtime.halt_watch import HaltWatch
from engine.runtime.leftovers import Leftovers
from engine.runtime.margin_desk import MarginDesk
from engine.runtime.market_data import MarketData
from engine.runtime.market_desk import MarketDesk
from engine.runtime.metrics import Metrics
from engine.runtime.money_bus import MoneyBus
from engine.runtime.money_desk import MoneyDesk
from engine.runtime.order_desk import OrderDesk
from engine.runtime.risk_desk import RiskDesk
from engine.runtime.sender import Sender
from engine.runtime.settings import EngineSettings
from engine.runtime.trading_desk import TradingDesk
from engine.seams.clock import Clock
from engine.values.ids import is_marked, new_cl_ord_id
from engine.venue.protocol import Balance, VenueLink


@dataclass
class Services:
    """Built once by open_engine and handed down. ``clock`` is steady: steps of the wall clock do not move it."""

    settings: EngineSettings
    journal: Journal
    clock: Clock
    bus: Bus
    desk: OrderDesk
    market: MarketDesk
    market_data: MarketData
    link: VenueLink
    stream_up: Callable[[], bool]
    """Whether the private stream is complete up to now: entries wait while it is not."""
    id_stream: random.Random
    pauses: random.Random
    mark_key: bytes
    former_mark_keys: tuple[bytes, ...]
    sender: Sender
    gate: EntryGate
    breaker: Breaker
    trading: TradingDesk
    accounts: AccountDesk
    risk: RiskDesk
    halt_watch: HaltWatch
    fence: Fence
    balance_desk: BalanceDesk
    charges: ChargeDesk
    leftovers: Leftovers
    """Signals that have ended and still hold something."""
    money: MoneyDesk
    margin: MarginDesk
    money_bus: MoneyBus
    alarms: AlarmDesk
    outboxes: tuple[Outbox, ...]
    metrics: Metrics
    balances: Mapping[str, Balance]
    """What the private stream last said of the spot wallets; positions never come from here."""

    def new_cl_ord_id(self) -> str:
        """Name a new attempt."""
        return new_cl_ord_id(self.id_stream, self.mark_key)

    def is_ours(self, cl_ord_id: str | None) -> bool:
        """Tell whether an order carries our mark, also one of before the key was changed."""
        return any(is_marked(cl_ord_id, key) for key in (self.mark_key, *self.former_mark_keys))
