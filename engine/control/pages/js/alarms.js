// Alarms that stand, each to be acknowledged, and what has happened last.

import { ask } from "./connection.js";
import { byId, dress, keep, make, say, show } from "./dom.js";
import { age, amount, clock, short, words } from "./format.js";

const SHOWN = 60;

export function openAlarms(store, told) {
  const list = byId("alarms");
  list.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    button.disabled = true;
    try {
      await ask("POST", "/api/ack", { what: button.dataset.number, reason: "seen on the dashboard" });
      told("Acknowledged.");
    } catch (error) {
      told(`Not acknowledged: ${error.message}`);
    }
    button.disabled = false;
  });
  const create = () =>
    make("li", {}, make("div", {}, make("strong"), make("span", { class: "subject" }), make("time")), make("p"), make("p", { class: "hint" }), make("button", { type: "button", class: "quiet", text: "Acknowledge" }));
  const draw = () => {
    const open = store.alarms.filter((one) => !one.acked_ms);
    say(byId("alarms-count"), store.alarms.length ? `${open.length} open · ${store.alarms.length - open.length} seen` : "none stands");
    dress(byId("alarms-count"), `count ${open.some((one) => one.level === "critical") ? "bad" : ""}`);
    keep(list, store.alarms, create, (item, one) => {
      const [head, text, hint, button] = item.children;
      dress(item, `alarm ${one.level} ${one.acked_ms ? "acked" : ""}`);
      say(head.children[0], words(one.code));
      say(head.children[1], `${/^[0-9a-f]{8}-/.test(one.subject) ? short(one.subject) : one.subject}${one.count > 1 ? ` · ${one.count}×` : ""}`);
      say(head.children[2], `${age(store.now() - one.last_ms)} ago`);
      say(text, one.text);
      say(hint, one.what_to_do);
      button.dataset.number = one.number;
      button.setAttribute("aria-label", `Acknowledge ${words(one.code)} ${one.subject}`);
      show(button, !one.acked_ms);
    });
  };
  store.on("alarms", draw);
  setInterval(draw, 5000);
}

const VERB = { trade: "filled", denied: "denied", rejected: "rejected", canceled: "canceled", expired: "expired", unknown: "unknown" };

export function openActivity(store) {
  const create = () => make("a", { class: "event" }, make("time"), make("b"), make("span"), make("em"));
  store.on("activity", () => {
    const lines = store.activity.slice(0, SHOWN);
    show(byId("activity-empty"), !lines.length);
    say(byId("activity-empty"), "Fills, refusals and alarms appear here as they come.");
    keep(byId("activity"), lines, create, (line, one) => {
      line.href = one.cl_ord_id ? `#/order/${one.cl_ord_id}` : `#/bracket/${one.signal_id}`;
      say(line.children[0], clock(one.at_ms));
      say(line.children[1], VERB[one.exec_type] ?? words(one.exec_type));
      dress(line.children[1], `v-${one.exec_type}`);
      const price = one.price ? ` @ ${amount(one.price)}` : "";
      say(line.children[2], `${one.role} ${one.side} ${amount(one.qty)} ${one.symbol}${price}`);
      say(line.children[3], one.alarm ? `${words(one.alarm)} ${one.text}` : one.exec_type === "trade" ? "" : one.text);
      line.title = one.text || short(one.cl_ord_id);
    });
  });
}
