// The book of one market as a ladder, our own resting orders marked in it, and the trades beside it.

import { byId, dress, keep, make, say, show } from "./dom.js";
import { clock, grouped } from "./format.js";

const LEVELS = 10;
const LEVEL_PX = 17;
const CHOSEN = "engine-symbol";

export function openMarket(store, connection) {
  const input = byId("symbol");
  const choose = (symbol) => {
    input.value = symbol;
    localStorage.setItem(CHOSEN, symbol);
    connection.watch(symbol);
  };
  input.value = localStorage.getItem(CHOSEN) ?? "";
  connection.watch(input.value);
  input.addEventListener("change", () => choose(input.value.trim().toUpperCase()));
  input.addEventListener("focus", () => input.select());

  store.on("health", () => {
    const known = [...new Set([...store.health.markets.map((one) => one.symbol), ...[...store.brackets.values()].map((row) => row.symbol)])].sort();
    offer(known);
    if (!input.value && document.activeElement !== input) {
      if (known[0]) choose(known[0]);
      else tell("No market is subscribed. Name one above, or set market.pairs in the settings.");
    }
  });
  store.on("market orders", () => draw(store));
}

function offer(symbols) {
  const list = byId("symbols");
  if ([...list.options].map((option) => option.value).join() === symbols.join()) return;
  list.replaceChildren(...symbols.map((symbol) => make("option", { value: symbol })));
}

function tell(text) {
  show(byId("market-empty"), Boolean(text));
  say(byId("market-empty"), text);
  for (const id of ["ladder", "trades"]) show(byId(id), !text);
}

function draw(store) {
  const book = store.market;
  if (!book) return;
  const empty = !book.bids.length && !book.asks.length;
  tell(empty ? `${book.symbol}: ${book.fault === "away" ? "no book has come yet" : book.fault}` : "");
  dress(byId("book-state"), `count ${book.usable ? "" : "bad"}`);
  say(byId("book-state"), book.usable ? spread(book) : `not usable: ${book.fault}`);
  if (empty) return;
  const own = new Map();
  for (const row of store.orders.values()) {
    if (row.ended || row.symbol !== book.symbol) continue;
    const price = row.limit_price || row.trigger_price;
    if (price) own.set(Number(price), row.role);
  }
  const most = Math.max(...[...book.bids, ...book.asks].map(([, qty]) => Number(qty)));
  const fitting = Math.floor((byId("ladder").clientHeight - 8) / 2 / LEVEL_PX);
  const shown = Math.max(3, Math.min(LEVELS, fitting));
  const asks = book.asks.slice(0, shown).reverse();
  const bids = book.bids.slice(0, shown);
  const levels = [...asks.map((level) => [...level, "ask"]), ...bids.map((level) => [...level, "bid"])];
  keep(byId("ladder"), levels, level, (row, [price, qty, side]) => {
    dress(row, `level ${side}`);
    row.children[0].style.width = `${((Number(qty) / most) * 100).toFixed(0)}%`;
    say(row.children[1], grouped(price));
    say(row.children[2], own.get(Number(price)) ?? "");
    say(row.children[3], qty);
  });
  keep(byId("trades"), store.trades.slice(0, 2 * LEVELS), trade, (row, one) => {
    dress(row, `trade ${one.side}`);
    say(row.children[0], grouped(one.price));
    say(row.children[1], one.qty);
    say(row.children[2], clock(one.at_ms));
  });
  show(byId("trades-hint"), !store.trades.length);
}

const level = () => make("div", { class: "level" }, make("i"), make("span"), make("em"), make("span"));
const trade = () => make("div", { class: "trade" }, make("span"), make("span"), make("time"));

/** Best bid, best ask, and the way between them in hundredths of a percent of the middle. */
function spread(book) {
  if (!book.bids.length || !book.asks.length) return "one side is empty";
  const [bid, ask] = [Number(book.bids[0][0]), Number(book.asks[0][0])];
  return `spread ${(((ask - bid) / ((ask + bid) / 2)) * 1e4).toFixed(2)} bp`;
}
