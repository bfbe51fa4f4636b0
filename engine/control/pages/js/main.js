// Puts the page together: what is told goes into the store, what has changed is drawn, what is asked goes to the engine.

import { openActivity, openAlarms } from "./alarms.js";
import { openBlotter } from "./blotter.js";
import { openBrackets } from "./brackets.js";
import { Connection, setToken, shareToken, takeToken } from "./connection.js";
import { Detail } from "./detail.js";
import { byId, dress, say, show } from "./dom.js";
import { age } from "./format.js";
import { openHealth } from "./health.js";
import { openKeys } from "./keys.js";
import { openMarket } from "./market.js";
import { openProfit } from "./profit.js";
import { Store } from "./store.js";
import { openTheme } from "./theme.js";
import { Trading } from "./trading.js";

const SAID_MS = 6000;

const store = new Store();
let state = "connecting";
let why = "";

const connection = new Connection((frame) => store.apply(frame), heard);
const open = (hash) => (location.hash = hash);
const blotter = openBlotter(store, open);
openBrackets(store, open);
const curve = openProfit(store);
openMarket(store, connection);
openHealth(store);
openAlarms(store, told);
openActivity(store);
const trading = new Trading(store, told);
const detail = new Detail(store, open);
openKeys({ trading, theme: openTheme(() => curve.rebuild()) });

store.on("engine", () => {
  const { mode, venue, version, account } = store.engine;
  show(byId("mode"), true);
  say(byId("mode"), mode);
  dress(byId("mode"), `tag ${mode}`);
  say(byId("identity"), `${venue} · account ${account.slice(0, 8)} · version ${version}`);
});
store.on("health", wire);

function route() {
  if (takeToken()) connection.start();
  const [, kind, id] = /^#\/(order|bracket)\/([0-9A-Za-z-]+)/.exec(location.hash) ?? [];
  detail.show(kind ?? null, id ?? "");
}

/** Say something once, to eyes and to readers of screens. */
function told(text) {
  say(byId("said"), text);
  byId("said").classList.add("shown");
  clearTimeout(told.timer);
  told.timer = setTimeout(() => byId("said").classList.remove("shown"), SAID_MS);
}

function heard(now, reason) {
  if (state === now && why === reason) return;
  const before = state;
  [state, why] = [now, reason];
  wire();
  if (now === "live" && (before === "lost" || before === "waiting") && store.frames > 1) told("Connected again.");
  if (now === "live" && detail.shown && before !== "live") detail.show(detail.shown.kind, detail.shown.id);
}

const ageMs = () => (store.hereMs ? performance.now() - store.hereMs : 0);

/** The lamp in the corner, and the band that says how old everything below it is. */
function wire() {
  const up = store.health ? `up ${age(store.health.uptime_s * 1000)}` : "";
  dress(byId("wire"), `wire ${state}`);
  say(byId("wire").children[1], state);
  say(byId("uptime"), state === "live" ? up : "");
  document.body.classList.toggle("stale", state !== "live" && state !== "connecting");
  show(byId("lost"), ["lost", "waiting", "refused"].includes(state));
  show(byId("token-form"), state === "refused");
  byId("halt").hidden = state === "refused";
  if (state === "lost" || state === "waiting") {
    const old = store.hereMs ? `What you see is ${age(ageMs())} old. ` : "";
    say(byId("lost-title"), state === "lost" ? "Connection lost." : "The engine is not ready.");
    say(byId("lost-text"), `${old}${why ? `${why[0].toUpperCase()}${why.slice(1)}. ` : ""}Trying again by itself.`);
  } else if (state === "refused") {
    say(byId("lost-title"), "The engine wants its token.");
    const again = store.engine ? "It was started anew and has a new one. " : "";
    say(byId("lost-text"), `${again}Open the link that it printed on its first line, or paste it here.`);
  }
}

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("token").value.trim();
  if (!text) return;
  if (!takeToken(text)) setToken(text);
  byId("token").value = "";
  state = "connecting";
  wire();
  connection.start();
});

addEventListener("hashchange", route);
setInterval(wire, 1000);
shareToken(() => connection.start());
route();
connection.start();

/** Figures for whoever measures this page: frames taken, cells touched. */
globalThis.boardFigures = () => ({ frames: store.frames, cells: blotter.touched, rows: blotter.pool.length, orders: store.orders.size });
