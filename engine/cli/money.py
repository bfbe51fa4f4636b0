"""The verbs about money: positions, balances, pnl, quality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Literal

from cyclopts import Parameter

from engine.accounts.quality import SignalQuality, Stages
from engine.cli.asking import Config, DataDir, Json, columns, directory_of, show_answer
from engine.cli.exits import Exit
from engine.control.money import QualityList
from engine.control.money_table import BALANCES, PNL, POSITIONS, QUALITY
from engine.runtime.balance_views import BalanceList
from engine.runtime.margin_views import MarginView
from engine.runtime.money_views import Pnl, PositionList, PositionView
from engine.runtime.summary import amount
from engine.values.time import NS, rfc3339

NOT_KNOWN = "?"
"""Nobody has said, and nothing is guessed."""


def positions(*, data_dir: DataDir = None, config: Config = None, as_json: Json = False) -> Exit:
    """Show what our fills have left in our hands, by strategy and by market, at average cost.

    Example: python -m engine positions --json
    """
    return show_answer(POSITIONS, {}, directory_of(data_dir, config), as_json=as_json, lines=_positions_lines)


def balances(*, data_dir: DataDir = None, config: Config = None, as_json: Json = False) -> Exit:
    """Show the venue's balances held against our books, with holds, reward wallets and what others moved.

    Example: python -m engine balances --json
    """
    return show_answer(BALANCES, {}, directory_of(data_dir, config), as_json=as_json, lines=_balances_lines)


def pnl(
    *,
    by: Annotated[Literal["strategy", "symbol", "day"] | None, Parameter(help="A row for each of these.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Show realised and unrealised profit with all fees, in each market's own currency.

    Example: python -m engine pnl --by day
    """
    return show_answer(PNL, {"by": by}, directory_of(data_dir, config), as_json=as_json, lines=_pnl_lines)


def quality(
    signal: Annotated[
        str | None, Parameter(help="signal_id, any unique beginning of it, or one of its orders.")
    ] = None,
    *,
    last: Annotated[int | None, Parameter(help="The last N signals, 1 to 1000; 20 when left out.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> Exit:
    """Show how signals were executed: slippage against the arrival price, fees, the time of each stage.

    Example: python -m engine quality 3f9c12ab
    """
    given = {"signal": signal, "last": last}
    return show_answer(QUALITY, given, directory_of(data_dir, config), as_json=as_json, lines=_quality_lines)


# --- in words ------------------------------------------------------------------------------------------------------


def _positions_lines(found: PositionList) -> Iterator[str]:
    if not found.positions:
        yield "nothing is held"
        return
    head = ("strategy", "symbol", "qty", "average", "cost", "mark", "unrealised", "realised", "fees")
    rows = [_position_cells(one, one.strategy_id) for one in found.positions]
    rows += [_position_cells(one, "all together") for one in found.totals]
    yield from columns(head, rows)
    yield from _lent_lines(found)


def _lent_lines(found: PositionList) -> Iterator[str]:
    """What is held on margin, how near its liquidation is, and the venue's own positions beside it."""
    for one in found.totals:
        if one.margin:
            near = "" if one.liquidation_px is None else f" ({amount(one.liquidation_pct or Decimal(0))} % away)"
            yield (
                f"on margin {one.symbol}: leverage {_known(one.leverage)}, "
                f"liquidation at {_known(one.liquidation_px)}{near}"
            )
    for there in found.at_venue:
        whose = f"opened by signal {there.signal_id[:8]}" if there.signal_id else "not ours"
        yield (
            f"at the venue: {there.side} {amount(there.qty)} {there.symbol} for {amount(there.cost)}, "
            f"margin {amount(there.margin)}, {whose} ({there.position_id})"
        )
    for symbol, qty in found.mismatch.items():
        yield f"MISMATCH on margin in {symbol}: the venue holds {amount(qty)} beyond our brackets"
    if found.venue_why:
        yield f"the venue's margin positions are not known: {found.venue_why}"


def _position_cells(one: PositionView, name: str) -> tuple[str, ...]:
    return (
        name,
        f"{one.symbol} on margin" if one.margin else one.symbol,
        amount(one.qty),
        amount(one.avg_px),
        f"{amount(one.cost)} {one.quote}",
        _known(one.mark_px),
        _known(one.unrealized),
        amount(one.realized),
        _fees(one.fees),
    )


def _balances_lines(found: BalanceList) -> Iterator[str]:
    said = {True: "they agree with our books", False: "MISMATCH with our books", None: "too early to say"}
    yield f"balances at {found.at}: {said[found.reconciled]}"
    head = ("asset", "total", "held", "at the start", "our fills", "others", "awaited", "unexplained")
    yield from columns(
        head,
        [
            (
                one.asset,
                amount(one.total),
                _known(one.hold),
                *(amount(qty) for qty in (one.start, one.booked, one.foreign, one.awaited, one.unexplained)),
            )
            for one in found.balances
        ],
    )
    if found.margin is not None:
        yield from _margin_lines(found.margin)
    if found.holds_why:
        yield f"holds are not known: {found.holds_why}"
    for wallet in found.wallets:
        yield f"in wallet {wallet.wallet}: {amount(wallet.total)} {wallet.asset}"
    for one in found.movements:
        where = "" if one.wallet == "spot" else f" in wallet {one.wallet}"
        yield f"not ours: {one.at} {one.kind} {amount(one.change)} {one.asset}{where} ({one.ref_id})"


def _margin_lines(margin: MarginView) -> Iterator[str]:
    level = "?" if margin.level is None else f"{amount(margin.level)} %"
    yield (
        f"trade balance at {margin.at or NOT_KNOWN} in {margin.currency}: equity {_known(margin.equity)}, margin used "
        f"{_known(margin.used)}, free {_known(margin.free)}, unrealised {_known(margin.unrealized)}, level {level}"
    )
    if margin.why:
        yield f"margin is not known: {margin.why}"


def _pnl_lines(found: Pnl) -> Iterator[str]:
    if not found.rows:
        yield "nothing has been traded"
        return
    by = found.by
    head = (*((by,) if by else ()), "currency", "realised", "unrealised", "fees", "fees apart", "worth", "fills")
    rows = [
        (
            *((one.name or "-",) if by else ()),
            one.quote,
            amount(one.realized),
            "-" if found.by == "day" else _known(one.unrealized),
            _fees(one.fees),
            _fees(one.apart) if one.apart else "none",
            _known(one.apart_worth) if one.apart else "-",
            str(one.fills),
        )
        for one in found.rows
    ]
    yield from columns(head, rows)
    for one in found.rows:
        if any(one.charges.values()):
            name = f"{one.name} " if one.name else ""
            yield f"of these fees margin took, for opening and keeping positions: {name}{_fees(one.charges)}"
    if found.charges_why:
        yield f"opening fees and rollovers may be missing: {found.charges_why}"


def _quality_lines(found: QualityList) -> Iterator[str]:
    if not found.signals:
        yield "no signal was accepted yet"
    for one in found.signals:
        yield from _signal_lines(one)


def _signal_lines(one: SignalQuality) -> Iterator[str]:
    outcome = one.outcome or "alive"
    yield f"signal {one.signal_id}: {one.side} {one.symbol} by {one.strategy_id}, {outcome}"
    margin = f", margin took {_fees(one.charges)} beside" if one.charges else ""
    yield (
        f"  arrival {_known(one.arrival_px)}, entry slippage {_known(one.slippage_bps)} bps, "
        f"pnl {amount(one.money.realized_pnl)}, fees {_fees(one.fees)}{margin}"
    )
    for order in one.orders:
        against = (
            "" if order.reference_px is None else f", {order.slippage_bps} bps against {amount(order.reference_px)}"
        )
        yield f"  {order.role} {order.cl_ord_id[:8]}: {amount(order.cum_qty)} at {amount(order.avg_px)}{against}"
    yield f"  signal at {rfc3339(one.stages.signal)}{_stages(one.stages)}"


def _stages(stages: Stages) -> str:
    names = [name for name in Stages.__struct_fields__ if name != "signal" and getattr(stages, name)]
    after = [f"{name.replace('_', ' ')} {(getattr(stages, name) - stages.signal) / NS:.3f} s" for name in names]
    return "".join(f", {one}" for one in after)


def _fees(fees: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{amount(qty)} {asset}" for asset, qty in fees.items() if qty) or "none"


def _known(value: Decimal | None) -> str:
    return NOT_KNOWN if value is None else amount(value)
