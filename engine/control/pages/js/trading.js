// Whether entries pass, and the red button. Both ways ask twice: for the reason, and whether it is meant.

import { ask } from "./connection.js";
import { byId, dress, say, show } from "./dom.js";
import { clock } from "./format.js";

const WAYS = {
  halt: {
    title: "Halt all trading",
    text: "No entry passes any more, over restarts too, until somebody resumes. Entries that rest are cancelled. Stops and targets stay, and exits always pass.",
    go: "Halt trading",
    sure: "Press again: all trading halts now.",
    done: "Trading is halted.",
  },
  resume: {
    title: "Resume trading",
    text: "Entries pass again. It is refused while the cause of the halt still stands.",
    go: "Resume trading",
    sure: "Press again: entries pass from now on.",
    done: "Trading goes on.",
  },
};

export class Trading {
  constructor(store, told) {
    this.store = store;
    this.told = told;
    this.way = "halt";
    this.armed = false;
    this.dialog = byId("trading-dialog");
    byId("halt").addEventListener("click", () => this.open("halt"));
    byId("resume").addEventListener("click", () => this.open("resume"));
    byId("trading-back").addEventListener("click", () => this.dialog.close());
    byId("trading-reason").addEventListener("input", () => this.#disarm());
    byId("trading-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#go();
    });
    store.on("trading", () => this.draw());
  }

  get halted() {
    return this.store.trading?.latch.state !== "ACTIVE" && Boolean(this.store.trading);
  }

  toggle() {
    if (this.store.trading) this.open(this.halted && this.store.trading.latch.state === "HALTED" ? "resume" : "halt");
  }

  open(way) {
    if (this.dialog.open) return;
    this.way = way;
    const words = WAYS[way];
    say(byId("trading-title"), words.title);
    say(byId("trading-text"), words.text);
    say(byId("trading-error"), "");
    byId("trading-reason").value = "";
    dress(byId("trading-go"), way === "halt" ? "danger" : "primary");
    this.#disarm();
    this.dialog.showModal();
    byId("trading-reason").focus();
  }

  #disarm() {
    this.armed = false;
    say(byId("trading-sure"), "");
    say(byId("trading-go"), WAYS[this.way].go);
  }

  async #go() {
    const words = WAYS[this.way];
    if (!this.armed) {
      this.armed = true;
      say(byId("trading-sure"), words.sure);
      say(byId("trading-go"), this.way === "halt" ? "Yes, halt now" : "Yes, resume now");
      byId("trading-go").focus();
      return;
    }
    byId("trading-go").disabled = true;
    try {
      await ask("POST", `/api/${this.way}`, { reason: byId("trading-reason").value.trim() });
      this.dialog.close();
      this.told(words.done);
    } catch (error) {
      say(byId("trading-error"), `${error.message}${error.what_to_do ? ` – ${error.what_to_do}` : ""}`);
      this.#disarm();
    }
    byId("trading-go").disabled = false;
  }

  draw() {
    const { latch, gate } = this.store.trading;
    const strategies = Object.entries(latch.strategies);
    const reasons = Object.entries(gate);
    const all = latch.state !== "ACTIVE";
    show(byId("halted"), all || strategies.length > 0 || reasons.length > 0);
    dress(byId("halted"), `band ${latch.state === "HALTED" ? "band-halt" : "band-warn"}`);
    say(byId("halted-title"), all ? (latch.state === "HALTED" ? "Trading is halted." : "Only what reduces passes.") : reasons.length ? "Entries are kept back." : "A strategy is halted.");
    const causes = latch.causes.map((one) => `${one.code}${one.strategy_id ? ` of ${one.strategy_id}` : ""}: ${one.reason} (${clock(Number(one.ts_ns) / 1e6)})`);
    say(byId("halted-text"), [...causes, ...reasons.map(([code, why]) => `${code}: ${why}`)].join(" · "));
    show(byId("resume"), all || reasons.length > 0);
    const button = byId("halt");
    button.disabled = latch.state === "HALTED";
    say(button, latch.state === "HALTED" ? "Halted" : "Halt");
  }
}
