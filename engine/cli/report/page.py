"""A day as one HTML page that needs nothing but itself: no script, light or dark, fit to print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from html import escape

from engine.cli.report.day import Day, Latency
from engine.cli.report.svg import bar_chart, line_chart, strip_chart
from engine.values.money import trimmed
from engine.values.time import NS, rfc3339

ROWS_MOST = 500
"""Rows of one table; the journal has the rest."""
BARS_MOST = 120
STYLE = """
:root{color-scheme:light dark;--ink:#1d2430;--soft:#5b6676;--paper:#fff;--card:#f5f7fa;--line:#d9dfe7;--blue:#2457c5;
--bad:#b3261e;--good:#1b7f4b}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa6b6;--paper:#12161c;--card:#1b212a;--line:#2f3946;
--blue:#7aa2ff;--bad:#ff8a80;--good:#6ddba0}}
*{box-sizing:border-box}body{margin:0 auto;max-width:1080px;padding:24px 16px;background:var(--paper);color:var(--ink);
font:15px/1.45 system-ui,sans-serif}h1{font-size:22px;margin:0 0 4px}h2{font-size:16px;margin:28px 0 8px}
p{color:var(--soft);margin:4px 0}.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;
margin-top:16px}.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 12px}
.card b{display:block;font-size:20px;font-variant-numeric:tabular-nums}.card span{color:var(--soft);font-size:13px}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:4px 10px 4px 0;border-bottom:1px solid var(--line);white-space:nowrap;vertical-align:top}
td.text{white-space:normal;min-width:220px}th{color:var(--soft);font-weight:600}td.num,th.num{text-align:right}
.bad{color:var(--bad)}.good{color:var(--good)}svg{width:100%;height:auto;background:var(--card);
border:1px solid var(--line);border-radius:8px}.grid{stroke:var(--line)}.axis{stroke:var(--soft)}
.label{fill:var(--soft);font:11px system-ui,sans-serif}.line{fill:none;stroke:var(--blue);stroke-width:2}
.worse{fill:var(--bad)}.better{fill:var(--good)}.dot{fill:var(--blue);fill-opacity:.5}
@media print{:root{--ink:#000;--soft:#444;--paper:#fff;--card:#fff;--line:#bbb;--blue:#1a3f8f;--bad:#900;--good:#063}
body{max-width:none;padding:0}.wide{overflow:visible}h2{break-after:avoid}tr,svg,.card{break-inside:avoid}}
"""


def page(day: Day, whose: str, proof: str, made_ns: int) -> str:
    """Return the page. ``whose`` names the account, ``proof`` says what the journal's chain proves."""
    parts = [
        f"<h1>{escape(day.name)}</h1>",
        f"<p>{escape(whose)}. All times UTC. Made {rfc3339(made_ns, 0)}. {escape(proof)}</p>",
        _cards(day),
        *_profit(day),
        *_slippage(day),
        *_latency(day),
        *_incidents(day),
        *_unknowns(day),
        *_signals(day),
        *_fills(day),
        *_denials(day),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(day.name)}</title>'
    policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    top = f'<!doctype html><html lang="en"><head>{head}{policy}<style>{STYLE}</style></head>'
    return f"{top}<body>{''.join(parts)}</body></html>\n"


def _cards(day: Day) -> str:
    last = {point.quote: point.profit for point in day.profit}
    fees = ", ".join(f"{_short(fee)} {asset}" for asset, fee in day.fees.items()) or "none"
    profit = ", ".join(f"{value:+.2f} {quote}" for quote, value in last.items()) or "nothing closed"
    halts = sum(one.kind in ("halt", "reduce") for one in day.incidents)
    alarms = sum(one.kind == "alarm" for one in day.incidents)
    outcomes = ", ".join(f"{count} {name}" for name, count in sorted(day.outcomes.items()))
    told = (
        ("profit after fees", profit),
        ("fees", fees),
        ("signals", f"{len(day.signals) + day.left_out}"),
        ("how they ended", outcomes or "-"),
        ("fills", f"{len(day.fills)}"),
        ("denied", f"{len(day.denials)}"),
        ("alarms", f"{alarms}"),
        ("unknown outcomes", f"{len(day.unknowns)}"),
        ("halts", f"{halts}"),
    )
    cards = "".join(f"<div class=card><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in told)
    return f"<div class=cards>{cards}</div>"


def _profit(day: Day) -> Iterator[str]:
    for quote in dict.fromkeys(point.quote for point in day.profit):
        points = [(_hour(point.ts_ns), float(point.profit)) for point in day.profit if point.quote == quote]
        span = _span([hour for hour, _ in points])
        yield f"<h2>Realised profit after fees, {escape(quote)}</h2>"
        yield line_chart(points, quote, span, f"Realised profit in {quote} over the day")


def _slippage(day: Day) -> Iterator[str]:
    found = [one for one in day.signals if one.slippage_bps is not None][-BARS_MOST:]
    bars = [(f"{one.signal_id[:8]} {one.symbol}", float(one.slippage_bps or 0)) for one in found]
    if bars:
        yield "<h2>Slippage of entries against the arrival price</h2><p>Above zero is worse than the middle of the book"
        yield " when the signal was judged.</p>"
        yield bar_chart(bars, "bps", "Slippage of each entry in basis points")


def _latency(day: Day) -> Iterator[str]:
    if not day.latencies:
        return
    yield "<h2>Latency by stage</h2>"
    yield strip_chart([(one.name, one.ms[-ROWS_MOST:]) for one in day.latencies], "ms", "Latency of each stage")
    rows = [(one.name, str(len(one.ms)), *_quantiles(one)) for one in day.latencies]
    yield _table(("stage", "signals", "p50 ms", "p90 ms", "p99 ms", "longest ms"), rows, numbers=range(1, 6))


def _quantiles(one: Latency) -> tuple[str, ...]:
    return tuple(f"{one.quantile(share):.2f}" for share in (0.5, 0.9, 0.99, 1.0))


def _incidents(day: Day) -> Iterator[str]:
    yield "<h2>Alarms and halts</h2>"
    rows = [(_clock(one.ts_ns), one.kind, one.code, _name(one.subject), one.text) for one in day.incidents]
    yield _table(("time", "what", "code", "of", "text"), rows, text=4) if rows else "<p>None.</p>"


def _unknowns(day: Day) -> Iterator[str]:
    yield "<h2>Orders whose outcome was unknown</h2>"
    rows = [
        (
            _clock(one.since_ns),
            f"{(one.until_ns - one.since_ns) / NS:.1f} s" if one.until_ns else "still",
            one.role,
            one.symbol,
            one.cl_ord_id[:8],
            one.became,
            one.reason,
        )
        for one in day.unknowns
    ]
    head = ("since", "for", "role", "market", "order", "became", "why")
    yield _table(head, rows, text=6) if rows else "<p>None.</p>"


def _signals(day: Day) -> Iterator[str]:
    yield "<h2>Signals</h2>"
    rows = [
        (
            _clock(one.stages.signal),
            one.signal_id[:8],
            one.strategy_id,
            one.symbol,
            one.side,
            one.outcome or "living",
            "-" if one.slippage_bps is None else f"{one.slippage_bps}",
            f"{one.money.realized_pnl:.2f}",
            ", ".join(f"{_short(fee)} {asset}" for asset, fee in one.fees.items()),
        )
        for one in day.signals
    ]
    head = ("time", "signal", "strategy", "market", "side", "outcome", "slippage bps", "profit", "fees")
    yield _table(head, rows, numbers=(6, 7)) if rows else "<p>None.</p>"
    if day.left_out:
        yield f"<p>{day.left_out} more are in the journal.</p>"


def _fills(day: Day) -> Iterator[str]:
    yield "<h2>Fills</h2>"
    rows = [
        (
            *(_clock(one.ts_ns), one.symbol, one.role, one.side, _short(one.last_qty), _short(one.last_px)),
            *(one.liquidity_ind or "", one.cl_ord_id[:8]),
        )
        for one in day.fills
    ]
    head = ("time", "market", "role", "side", "quantity", "price", "maker or taker", "order")
    yield _table(head, rows, numbers=(4, 5)) if rows else "<p>None.</p>"


def _denials(day: Day) -> Iterator[str]:
    if day.denials:
        rows = [(_clock(one.ts_ns), one.signal_id[:8], one.symbol, one.code, one.reason) for one in day.denials]
        yield "<h2>Signals that were denied</h2>" + _table(("time", "signal", "market", "code", "why"), rows, text=4)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Iterable[int] = (), text: int = -1) -> str:
    right = set(numbers)
    kinds = ["num" if at in right else "text" if at == text else "" for at in range(len(head))]
    top = "".join(f'<th class="{kind}">{escape(name)}</th>' for kind, name in zip(kinds, head, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{kind}">{escape(cell)}</td>' for kind, cell in zip(kinds, row, strict=True))
        + "</tr>"
        for row in rows[:ROWS_MOST]
    )
    more = f"<p>{len(rows) - ROWS_MOST} more rows are in the journal.</p>" if len(rows) > ROWS_MOST else ""
    return f"<div class=wide><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>{more}"


def _name(subject: str) -> str:
    return subject[:8] if len(subject) > 20 else subject


def _hour(ts_ns: int) -> float:
    return ts_ns / NS % 86_400 / 3600


def _span(hours: list[float]) -> tuple[float, float]:
    """Return the hours to draw: all of the day, or, where everything lies close together, a little around it."""
    low, high = min(hours), max(hours)
    if high - low > 1:
        return 0.0, 24.0
    return max(0.0, low - 0.1), min(24.0, high + 0.1)


def _clock(ts_ns: int) -> str:
    return rfc3339(ts_ns, 3)[11:23] if ts_ns else "-"


def _short(value: Decimal | None) -> str:
    return "" if value is None else trimmed(round(value, 8))
