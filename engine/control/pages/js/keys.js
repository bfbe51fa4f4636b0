// One key each for what is needed often. None works while somebody writes, or holds another key.

import { byId } from "./dom.js";

export function openKeys({ trading, theme }) {
  const help = byId("help-dialog");
  const showHelp = () => help.open || help.showModal();
  byId("help").addEventListener("click", showHelp);
  const ways = {
    "/": () => onDesk(() => byId("filter").focus()),
    h: () => trading.toggle(),
    o: () => onDesk(() => byId("orders").focus()),
    b: () => onDesk(() => byId("brackets").focus()),
    t: theme,
    "?": showHelp,
    Escape: () => location.hash.length > 2 && (location.hash = "#/"),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input, select, textarea")) return;
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    way();
  });
}

function onDesk(act) {
  if (location.hash.length <= 2) return act();
  addEventListener("hashchange", () => requestAnimationFrame(act), { once: true });
  location.hash = "#/";
}
