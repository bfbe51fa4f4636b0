// Links with their health, and how much of the venue's budgets is used.

import { byId, dress, keep, make, say, show } from "./dom.js";
import { age, latency, words } from "./format.js";

export function openHealth(store) {
  const heads = ["Link", "State", "Latency", "Msgs/s", "Up", "Lost", "Gaps"];
  const body = make("tbody");
  const row = make("tr", {}, ...heads.map((text, index) => make("th", { scope: "col", class: index > 1 ? "right" : "", text })));
  byId("links").append(make("table", {}, make("thead", {}, row), body));
  store.on("health", () => {
    links(body, store.health);
    budgets(store.health);
    const { breaker } = store.health;
    dress(byId("breaker"), `count ${breaker.state === "closed" ? "" : "bad"}`);
    say(byId("breaker"), breaker.state === "closed" ? "breaker closed" : `breaker ${words(breaker.state)}: ${breaker.why}`);
  });
}

function links(body, health) {
  const create = () =>
    make("tr", {}, make("th", { scope: "row" }), make("td", {}, make("span", { class: "pill" })), ...[1, 2, 3, 4, 5].map(() => make("td", { class: "right" })));
  const streams = health.links.map((one) => ({
    name: one.name,
    state: one.state,
    title: `${one.why || one.state}, for ${age(one.state_for_s * 1000)}`,
    texts: [latency(one.latency_s), one.rate_in.toFixed(1), `${(one.uptime_share * 100).toFixed(1)} %`, String(one.disconnects), one.gaps.length ? `${one.gaps.length} open` : String(one.gaps_total)],
  }));
  const books = health.markets.map((one) => ({
    name: one.symbol,
    state: one.usable ? "healthy" : "unhealthy",
    title: one.fault || `market ${one.status}, last update ${one.update_age_s ?? "–"} s ago`,
    texts: [latency(one.latency_s), "", "", one.resyncs ? `${one.resyncs}×` : "0", one.fault || "0"],
  }));
  keep(body, [...streams, ...books], create, (row, one) => {
    say(row.children[0], one.name);
    const pill = row.children[1].firstElementChild;
    say(pill, words(one.state));
    dress(pill, `pill l-${one.state}`);
    if (pill.title !== one.title) pill.title = one.title;
    one.texts.forEach((text, index) => say(row.children[index + 2], text));
  });
}

/** A budget is a meter: how full, in words, and how bad. */
function budgets(health) {
  const pairs = health.counters.map((one) => [
    one.symbol,
    { name: "rate", value: one.level, most: one.threshold, text: `${one.level.toFixed(0)} / ${one.threshold}`, unit: "points" },
    { name: "orders", value: one.open_orders, most: one.most_open_orders, text: `${one.open_orders} / ${one.most_open_orders}`, unit: `orders${one.waiting ? `, ${one.waiting} waiting` : ""}` },
  ]);
  const many = pairs.length > 0;
  show(byId("budgets"), many);
  show(byId("budgets-empty"), !many);
  if (!many) say(byId("budgets-empty"), "Budgets are counted from the first request on a market.");
  keep(byId("budgets"), pairs, () => make("div", { class: "budget" }, make("span"), meter(), meter()), (row, [symbol, ...meters]) => {
    say(row.children[0], symbol);
    meters.forEach((one, index) => fill(row.children[index + 1], symbol, one));
  });
}

function fill(box, symbol, one) {
  const [name, bar, text] = box.children;
  const full = one.most ? Math.min(1, one.value / one.most) : 0;
  say(name, one.name);
  say(text, one.text);
  dress(bar, `bar ${full > 0.9 ? "bad" : full > 0.7 ? "warn" : ""}`);
  bar.firstElementChild.style.width = `${(full * 100).toFixed(1)}%`;
  bar.setAttribute("aria-valuenow", (full * 100).toFixed(0));
  bar.setAttribute("aria-label", `${symbol} ${one.name}: ${one.text} ${one.unit}`);
}

const meter = () =>
  make("div", { class: "meter" }, make("span"), make("b", { class: "bar", role: "meter", "aria-valuemin": 0, "aria-valuemax": 100 }, make("i")), make("span", { class: "right" }));
