// The page of one order or one bracket: what it is, its messages, its states, and its story cause by cause.

import { ask } from "./connection.js";
import { byId, dress, make, show } from "./dom.js";
import { amount, clock, profit, short, words } from "./format.js";
import { machine } from "./machine.js";
import { sequence } from "./sequence.js";

const PAUSE_MS = 400; // a fill comes with several reports: they are one look

export class Detail {
  constructor(store, open) {
    this.store = store;
    this.open = open;
    this.place = byId("detail");
    this.shown = null; // {kind, id}
    this.known = ""; // what was last drawn, as text
    store.on("orders brackets", () => this.#changed());
  }

  /** Show one thing; null shows the desk. */
  async show(kind, id) {
    this.shown = kind ? { kind, id } : null;
    this.known = this.#now();
    show(this.place, Boolean(kind));
    show(byId("desk"), !kind);
    if (!kind) {
      document.title = "Kraken order engine";
      return;
    }
    this.place.replaceChildren(make("p", { class: "hint", text: "Reading the journal …" }));
    document.title = `${kind} ${short(id)}`;
    await this.#load(true);
  }

  /** What is shown here has moved: look again, once for a burst. */
  #changed() {
    const now = this.#now();
    if (!this.shown || now === this.known) return;
    this.known = now;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#load(false), PAUSE_MS);
  }

  #now() {
    if (!this.shown) return "";
    const { kind, id } = this.shown;
    return JSON.stringify(kind === "order" ? this.store.orders.get(id) : [this.store.brackets.get(id)?.state, this.#orders(id)]);
  }

  #orders(signalId) {
    return [...this.store.orders.values()].filter((row) => row.signal_id === signalId);
  }

  async #load(focus) {
    const { kind, id } = this.shown;
    try {
      const story = await ask("GET", `/api/why/${encodeURIComponent(id)}`);
      const order = kind === "order" ? (await ask("GET", `/api/orders/${encodeURIComponent(id)}`)).order : null;
      if (this.shown?.id !== id) return;
      await this.#fill(story, order);
      if (focus) this.place.querySelector("h1").focus();
    } catch (error) {
      if (this.shown?.id !== id) return;
      const text = error.message ?? String(error);
      this.place.replaceChildren(back(), make("h1", { tabindex: -1, text: `${kind} ${short(id)}` }), make("p", { class: "error", text }), make("p", { class: "hint", text: error.what_to_do ?? "" }));
    }
  }

  async #fill(story, order) {
    const scrolled = [document.scrollingElement, byId("main")].map((one) => [one, one.scrollTop]);
    const bracket = this.store.brackets.get(story.signal_id);
    const walk = order ? story.walks.find((one) => one.cl_ord_id === order.cl_ord_id)?.moves ?? [] : bracketWalk(story);
    const state = order ? order.state : walk.at(-1)?.[2] ?? bracket?.state ?? "entering";
    const title = order ? `${words(order.role)} ${order.side} ${amount(order.order_qty)} ${order.symbol}` : `Bracket ${short(story.signal_id)}`;
    const head = make("header", {}, back(), make("h1", { tabindex: -1, text: title }), make("span", { class: `pill big s-${state}`, text: words(state) }));
    const picture = await machine(order ? "order" : "bracket", walk, state).catch((error) => make("p", { class: "error", text: error.message }));
    this.place.replaceChildren(
      head,
      order ? this.#orderFacts(order) : this.#bracketFacts(story, bracket),
      make("div", { class: "pictures" }, panel("Messages", sequence(story, `${story.steps.length} steps between strategy, engine and exchange; the list below tells them in words.`)), panel("States", picture)),
      panel("Story", timeline(story)),
    );
    const states = this.place.querySelector(".machine")?.parentElement;
    if (states) states.scrollLeft = (states.scrollWidth - states.clientWidth) / 2; // where a phone shows a part of it
    for (const [one, top] of scrolled) one.scrollTop = top;
  }

  #orderFacts(order) {
    const fees = Object.entries(order.fees).map(([asset, qty]) => `${amount(qty)} ${asset}`).join(", ") || "none";
    return facts([
      ["Order", order.cl_ord_id],
      ["Venue's id", order.order_id ?? "none yet"],
      ["Bracket", make("a", { href: `#/bracket/${order.signal_id}`, text: order.signal_id })],
      ["Type", `${order.order_type} ${order.time_in_force}`],
      ["Limit", amount(order.limit_price)],
      ["Trigger", amount(order.trigger_price)],
      ["Filled", `${amount(order.cum_qty)} of ${amount(order.order_qty)}`],
      ["Average", order.avg_px === "0" ? "–" : amount(order.avg_px)],
      ["Fees", fees],
      ["Reason", order.reason || "–"],
    ]);
  }

  #bracketFacts(story, bracket) {
    const orders = make("span", { class: "links" });
    for (const walk of story.walks) orders.append(make("a", { href: `#/order/${walk.cl_ord_id}`, text: `${walk.role} ${short(walk.cl_ord_id)}` }), make("span", { class: `pill s-${walk.state}`, text: words(walk.state) }));
    const rows = [["Bracket", story.signal_id], ["Orders", orders]];
    if (bracket) {
      rows.splice(1, 0,
        ["Strategy", bracket.strategy_id],
        ["Signal", `${bracket.side} ${amount(bracket.order_qty)} ${bracket.symbol}`],
        ["Stop", amount(bracket.stop_price)],
        ["Target", amount(bracket.target_price)],
        ["Held", amount(bracket.held)],
        ["Without a stop", amount(bracket.uncovered)],
        ["Bare so far", `${amount(bracket.uncovered_qty_s)} × s`],
        ["Realised", profit(bracket.realized)],
        ["Outcome", words(bracket.outcome) || "still open"]);
    }
    return facts(rows);
  }
}

const back = () => make("a", { class: "back", href: "#/", text: "← Desk" });

const panel = (title, ...children) => make("section", { class: "panel" }, make("header", {}, make("h2", { text: title })), make("div", { class: "panel-body" }, ...children));

function facts(rows) {
  const list = make("dl", { class: "facts" });
  for (const [name, value] of rows) {
    const told = make("dd");
    told.append(value);
    list.append(make("div", {}, make("dt", { text: name }), told));
  }
  return list;
}

/** The way a bracket took, from its rows. */
function bracketWalk(story) {
  return story.steps.filter((step) => step.kind === "bracket" && step.body.move).map(({ body }) => [body.from_state, body.move, body.to_state]);
}

function timeline(story) {
  const body = make("tbody");
  for (const step of story.steps) {
    const who = step.cl_ord_id ? make("a", { href: `#/order/${step.cl_ord_id}`, text: `${step.role} ${short(step.cl_ord_id)}` }) : "";
    const cause = step.cause ? make("a", { href: "#", "data-row": step.cause, text: `because of ${step.cause}` }) : "";
    const row = make("tr", { id: `row-${step.row}` }, cell(String(step.row), "right"), cell(clock(Date.parse(step.at)), "time"), cell(`+${step.after_s.toFixed(3)} s`, "right"), make("td", {}, make("span", { class: `kind k-${step.kind}`, text: step.kind })), make("td", {}, who), make("td", { class: "words", text: step.text }), make("td", {}, cause));
    if (step.alarm) {
      dress(row, "alarming");
      row.children[5].append(make("strong", { class: "bad", text: ` ${words(step.alarm)}` }));
    }
    body.append(row);
  }
  body.addEventListener("click", (event) => {
    const row = event.target.dataset?.row;
    if (!row) return;
    event.preventDefault();
    const cause = document.getElementById(`row-${row}`);
    if (!cause) return;
    cause.scrollIntoView({ block: "center" });
    cause.classList.add("struck");
    setTimeout(() => cause.classList.remove("struck"), 1600);
  });
  const heads = ["Row", "Time", "After", "Kind", "Order", "What happened", "Cause"];
  return make("div", { class: "timeline" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col", text })))), body));
}

const cell = (text, name) => make("td", { class: name, text });
