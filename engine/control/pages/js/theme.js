// Dark or light: as the system says, unless a person has chosen.

import { byId, say } from "./dom.js";

const CHOSEN = "engine-theme";

export function openTheme(changed) {
  const system = matchMedia("(prefers-color-scheme: light)");
  const now = () => localStorage.getItem(CHOSEN) ?? (system.matches ? "light" : "dark");
  const dress = () => {
    document.documentElement.dataset.theme = now();
    say(byId("theme"), now() === "dark" ? "Light" : "Dark");
    byId("theme").setAttribute("aria-label", now() === "dark" ? "Show in light colours" : "Show in dark colours");
    changed();
  };
  const toggle = () => {
    localStorage.setItem(CHOSEN, now() === "dark" ? "light" : "dark");
    dress();
  };
  byId("theme").addEventListener("click", toggle);
  system.addEventListener("change", dress);
  dress();
  return toggle;
}
