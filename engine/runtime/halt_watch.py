"""Looks once a second for reasons to halt: a file, the user's hook, a link that stays away, losses at their limits."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
import trio

from engine.risk.limits import Limits
from engine.runtime.account_desk import AccountDesk
from engine.runtime.position_books import PositionBooks
from engine.runtime.trading_desk import TradingDesk

log = structlog.get_logger()

HALT_FILE: Final = "halt"
"""The file's name in the data directory. It works when nothing else does: ``touch halt`` is enough."""
LOOK_EVERY_S: Final = 1.0
REASON_CHARS: Final = 500

HaltCheck = Callable[[], str | None]
"""The user's hook: returns why trading must halt, or None. It runs on the engine's loop, so it must not wait."""


class HaltFile:
    """A file whose presence halts; its first line is the reason. None: there is no directory to look into."""

    def __init__(self, directory: Path | None) -> None:
        self._path = directory / HALT_FILE if directory is not None else None

    @property
    def path(self) -> Path | None:
        """Where it would lie."""
        return self._path

    def read(self) -> str | None:
        """Return the reason, None when no such file lies there. What cannot be read halts all the same."""
        if self._path is None:
            return None
        try:
            if not stat.S_ISREG(self._path.lstat().st_mode):
                return "a halt file that is no plain file"  # a link to nowhere, a pipe that would be waited for
            with self._path.open("rb") as file:
                first = file.readline(4 * REASON_CHARS).decode("utf-8", "replace").strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"a halt file that cannot be read: {error.strerror}"
        shown = "".join(c if c.isprintable() else "?" for c in first[:REASON_CHARS])
        return shown or "a halt file without a reason"


class HaltWatch:
    """Runs the checks. ``link_loss_s`` is how long a stream may be away before that halts; None: for ever.

    ``away`` names the streams that are not complete up to now.
    """

    def __init__(
        self,
        trading: TradingDesk,
        accounts: AccountDesk,
        books: PositionBooks,
        away: Callable[[], frozenset[str]],
        file: HaltFile,
        check: HaltCheck | None,
        link_loss_s: float | None,
    ) -> None:
        self._trading, self._accounts, self._books, self._away = trading, accounts, books, away
        self._file, self._check, self._link_loss_s = file, check, link_loss_s
        self._lost_s: dict[str, float] = {}  # stream -> since when it was seen away

    def hold_to(self, limits: Limits) -> None:
        """Take other limits."""
        self._link_loss_s = limits.link_loss_halt_s
        self._books.wanted = limits.judges_losses

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await trio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Look at everything once."""
        reason = self._file.read()
        if reason is not None:
            self._trading.halt("HALT_FILE", reason)
        self._ask()
        self._look_at_link()
        self._books.look()
        for breach in self._accounts.breaches():
            self._trading.halt(breach.code, breach.reason, breach.strategy_id)

    def obstacle(self, strategy_id: str) -> tuple[str, str] | None:
        """Return code and words of what would halt this scope again at once; resuming is refused while it stands."""
        reason = self._file.read()
        if reason is not None:
            return "HALT_FILE", f"the halt file {self._file.path} still lies there: {reason}"
        if lost := self._link_lost():
            return "LINK_LOST", f"still away: {', '.join(sorted(lost))} stream"
        wish = self._asked()
        if wish is not None:
            return wish
        for breach in self._accounts.breaches():
            if breach.strategy_id in ("", strategy_id) and breach.code != "DRAWDOWN":
                return breach.code, breach.reason
        return None

    def _ask(self) -> None:
        wish = self._asked()
        if wish is not None:
            self._trading.halt(*wish)

    def _asked(self) -> tuple[str, str] | None:
        """Call the hook. An exception in it halts: whoever wrote it wanted to be asked."""
        if self._check is None:
            return None
        try:
            reason: object = self._check()
        except Exception as error:
            log.exception("halt_check.failed")
            return "HALT_CHECK_FAILED", f"halt_check raised {type(error).__name__}: {error}"
        if reason is None or (isinstance(reason, str) and not reason):
            return None
        if not isinstance(reason, str):
            return "HALT_CHECK_FAILED", f"halt_check returned {type(reason).__name__}, not a reason or None"
        return "HALT_CHECK", reason[:REASON_CHARS]

    def _look_at_link(self) -> None:
        lost = self._link_lost()
        if lost:
            said = ", ".join(f"{name} stream away for {away_s:.0f} s" for name, away_s in sorted(lost.items()))
            self._trading.halt("LINK_LOST", said)

    def _link_lost(self) -> dict[str, float]:
        """Return the streams that have been away past the bound, and for how many seconds."""
        now_s, away = trio.current_time(), self._away()
        self._lost_s = {name: self._lost_s.get(name, now_s) for name in away}
        if self._link_loss_s is None:
            return {}
        since = {name: now_s - since_s for name, since_s in self._lost_s.items()}
        return {name: away_s for name, away_s in since.items() if away_s >= self._link_loss_s}
