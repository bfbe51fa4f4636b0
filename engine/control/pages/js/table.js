// A table of any length in a few rows: those that are seen. Rows are used again, and only cells that differ are touched.

import { make } from "./dom.js";

const SPARE = 4; // rows beyond either edge, so that scrolling finds them drawn

export class VirtualTable {
  /**
   * `columns`: {name, label, width, align, cell(row) -> {text, kind, title, share, href}}; `open(row)` on Enter or click.
   * `place` scrolls; every row is as high as the style says (--row).
   */
  constructor(place, label, columns, key, open) {
    this.place = place;
    this.columns = columns;
    this.key = key;
    this.open = open;
    this.items = [];
    this.pool = [];
    this.chosen = "";
    this.touched = 0; // cells changed so far: a figure for the tests
    this.first = 0; // of the items that have a row
    this.height = 28;
    this.room = 0;
    this.#build(label);
    place.addEventListener("scroll", () => this.#later(), { passive: true });
    new ResizeObserver(() => this.#measure()).observe(place);
    place.addEventListener("keydown", (event) => this.#press(event));
    this.body.addEventListener("click", (event) => this.#click(event));
  }

  #build(label) {
    this.head = make("tr", { "aria-rowindex": 1 });
    for (const column of this.columns) {
      this.head.append(make("th", { scope: "col", class: `c-${column.name} ${column.align ?? ""}`, text: column.label }));
    }
    this.body = make("tbody");
    this.table = make("table", { class: "rows", "aria-label": label }, make("thead", {}, this.head), this.body);
    this.above = make("tr", { class: "gap", "aria-hidden": "true" });
    this.below = make("tr", { class: "gap", "aria-hidden": "true" });
    this.body.append(this.above, this.below);
    this.place.tabIndex = 0;
    this.place.setAttribute("role", "group");
    this.place.setAttribute("aria-label", `${label}: arrow keys choose a row, Enter opens it`);
    this.told = make("span", { class: "unseen", "aria-live": "polite" });
    this.place.append(this.table);
    this.place.after(this.told);
  }

  /** Show these items, in this order. */
  show(items) {
    this.items = items;
    this.table.setAttribute("aria-rowcount", items.length + 1);
    this.draw();
  }

  draw() {
    const { height } = this;
    const first = Math.max(0, Math.min(Math.floor(this.place.scrollTop / height) - SPARE, this.items.length - 1));
    const many = Math.ceil(this.room / height) + 2 * SPARE;
    const last = Math.min(this.items.length, first + many);
    this.#turn(first - this.first);
    this.first = first;
    this.#size(last - first);
    this.#gap(this.above, first * height);
    this.#gap(this.below, (this.items.length - last) * height);
    for (let index = first; index < last; index += 1) this.#bind(this.pool[index - first], this.items[index], index);
  }

  /** Bring only what moves with time up to date: the cells of one column. */
  refresh(name) {
    const index = this.columns.findIndex((column) => column.name === name);
    for (const slot of this.pool) if (slot.item) this.#cell(slot, index, this.columns[index].cell(slot.item));
  }

  /** Asked only when the place has another size: asking makes the browser lay the page out. */
  #measure() {
    this.height = parseFloat(getComputedStyle(this.place).getPropertyValue("--row")) || 28;
    this.room = this.place.clientHeight;
    this.#later();
  }

  /** Rows that scroll out on one side come in on the other; those in between keep what they show. */
  #turn(by) {
    if (Math.abs(by) >= this.pool.length) return;
    for (let step = 0; step < by; step += 1) {
      const slot = this.pool.shift();
      this.pool.push(slot);
      this.below.before(slot.row);
    }
    for (let step = 0; step > by; step -= 1) {
      const slot = this.pool.pop();
      this.pool.unshift(slot);
      this.above.after(slot.row);
    }
  }

  #size(wanted) {
    while (this.pool.length > wanted) this.pool.pop().row.remove();
    while (this.pool.length < wanted) {
      const row = make("tr");
      const cells = this.columns.map((column) => {
        const cell = make("td", { class: `c-${column.name} ${column.align ?? ""}` });
        row.append(cell);
        return { cell, told: "", part: null, fixed: cell.className };
      });
      this.below.before(row);
      this.pool.push({ row, cells, item: null, index: -1, dressed: "" });
    }
  }

  #gap(row, height) {
    const text = `${height}px`;
    if (row.style.height !== text) row.style.height = text;
  }

  #bind(slot, item, index) {
    slot.item = item;
    if (slot.index !== index) {
      slot.index = index;
      slot.row.setAttribute("aria-rowindex", index + 2);
    }
    const id = this.key(item);
    const dressed = `${item.ended ? "ended" : ""}${id === this.chosen ? " chosen" : ""}`;
    if (slot.dressed !== dressed) {
      slot.dressed = dressed;
      slot.row.className = dressed;
    }
    this.columns.forEach((column, place) => this.#cell(slot, place, column.cell(item)));
  }

  #cell(slot, place, told) {
    const known = slot.cells[place];
    const now = `${told.text}|${told.kind ?? ""}|${told.share ?? ""}|${told.href ?? ""}|${told.state ?? ""}|${told.title ?? ""}`;
    if (known.told === now) return;
    known.told = now;
    this.touched += 1;
    known.part ??= this.#part(known.cell, told);
    known.part(told);
    const name = told.kind ? `${known.fixed} ${told.kind}` : known.fixed;
    if (known.cell.className !== name) known.cell.className = name;
    if (told.title !== undefined && known.cell.title !== told.title) known.cell.title = told.title;
  }

  /** Build what a column's cells hold, once; return how to fill it. */
  #part(cell, told) {
    if (told.share !== undefined) {
      const fill = make("i");
      const text = make("span");
      cell.append(make("b", { class: "bar" }, fill), text);
      return ({ share, text: said }) => {
        fill.style.width = `${(share * 100).toFixed(1)}%`;
        text.textContent = said;
      };
    }
    if (told.href !== undefined) {
      const link = make("a", { tabindex: -1 });
      cell.append(link);
      return ({ href, text }) => {
        link.href = href;
        link.textContent = text;
      };
    }
    if (told.state !== undefined) {
      const pill = make("span", { class: "pill" });
      cell.append(pill);
      return ({ text, state }) => {
        pill.className = `pill s-${state}`;
        pill.textContent = text;
      };
    }
    const text = document.createTextNode("");
    cell.append(text);
    return ({ text: said }) => {
      text.data = said;
    };
  }

  #later() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  #press(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -1e9, End: 1e9 }[event.key];
    if (step) {
      event.preventDefault();
      this.#choose(step);
    } else if (event.key === "Enter" && this.chosen) {
      const item = this.items.find((one) => this.key(one) === this.chosen);
      if (item) this.open(item);
    }
  }

  #choose(step) {
    if (!this.items.length) return;
    const now = this.items.findIndex((one) => this.key(one) === this.chosen);
    const next = now < 0 ? 0 : Math.min(this.items.length - 1, Math.max(0, now + step));
    this.chosen = this.key(this.items[next]);
    const { height } = this;
    const top = next * height;
    const head = this.head.offsetHeight;
    if (top < this.place.scrollTop) this.place.scrollTop = top;
    else if (top + height + head > this.place.scrollTop + this.place.clientHeight) {
      this.place.scrollTop = top + height + head - this.place.clientHeight;
    }
    this.draw();
    const texts = this.columns.map((column) => column.cell(this.items[next]).text);
    this.told.textContent = `${next + 1} of ${this.items.length}: ${texts.join(", ")}`;
  }

  #click(event) {
    const row = event.target.closest("tr");
    const slot = this.pool.find((one) => one.row === row);
    if (!slot?.item || event.target.closest("a")) return;
    this.chosen = this.key(slot.item);
    this.draw();
    this.open(slot.item);
  }
}
