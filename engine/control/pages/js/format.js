// Amounts come as plain decimal text and are shown as they are; only groups of three are set apart.

const MONEY = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const SIGNED = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "exceptZero" });

/** Plain decimal text with its whole part in groups, without zeros at its end; "–" for none. */
export function amount(text) {
  if (text === "" || text === null || text === undefined) return "–";
  const [whole, rest = ""] = String(text).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const digits = rest.replace(/0+$/, "");
  return digits ? `${grouped}.${digits}` : grouped;
}

/** A price of a ladder: every digit stays, so that the points stand below each other. */
export const grouped = (text) => text.replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, ",");

/** Two digits after the point, for figures that are read at a glance; the exact text belongs into a title. */
export const money = (text) => (text === "" || text === null || text === undefined ? "–" : MONEY.format(Number(text)));
export const profit = (text) => (text === "" || text === null || text === undefined ? "–" : SIGNED.format(Number(text)));

/** Share of a whole as 0..1; 0 where there is no whole. */
export function share(part, whole) {
  const all = Math.abs(Number(whole));
  return all > 0 ? Math.min(1, Math.abs(Number(part)) / all) : 0;
}

/** "3 s", "4 min", "2 h", "5 d": the greatest unit alone, which is what a glance takes in. */
export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** A latency as a person reads it. */
export function latency(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.001) return "<1 ms";
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

/** Wall clock of this place, with seconds. */
export function clock(ms) {
  return new Date(ms).toLocaleTimeString("en-GB", { hour12: false });
}

/** The first eight characters of an id: enough for a desk, and for every verb of the command line. */
export const short = (id) => (id ? id.slice(0, 8) : "–");

export const words = (state) => state.replaceAll("_", " ");

/** "good", "bad" or "": for the colour of a profit. */
export function tone(text) {
  const value = Number(text);
  return value > 0 ? "good" : value < 0 ? "bad" : "";
}
