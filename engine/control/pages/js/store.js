// What the engine has told, and who wants to know that it has changed. Listeners run once in a drawn frame.

const SECTIONS = ["engine", "orders", "brackets", "activity", "points", "trading", "alarms", "money", "health", "market"];
const ACTIVITY_MOST = 200;
const TRADES_MOST = 40;
const POINTS_MOST = 4096;

export class Store {
  constructor() {
    this.engine = null;
    this.orders = new Map();
    this.brackets = new Map();
    this.activity = [];
    this.points = [];
    this.trading = null;
    this.alarms = [];
    this.money = null;
    this.health = null;
    this.market = null;
    this.trades = [];
    this.atMs = 0; // the engine's clock at the last frame
    this.hereMs = 0; // ours
    this.frames = 0;
    this.listeners = new Map(SECTIONS.map((section) => [section, []]));
    this.dirty = new Set();
    this.drawing = false;
  }

  /** Call `listener(store)` after a change of any of these sections. */
  on(sections, listener) {
    for (const section of sections.split(" ")) this.listeners.get(section).push(listener);
  }

  /** The engine's clock now, as far as we know it. */
  now() {
    return this.atMs + (performance.now() - this.hereMs);
  }

  apply(frame) {
    this.frames += 1;
    if (frame.kind === "market") this.#market(frame);
    else {
      this.atMs = frame.at_ms;
      this.hereMs = performance.now();
      if (frame.kind === "snapshot") this.#snapshot(frame);
      else this.#change(frame);
    }
    this.#draw();
  }

  #snapshot(frame) {
    this.engine = frame.engine;
    this.orders = new Map(frame.orders.map((row) => [row.cl_ord_id, row]));
    this.brackets = new Map(frame.brackets.map((row) => [row.signal_id, row]));
    this.activity = frame.activity.reverse();
    this.points = frame.points;
    for (const name of ["trading", "alarms", "money", "health"]) this[name] = frame[name];
    for (const section of SECTIONS) if (section !== "market") this.dirty.add(section);
  }

  #change(frame) {
    for (const row of frame.orders ?? []) this.orders.set(row.cl_ord_id, row);
    for (const id of frame.orders_gone ?? []) this.orders.delete(id);
    if (frame.orders || frame.orders_gone) this.dirty.add("orders");
    for (const row of frame.brackets ?? []) this.brackets.set(row.signal_id, row);
    for (const id of frame.brackets_gone ?? []) this.brackets.delete(id);
    if (frame.brackets || frame.brackets_gone) this.dirty.add("brackets");
    if (frame.activity) {
      this.activity = [...frame.activity.reverse(), ...this.activity].slice(0, ACTIVITY_MOST);
      this.dirty.add("activity");
    }
    if (frame.points) {
      this.points = [...this.points, ...frame.points].slice(-POINTS_MOST);
      this.dirty.add("points");
    }
    for (const name of ["trading", "alarms", "money", "health"]) {
      if (frame[name] === undefined) continue;
      this[name] = frame[name];
      this.dirty.add(name);
    }
  }

  #market(frame) {
    const same = this.market?.symbol === frame.symbol;
    this.trades = [...frame.trades].reverse().concat(same ? this.trades : []).slice(0, TRADES_MOST);
    this.market = frame;
    this.dirty.add("market");
  }

  #draw() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      const wanted = new Set([...this.dirty].flatMap((section) => this.listeners.get(section)));
      this.dirty.clear();
      for (const listener of wanted) listener(this);
    });
  }
}
