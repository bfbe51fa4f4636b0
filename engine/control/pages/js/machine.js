// A machine's picture, as it was exported from the code, with the walked way and the present state lit.

import { draw } from "./dom.js";

const pictures = new Map();

async function picture(name) {
  if (!pictures.has(name)) {
    const response = await fetch(`/static/machines/${name}.svg`);
    if (!response.ok) throw new Error(`no picture of the ${name} machine`);
    pictures.set(name, new DOMParser().parseFromString(await response.text(), "image/svg+xml").documentElement);
  }
  return document.importNode(pictures.get(name), true);
}

/** `walk` is a list of [from, move, to]; an empty one lights the first state alone. */
export async function machine(name, walk, current) {
  const svg = await picture(name);
  svg.setAttribute("class", "machine");
  svg.setAttribute("role", "img");
  const way = walk.map(([from, move, to], index) => `${index + 1}. ${from} ${move} ${to}`).join("; ");
  svg.setAttribute("aria-label", `States of the ${name}; now ${current}. Walked: ${way || "nothing yet"}`);
  const named = (kind) => new Map([...svg.querySelectorAll(`g.${kind}`)].map((group) => [group.querySelector("title").textContent, group]));
  const [nodes, edges] = [named("node"), named("edge")];
  for (const title of svg.querySelectorAll("title")) title.remove(); // they would stand in every tooltip
  for (const [from, , to] of walk) for (const state of [from, to]) nodes.get(state)?.classList.add("walked");
  nodes.get(current)?.classList.add("current");
  light(svg, edges, walk);
  return svg;
}

/** Light every edge that was walked, and write the numbers of its steps beside it. */
function light(svg, edges, walk) {
  const steps = new Map();
  walk.forEach(([from, move, to], index) => {
    const key = `${from}->${to}`;
    const known = steps.get(key) ?? { numbers: [], moves: new Set() };
    known.numbers.push(index + 1);
    known.moves.add(move);
    steps.set(key, known);
  });
  for (const [key, { numbers, moves }] of steps) {
    const edge = edges.get(key);
    if (!edge) continue;
    edge.classList.add("walked");
    edge.parentNode.append(edge); // lit ways lie on top
    const path = edge.querySelector("path");
    const at = path.getPointAtLength(path.getTotalLength() * 0.5);
    const said = numbers.length > 3 ? `${numbers[0]}…${numbers.at(-1)}` : numbers.join(",");
    edge.append(draw("text", { x: at.x + 6, y: at.y + 4, class: "step", text: `${said} ${[...moves].join(", ")}` }));
  }
}
