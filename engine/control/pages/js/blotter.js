// Every order as a row: the living ones first, the newest on top.

import { byId, say, show } from "./dom.js";
import { age, amount, share, short, words } from "./format.js";
import { VirtualTable } from "./table.js";

/** What an order would trade at: its limit, the trigger of a stop, or the market. */
function price(row) {
  const parts = [];
  if (row.trigger_price) parts.push(`⚑ ${amount(row.trigger_price)}`);
  if (row.limit_price) parts.push(amount(row.limit_price));
  return parts.join(" → ") || "market";
}

function columns(store) {
  return [
    { name: "id", label: "Order", cell: (r) => ({ text: short(r.cl_ord_id), href: `#/order/${r.cl_ord_id}`, title: `${r.cl_ord_id}\nvenue: ${r.order_id || "–"}` }) },
    { name: "symbol", label: "Market", cell: (r) => ({ text: r.symbol }) },
    { name: "role", label: "Role", cell: (r) => ({ text: r.role, kind: `role-${r.role}` }) },
    { name: "side", label: "Side", cell: (r) => ({ text: r.side, kind: r.side }) },
    { name: "type", label: "Type", cell: (r) => ({ text: r.order_type, title: `${r.order_type} ${r.time_in_force}` }) },
    { name: "state", label: "State", cell: (r) => ({ text: words(r.ended_as || r.state), state: r.doubt ? "unknown" : r.ended_as || r.state, title: r.reason }) },
    { name: "filled", label: "Filled", cell: (r) => ({ text: `${amount(r.cum_qty)} / ${amount(r.order_qty)}`, share: share(r.cum_qty, r.order_qty), kind: r.side }) },
    { name: "price", label: "Price", align: "right", cell: (r) => ({ text: price(r) }) },
    { name: "avg", label: "Avg px", align: "right", cell: (r) => ({ text: amount(r.avg_px) }) },
    { name: "age", label: "Age", align: "right", cell: (r) => ({ text: r.since_ms ? age(store.now() - r.since_ms) : "–" }) },
    { name: "why", label: "Why", cell: (r) => ({ text: r.reason || "story", href: `#/order/${r.cl_ord_id}`, title: r.reason || "its whole story" }) },
  ];
}

const newest = (a, b) => b.since_ms - a.since_ms || b.changed_ms - a.changed_ms || (a.cl_ord_id < b.cl_ord_id ? -1 : 1);
const order = (a, b) => a.ended - b.ended || newest(a, b);

const text = (row) =>
  [row.cl_ord_id, row.order_id, row.signal_id, row.strategy_id, row.symbol, row.side, row.role, row.state, row.ended_as, row.order_type].join(" ").toLowerCase();

export function openBlotter(store, open) {
  const place = byId("orders");
  const table = new VirtualTable(place, "Orders", columns(store), (row) => row.cl_ord_id, (row) => open(`#/order/${row.cl_ord_id}`));
  const filter = byId("filter");
  const scope = byId("orders-scope");

  function draw() {
    const wanted = filter.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const which = scope.querySelector("input:checked").value;
    const all = [...store.orders.values()];
    const shown = all
      .filter((row) => which === "all" || row.ended === (which === "ended"))
      .filter((row) => !wanted.length || wanted.every((word) => text(row).includes(word)))
      .sort(order);
    table.show(shown);
    const live = all.filter((row) => !row.ended).length;
    say(byId("orders-count"), `${live} live · ${all.length - live} ended`);
    const empty = byId("orders-empty");
    show(empty, shown.length === 0);
    show(place, shown.length > 0);
    if (!shown.length) tell(empty, all.length > 0, store.engine?.mode);
  }

  filter.addEventListener("input", draw);
  filter.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      filter.value = "";
      draw();
      filter.blur(); // an empty desk has no rows to go to
      place.focus();
    }
  });
  scope.addEventListener("change", draw);
  store.on("orders", draw);
  setInterval(() => table.refresh("age"), 1000);
  return table;
}

/** An empty desk says how to send a first signal; where it would cost money, without one that is ready to be sent. */
function tell(place, filtered, mode) {
  if (filtered) {
    place.textContent = "No order matches. Esc in the filter shows all again.";
    return;
  }
  const template = mode === "live" ? "first-live" : "first-signal";
  if (place.dataset.told === template && place.firstElementChild) return;
  place.dataset.told = template;
  place.replaceChildren(byId(template).content.cloneNode(true));
}
