// Every bracket with its cover: what is held, and how much of it has no sure stop.

import { byId, say, show, dress } from "./dom.js";
import { age, amount, profit, share, short, tone, words } from "./format.js";
import { VirtualTable } from "./table.js";

/** The bar shows the covered share of what is held; with nothing held there is nothing to cover. */
function cover(row) {
  const held = Number(row.held);
  if (!held) return { text: row.ended ? "–" : "none held", share: 0 };
  const bare = Number(row.uncovered);
  if (bare > 0) return { text: `${amount(row.uncovered)} bare`, share: 1 - share(bare, held), kind: "bare" };
  return { text: amount(row.held), share: 1, kind: "covered" };
}

function columns(store) {
  return [
    { name: "id", label: "Bracket", cell: (r) => ({ text: short(r.signal_id), href: `#/bracket/${r.signal_id}`, title: r.signal_id }) },
    { name: "symbol", label: "Market", cell: (r) => ({ text: r.symbol }) },
    { name: "strategy", label: "Strategy", cell: (r) => ({ text: r.strategy_id, title: r.strategy_id }) },
    { name: "side", label: "Side", cell: (r) => ({ text: r.side, kind: r.side }) },
    { name: "state", label: "State", cell: (r) => ({ text: words(r.outcome || r.state), state: r.ended ? `out-${r.outcome}` : r.state, title: r.reason }) },
    { name: "cover", label: "Cover", cell: cover },
    { name: "stop", label: "Stop", align: "right", cell: (r) => ({ text: amount(r.stop_price) }) },
    { name: "target", label: "Target", align: "right", cell: (r) => ({ text: amount(r.target_price) }) },
    { name: "gaugecell", label: "Bare qty·s", align: "right", cell: (r) => ({ text: gauge(r.uncovered_qty_s), title: r.uncovered_qty_s }) },
    { name: "realized", label: "Realised", align: "right", cell: (r) => ({ text: profit(r.realized), kind: tone(r.realized), title: r.realized }) },
    { name: "age", label: "Age", align: "right", cell: (r) => ({ text: age(store.now() - r.since_ms) }) },
  ];
}

const gauge = (text) => (Number(text) === 0 ? "0" : Number(text).toPrecision(3));

const order = (a, b) => a.ended - b.ended || b.since_ms - a.since_ms || (a.signal_id < b.signal_id ? -1 : 1);

export function openBrackets(store, open) {
  const place = byId("brackets");
  const table = new VirtualTable(place, "Brackets", columns(store), (row) => row.signal_id, (row) => open(`#/bracket/${row.signal_id}`));

  function draw() {
    const shown = [...store.brackets.values()].sort(order);
    table.show(shown);
    const live = shown.filter((row) => !row.ended).length;
    say(byId("brackets-count"), `${live} live · ${shown.length - live} ended`);
    show(byId("brackets-empty"), shown.length === 0);
    show(place, shown.length > 0);
    if (!shown.length) say(byId("brackets-empty"), "A bracket opens with each accepted signal: its entry, its stop, its target.");
    const bare = shown.filter((row) => Number(row.uncovered) > 0);
    const held = shown.some((row) => !row.ended && Number(row.held));
    dress(byId("gauge"), bare.length ? "gauge bad" : held ? "gauge good" : "gauge dim");
    say(byId("gauge"), bare.length ? `${bare.length} with bare quantity` : held ? "everything held is covered" : "nothing is held");
  }

  store.on("brackets", draw);
  setInterval(() => table.refresh("age"), 1000);
  return table;
}
