// Who said what to whom, drawn as a sequence: the strategy, the engine, the exchange. Time runs down.

import { draw } from "./dom.js";
import { amount, words } from "./format.js";

const WIDTH = 660;
const LANES = { strategy: 118, engine: 330, exchange: 596 };
const STEP = 34;
const TOP = 46;

/** Moves that are the exchange's word; every other one is what the engine concluded or asked for by itself. */
const HEARD = new Set(["accept", "trade", "fill_out", "cancel", "expire", "amended", "refuse_change", ""]);

/** Turn a story's steps into lines of the picture: {from, to, label, note, row, kind}. */
export function messages(story) {
  const byRow = new Map(story.steps.map((step) => [step.row, step]));
  const role = (step) => (story.subject === "signal" && step.role ? `${step.role}: ` : "");
  const lines = [];
  for (const step of story.steps) {
    const base = { row: step.row, afterS: step.after_s, alarm: step.alarm };
    const body = step.body ?? {};
    if (step.kind === "signal" || step.kind === "denied") {
      lines.push({ ...base, from: "strategy", to: "engine", label: "signal", note: step.kind === "denied" ? "denied" : "" });
    } else if (step.kind === "request") {
      const what = /^(new order|amend|cancel|edit|\w+)/.exec(step.text)?.[0] ?? "request";
      lines.push({ ...base, from: "engine", to: "exchange", label: `${role(step)}${what}` });
    } else if (step.kind === "answer") {
      lines.push({ ...base, from: "exchange", to: "engine", label: `${role(step)}answer: ${body.outcome ?? "?"}`, kind: "answer" });
    } else if (step.kind === "transition" || step.kind === "evidence") {
      const moved = body.from_state && body.from_state !== body.to_state ? `${words(body.from_state)} → ${words(body.to_state)}` : words(body.to_state ?? "");
      if (HEARD.has(body.move ?? "") && (body.fill || !answered(step, byRow.get(step.cause)))) {
        lines.push({ ...base, from: "exchange", to: "engine", label: `${role(step)}${heard(body)}`, note: moved });
      } else lines.push({ ...base, from: "engine", to: "engine", label: "", note: `${role(step)}${moved}` });
    } else if (step.kind === "bracket" && body.move) {
      lines.push({ ...base, from: "engine", to: "engine", label: "", note: `bracket: ${words(body.from_state)} → ${words(body.to_state)}`, kind: "bracket" });
    }
  }
  return merged(lines);
}

/** Whether the engine concluded this from an answer at once, and heard no report of its own for it. */
const answered = (step, cause) => cause?.kind === "answer" && step.after_s - cause.after_s < 0.02;

function heard(body) {
  if (body.fill) return `fill ${amount(body.fill.last_qty)} @ ${amount(body.fill.last_px)}`;
  return { accept: "open", cancel: "canceled", expire: "expired", fill_out: "filled", amended: "amended", refuse_change: "change refused", "": "status" }[body.move ?? ""] ?? body.move;
}

/** States that follow at once on a line belong to it: one line says both. */
function merged(lines) {
  const kept = [];
  for (const line of lines) {
    const last = kept.at(-1);
    const own = line.from === "engine" && line.to === "engine";
    if (own && last && !last.note && last.kind !== "bracket" && line.kind !== "bracket" && line.afterS - last.afterS < 0.05) last.note = line.note;
    else kept.push({ ...line });
  }
  return kept;
}

/** Draw it. `told` is a sentence for whoever cannot see it. */
export function sequence(story, told) {
  const lines = messages(story);
  const height = TOP + Math.max(1, lines.length) * STEP + 16;
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${height}`, class: "sequence", role: "img", "aria-label": told });
  svg.append(
    draw("defs", {}, draw("marker", { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto-start-reverse" }, draw("path", { d: "M0 0 L8 4 L0 8 z", class: "tip" }))),
  );
  for (const [name, x] of Object.entries(LANES)) {
    svg.append(
      draw("line", { x1: x, x2: x, y1: 32, y2: height - 6, class: "lifeline" }),
      draw("rect", { x: x - 52, y: 6, width: 104, height: 26, rx: 5, class: "actor" }),
      draw("text", { x, y: 23, class: "actor-name", text: name }),
    );
  }
  lines.forEach((line, index) => svg.append(...message(line, TOP + index * STEP + 14)));
  return svg;
}

function message(line, y) {
  const parts = [draw("text", { x: 4, y: y + 4, class: "after", text: after(line.afterS) })];
  if (line.from !== line.to) {
    const way = Math.sign(LANES[line.to] - LANES[line.from]);
    const beside = line.note ? width(line.note) / 2 : 0; // an arrow ends at the note, not under it
    const from = LANES[line.from] + (line.from === "engine" ? beside * way : 0);
    const to = LANES[line.to] - (line.to === "engine" ? beside * way : 0);
    parts.push(
      draw("line", { x1: from + 5 * way, x2: to - 6 * way, y1: y, y2: y, class: `message ${line.kind ?? ""}`, "marker-end": "url(#tip)" }),
      draw("text", { x: (from + to) / 2, y: y - 5, class: "label", text: line.label }),
    );
  }
  if (line.note) parts.push(...note(line, y));
  return parts;
}

function note(line, y) {
  const wide = width(line.note);
  const x = LANES.engine - wide / 2;
  return [
    draw("rect", { x, y: y - 10, width: wide, height: 20, rx: 10, class: `note ${line.kind ?? ""} ${line.alarm ? "alarming" : ""}` }),
    draw("text", { x: LANES.engine, y: y + 4, class: "note-text", text: line.note }),
  ];
}

const width = (text) => text.length * 6.3 + 16;

const after = (seconds) => (seconds < 10 ? `+${seconds.toFixed(3)} s` : `+${seconds.toFixed(1)} s`);
