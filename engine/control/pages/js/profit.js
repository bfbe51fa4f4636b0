// Profit as a curve, positions as a table, and the figures on top of the desk.

import { byId, dress, keep, make, say, show } from "./dom.js";
import { amount, clock, money, profit, tone } from "./format.js";

const { uPlot } = globalThis; // a plain script of its own, loaded before the modules

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function openProfit(store) {
  openFigures(store);
  openPositions(store);
  const curve = new Curve(store);
  store.on("points", () => curve.draw());
  store.on("money", () => curve.tell());
  return curve;
}

class Curve {
  constructor(store) {
    this.store = store;
    this.place = byId("curve");
    this.quote = byId("quote");
    this.plot = null;
    this.quote.addEventListener("change", () => this.rebuild());
    new ResizeObserver(() => this.#fit()).observe(this.place);
  }

  /** Draw anew in other colours, or in another currency. */
  rebuild() {
    this.plot?.destroy();
    this.plot = null;
    this.draw();
    this.tell();
  }

  draw() {
    this.#offer([...new Set(this.store.points.map((point) => point.quote))]);
    const points = this.store.points.filter((point) => point.quote === this.quote.value);
    show(byId("curve-empty"), points.length < 2);
    show(this.place, points.length >= 2);
    if (points.length < 2) {
      say(byId("curve-empty"), "The curve begins with the first fill.");
      return;
    }
    const total = points.map((p) => (p.unrealized === "" ? null : Number(p.realized) + Number(p.unrealized)));
    const data = [points.map((p) => p.at_ms / 1000), points.map((p) => Number(p.realized)), total];
    if (this.plot) this.plot.setData(data);
    else this.plot = new uPlot(this.#options(), data, this.place);
    this.#fit();
  }

  tell() {
    const row = this.store.money?.pnl.find((one) => one.quote === this.quote.value) ?? this.store.money?.pnl[0];
    const text = row ? `${profit(row.realized)} realised · ${profit(row.unrealized)} open · ${row.quote}` : "";
    say(byId("profit-now"), text);
    this.place.setAttribute("aria-label", text ? `Profit over time: ${text}` : "Profit over time");
  }

  #offer(quotes) {
    show(this.quote, quotes.length > 1);
    const known = [...this.quote.options].map((option) => option.value);
    if (known.join() === quotes.join()) return;
    const chosen = this.quote.value;
    this.quote.replaceChildren(...quotes.map((quote) => make("option", { value: quote, text: quote })));
    if (quotes.includes(chosen)) this.quote.value = chosen;
  }

  #options() {
    const axis = { stroke: style("--dim"), grid: { stroke: style("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    return {
      width: this.place.clientWidth || 300,
      height: this.place.clientHeight || 130,
      cursor: { y: false },
      legend: { show: false },
      padding: [8, 8, 0, 0],
      scales: { x: { time: true }, y: { range: (_, low, high) => spread(low, high) } },
      axes: [{ ...axis, space: 80, size: 24, values: (_, ticks) => ticks.map((tick) => clock(tick * 1000).slice(0, ticks.at(-1) - ticks[0] < 600 ? 8 : 5)) }, { ...axis, size: 56, space: 28 }],
      series: [
        {},
        { label: "Realised", stroke: style("--dim"), width: 1.5, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } },
        { label: "With open positions", stroke: style("--accent"), width: 2, fill: style("--accent-faint"), fillTo: (plot) => plot.scales.y.min, points: { show: false }, spanGaps: true },
      ],
    };
  }

  #fit() {
    const { clientWidth: width, clientHeight: height } = this.place;
    if (this.plot && width && height && (this.plot.width !== width || this.plot.height !== height)) this.plot.setSize({ width, height });
  }
}

/** A flat line lies in the middle, and the least of movements does not fill the picture. */
function spread(low, high) {
  const margin = Math.max(0.5, (high - low) * 0.1);
  return [low - margin, high + margin];
}

function openPositions(store) {
  const place = byId("positions");
  const heads = ["Position", "Qty", "Avg px", "Mark", "Open P&L"];
  const body = make("tbody");
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((text, i) => make("th", { scope: "col", class: i ? "right" : "", text })))), body);
  place.append(table);
  store.on("money", () => {
    const held = store.money.totals.filter((one) => Number(one.qty) !== 0);
    show(place, held.length > 0);
    show(byId("positions-empty"), !held.length);
    say(byId("positions-empty"), "Nothing is held.");
    const create = () => make("tr", {}, make("th", { scope: "row" }), ...heads.slice(1).map(() => make("td", { class: "right" })));
    keep(body, held, create, (row, one) => {
      const texts = [one.symbol, amount(one.qty), amount(Number(one.avg_px).toFixed(4)), amount(one.mark_px), profit(one.unrealized)];
      texts.forEach((text, index) => say(row.children[index], text));
      dress(row.children[4], `right ${tone(one.unrealized)}`);
    });
  });
}

/** The figures are found in the order in which a person at a desk asks for them. */
function openFigures(store) {
  const place = byId("figures");
  const create = () => make("div", {}, make("dt"), make("dd"));
  store.on("money health orders brackets", () => {
    if (!store.health) return;
    const { risk, uncovered_qty_s: gauges } = store.health;
    const orders = [...store.orders.values()];
    const brackets = [...store.brackets.values()];
    const bare = brackets.filter((row) => Number(row.uncovered) > 0);
    const unknown = orders.filter((row) => row.doubt).length;
    const sums = Object.entries(gauges).map(([asset, sum]) => `${Number(sum).toPrecision(2)} ${asset}·s`);
    const gauge = sums.length > 1 ? `${sums[0]} +${sums.length - 1}` : sums[0];
    const figures = [
      ["Realised today", profit(risk.realized_today), tone(risk.realized_today), `${risk.realized_today} ${risk.currency}`],
      ["Open profit", profit(risk.unrealized), tone(risk.unrealized), `${risk.unrealized} ${risk.currency}`],
      ["Exposure", money(risk.exposure), "", `${risk.exposure} ${risk.currency}, what is in flight included`],
      ["Live orders", String(orders.filter((row) => !row.ended).length), "", ""],
      ["Unknown", String(unknown), unknown ? "bad" : "", "orders of which nothing is proved yet"],
      ["Live brackets", String(brackets.filter((row) => !row.ended).length), "", ""],
      ["Bare now", bare.length ? bare.map((row) => `${amount(row.uncovered)} ${row.symbol.split("/")[0]}`).join(", ") : "none", bare.length ? "bad" : "good", "held quantity without a sure stop"],
      ["Bare so far", gauge || "0", sums.length > 1 ? "long" : "", `${sums.join(", ") || "0"}: quantity × seconds without a sure stop, since this engine started`],
    ];
    keep(place, figures, create, (box, [label, text, kind, title]) => {
      say(box.children[0], label);
      say(box.children[1], text);
      dress(box.children[1], kind);
      if (box.title !== title) box.title = title;
    });
  });
}
