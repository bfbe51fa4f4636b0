"""What the checks see: the candidate, and everything that stands or may still come, at one moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from engine.market.book import Book
from engine.orders.brackets import Bracket
from engine.orders.signal import Signal
from engine.risk.in_flight import NOTHING, Flow, InFlight, awaited, commitment_of
from engine.risk.limits import Limits
from engine.risk.situation import Candidate, MarginStanding, Situation, Standing
from engine.runtime.account_desk import AccountDesk
from engine.runtime.margin_desk import MarginDesk
from engine.seams.clock import Clock
from engine.values.instrument import Instrument
from engine.values.money import ZERO, Side, other_side
from engine.values.time import NS
from engine.venue.protocol import Balance, VenueLink


class Situations:
    """Keeps what is in flight, by bracket, and the rate of sends; makes of it what a check may know."""

    def __init__(
        self,
        limits: Limits,
        link: VenueLink,
        clock: Clock,
        accounts: AccountDesk,
        balances: Mapping[str, Balance],
        margin: MarginDesk,
    ) -> None:
        self._margin = margin
        self._limits, self._link, self._clock, self._accounts = limits, link, clock, accounts
        self._balances = balances
        self.in_flight = InFlight()
        self.brackets: dict[str, Bracket] = {}
        self._born_ns: dict[str, int] = {}
        self._sent: deque[tuple[int, str]] = deque(maxlen=limits.orders_per_second)
        self._unsent: set[str] = set()  # signals whose entry is decided and has not left

    # --- what it is told --------------------------------------------------------------------------------------------

    def hold_to(self, limits: Limits) -> None:
        """Take other limits."""
        self._limits, self._sent = limits, deque(self._sent, maxlen=limits.orders_per_second)

    def open(self, bracket: Bracket, born_ns: int) -> None:
        """Count a bracket from the tick on in which it is accepted or resumed."""
        signal_id = bracket.signal.signal_id
        self.brackets[signal_id], self._born_ns[signal_id] = bracket, _born(bracket.signal, born_ns)
        self.moved(bracket)

    def moved(self, bracket: Bracket) -> None:
        """Look again at what a bracket may still bring: it has learned or decided something."""
        if bracket.signal.signal_id in self.brackets:
            self.in_flight.put(bracket.signal.signal_id, commitment_of(bracket, self._facing(bracket)))
            (self._unsent.add if _is_unsent(bracket) else self._unsent.discard)(bracket.signal.signal_id)

    def close(self, bracket: Bracket) -> None:
        """Forget a bracket that has ended; its fills stay in the books."""
        signal_id = bracket.signal.signal_id
        self.brackets.pop(signal_id, None)
        self._born_ns.pop(signal_id, None)
        self.in_flight.drop(signal_id)
        self._unsent.discard(signal_id)

    def sent(self, signal_id: str) -> None:
        """Count an entry that is being sent."""
        if self._limits.orders_per_second is not None:
            self._sent.append((self._clock.now_ns(), signal_id))

    # --- what it is asked -------------------------------------------------------------------------------------------

    def born_ns(self, signal: Signal) -> int:
        """Return when a signal was decided, or came."""
        return self._born_ns.get(signal.signal_id, _born(signal, self._clock.now_ns()))

    def candidate(self, signal: Signal, instrument: Instrument, book: Book) -> Candidate:
        """Return the entry that a signal asks for, valued at what it would trade at."""
        return candidate_of(signal, instrument, book, self.born_ns(signal))

    def of(self, order: Candidate, signal: Signal, instrument: Instrument, book: Book) -> Situation:
        """Return all that stands beside a candidate now; its own bracket is not counted twice."""
        now_ns, strategy_id = self._clock.now_ns(), signal.strategy_id
        accounts, rate = self._accounts, self._limits.rate(instrument)
        accounts.ledger.turn(now_ns)
        accounts.look(self.in_flight.symbols())
        mine = self.counted(signal.signal_id)
        aside = self._aside(order, signal.signal_id, mine[0])
        all_losses, own_losses = accounts.losses(), accounts.losses(strategy_id)
        return Situation(
            now_ns=now_ns,
            instrument=instrument,
            book=book,
            rate=rate,
            standings=self._standings(order, None, aside, rate),
            own=self._standings(order, strategy_id, aside, rate),
            orders=self.in_flight.orders() - mine[2],
            own_orders=self.in_flight.orders(strategy_id) - mine[2],
            sent_lately=self._sent_lately(now_ns, signal.signal_id),
            realized_loss=all_losses.realized,
            loss=all_losses.total,
            own_realized_loss=own_losses.realized,
            own_loss=own_losses.total,
            drawdown=accounts.drawdown(),
            free=self._free(instrument, order.side, mine),
            margin=self._margin_standing(order, instrument, mine[1]) if order.margin else None,
        )

    def counted(self, signal_id: str) -> tuple[Decimal, Decimal, int]:
        """Return what one entry of this bracket is already counted with: quantity, cost, orders. Zero when it is not.

        What its other attempts may still bring stays in the sums.
        """
        known, bracket = self.in_flight.without(signal_id), self.brackets.get(signal_id)
        if known is None or bracket is None or not known.qty:
            return ZERO, ZERO, 0
        qty = min(known.qty, bracket.instrument.lots(bracket.signal.order_qty))
        cost = known.cost if qty == known.qty else known.cost * qty / known.qty
        return qty, cost, min(1, known.orders)

    def _aside(self, order: Candidate, signal_id: str, qty: Decimal) -> Flow:
        """Return what a candidate is counted with: an entry with ``qty``, an exit with what its bracket holds."""
        if not order.reduces:
            return Flow(buying=qty) if order.side == "buy" else Flow(selling=qty)
        known = self.in_flight.without(signal_id)
        return NOTHING if known is None else Flow(ZERO, ZERO, known.flow.buying_back, known.flow.selling_out)

    def _standings(
        self, order: Candidate, strategy_id: str | None, aside: Flow, rate: Decimal | None
    ) -> dict[str, Standing]:
        held = (
            one.symbol for one in self._accounts.ledger.positions.values() if strategy_id in (None, one.strategy_id)
        )
        found = {}
        for symbol in {order.symbol: None} | dict.fromkeys(held) | dict.fromkeys(self.in_flight.symbols(strategy_id)):
            one = self.standing(symbol, self._accounts.values.get(symbol), strategy_id)
            if symbol == order.symbol:
                kind, flow = ("lent_flow", one.lent_flow) if order.margin else ("flow", one.flow)
                value = max(one.value or ZERO, order.price * rate) if rate is not None else None
                one = msgspec.structs.replace(one, value=value, **{kind: flow.less(aside)})
            found[symbol] = one
        return found

    def standing(self, symbol: str, value: Decimal | None, strategy_id: str | None = None) -> Standing:
        """Return what is held in a market and may still come, in coins and on margin."""
        ledger, flying = self._accounts.ledger, self.in_flight
        return Standing(
            ledger.qty(symbol, strategy_id),
            flying.flow(symbol, strategy_id),
            value,
            ledger.qty(symbol, strategy_id, margin=True),
            flying.flow(symbol, strategy_id, margin=True),
        )

    def _margin_standing(self, order: Candidate, instrument: Instrument, mine: Decimal) -> MarginStanding | None:
        """Return what the account can bear beside what other entries of ours may still bind; None: not known."""
        known = self._margin.known
        if known is None:
            return None
        coming = sum((units * self._rate(quote) for quote, units in self.in_flight.margin().items()), ZERO)
        return MarginStanding(
            equity=known.equity,
            used=known.used,
            free=known.free,
            coming=coming - mine * self._rate(instrument.quote) / (order.leverage or 1),
            opposed=self._margin.opposed(order.symbol, order.side),
            mismatch=self._margin.missing(order.symbol),
        )

    def _rate(self, quote: str) -> Decimal:
        return self._accounts.rates.get(quote, ZERO)

    def _free(self, instrument: Instrument, side: Side, mine: tuple[Decimal, Decimal, int]) -> Decimal | None:
        """Return what no order of ours may take of the asset an entry pays with."""
        asset = instrument.quote if side == "buy" else instrument.base
        balance = self._balances.get(asset)
        if balance is None:
            return ZERO if self._balances else None  # the venue tells every asset there is
        bound = self.in_flight.bound(asset) - (mine[1] if side == "buy" else mine[0])
        return balance.total - max(bound, balance.hold or ZERO)

    def _sent_lately(self, now_ns: int, signal_id: str) -> int:
        """Count entries sent within the last second, and those accepted and not yet sent."""
        if self._limits.orders_per_second is None:
            return 0
        sent = [name for at, name in self._sent if now_ns - at < NS]
        return len(sent) + len(self._unsent) - len(self._unsent.intersection((signal_id, *sent)))

    def _facing(self, bracket: Bracket) -> Decimal:
        """Return the price that an entry without a limit would take, zero when nobody knows it."""
        book = self._link.book(bracket.instrument.symbol)
        return (book.best(other_side(bracket.signal.side)) if book is not None else None) or ZERO


def candidate_of(signal: Signal, instrument: Instrument, book: Book, born_ns: int) -> Candidate:
    """Return the entry that a signal asks for, valued at what it would trade at."""
    facing = book.best(other_side(signal.side)) or ZERO
    price = signal.limit_price or signal.trigger_price or facing
    if signal.side == "sell":
        price = max(price, facing)  # it trades at the bid, or higher
    return Candidate(
        symbol=instrument.symbol,
        strategy_id=signal.strategy_id,
        side=signal.side,
        qty=instrument.lots(signal.order_qty),
        price=price,
        limit_price=signal.limit_price,
        born_ns=born_ns,
        leverage=signal.leverage,
    )


def _born(signal: Signal, came_ns: int) -> int:
    """Return when it was decided; a clock that runs ahead of ours makes no signal younger than its arrival."""
    return came_ns if signal.created_ns is None else min(signal.created_ns, came_ns)


def _is_unsent(bracket: Bracket) -> bool:
    entries = [one for one in bracket.orders.values() if one.role == "entry"]
    return awaited(bracket, entries) or any(one.state == "new" for one in entries)
