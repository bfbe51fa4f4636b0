"""Why all of a bracket is to be traded away and how fast; and when it lets go, because nothing is there to trade."""

from __future__ import annotations

from engine.orders.brackets import Bracket
from engine.orders.slices import CloseWish, slice_terms
from engine.runtime.services import Services
from engine.values.money import ZERO, Qty, other_side
from engine.values.time import NS

COINS_LOOK_NS = NS
"""How often a bracket whose exits lack funds looks at the balance."""
COINS_LAG_NS = 2 * NS
"""The stream's balance follows our fills by less; only then does it count against a refusal."""
SLICE_LOOK_NS = NS // 4
"""How often a close looks again at the book: no book message tells it that a slice fits now."""


class BracketClose:
    """What was asked of it by a person or a halt, and what account and market say to that."""

    def __init__(self, services: Services, bracket: Bracket) -> None:
        self._services, self._bracket = services, bracket
        self._why = ""  # why all of it is to go, once anybody asked
        self._wish: CloseWish | None = None

    def ask(self, why: str, wish: CloseWish | None) -> None:
        """Remember that all is to go. Asked twice, the more urgent wish counts: none at all before any."""
        if not self._why:
            self._wish = wish
        elif self._wish is not None:
            self._wish = None if wish is None else min(wish, self._wish, key=_until)
        self._why = self._why or why
        self._bracket.ask_again()

    def take_back(self) -> None:
        """Forget that anybody asked."""
        self._why, self._wish = "", None

    def judge_holding(self) -> None:
        """Let go when the venue refuses to trade what the account, by its balance, does not hold any more."""
        bracket, services = self._bracket, self._services
        since_ns, instrument = bracket.short_of_coins_ns(), bracket.instrument
        if bracket.signal.margin:
            self._judge_position(since_ns)
            return
        if since_ns is None or self._now() < since_ns + COINS_LAG_NS or not services.stream_up():
            return
        if not services.balances:
            return  # after a start nobody has told them yet: silence is no empty account
        asset, needed = instrument.base, bracket.exposure
        if bracket.signal.side == "sell":  # what was sold is bought back
            book = services.link.book(bracket.signal.symbol)
            best = book.best("sell") if book is not None and book.usable else None
            asset, needed = instrument.quote, needed * best if best is not None else ZERO
        balance = services.balances.get(asset)
        if needed and (balance is None or balance.total < needed):
            self.take_back()
            bracket.let_go()

    def _judge_position(self, refused_ns: int | None) -> None:
        """Let go when the venue has no margin position left to protect: a liquidation of ours would have been told."""
        bracket, services, refused = self._bracket, self._services, refused_ns is not None
        if refused_ns is not None:
            services.margin.hurry_past(refused_ns)
        held = bracket.exposure > 0 and not bracket.taken
        if held and services.stream_up() and services.margin.gone(bracket.instrument.symbol, refused=refused):
            self.take_back()
            bracket.let_go()

    def judge_close(self) -> None:
        """Latch what was asked, and say how much of it the market takes now."""
        bracket, services = self._bracket, self._services
        if self._why and not bracket.close_all:
            bracket.close(self._why)
        if not bracket.close_all:
            return
        instrument = services.link.instrument(bracket.signal.symbol) or bracket.instrument
        slices = sum(one.role == "close" for one in bracket.orders.values())
        book, held = services.link.book(bracket.signal.symbol), Qty(max(bracket.exposure, ZERO))
        side = other_side(bracket.signal.side)
        bracket.slice_terms = slice_terms(book, instrument, side, held, slices, self._wish, self._now())

    def moments(self) -> list[int]:
        """Return when account and book are looked at again, though nobody tells that they have changed."""
        found, bracket = list[int](), self._bracket
        if bracket.close_all and not bracket.ended:
            found.append(self._now() + SLICE_LOOK_NS)
        if bracket.short_of_coins_ns() is not None:
            found.append(self._now() + COINS_LOOK_NS)
        return found

    def _now(self) -> int:
        return self._services.clock.now_ns()


def _until(wish: CloseWish) -> int:
    return wish.until_ns
