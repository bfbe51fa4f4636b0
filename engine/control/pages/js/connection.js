// The way to the engine: the token, questions, and the stream of changes that comes back by itself.

const SILENT_MS = 5000; // the engine says something every second
const RETRY_FIRST_MS = 400;
const RETRY_MOST_MS = 5000;
const HIDDEN_MS = 20000; // a page nobody sees lets its connection go: a browser has six for one address
const TOKEN = "engine-token";

/** The link's fragment holds the token; it is kept for this tab alone, and taken out of the address. */
export function takeToken(text = location.hash) {
  const found = /(?:^|[#&])token=([A-Za-z0-9._~-]+)/.exec(text);
  if (!found) return false;
  sessionStorage.setItem(TOKEN, found[1]);
  if (text === location.hash) history.replaceState(null, "", `${location.pathname}#/`);
  return true;
}

export const setToken = (text) => sessionStorage.setItem(TOKEN, text.trim());

/** A new tab of the same engine asks its neighbours for the token. */
export function shareToken(onGiven) {
  const channel = new BroadcastChannel("engine");
  channel.onmessage = ({ data }) => {
    const own = sessionStorage.getItem(TOKEN);
    if (data.ask && own) channel.postMessage({ token: own });
    else if (data.token && !own) {
      sessionStorage.setItem(TOKEN, data.token);
      onGiven();
    }
  };
  if (!sessionStorage.getItem(TOKEN)) channel.postMessage({ ask: true });
}

const headers = () => ({ Authorization: `Bearer ${sessionStorage.getItem(TOKEN) ?? ""}` });

/** Ask the engine something. Throws {status, code, message, what_to_do}. */
export async function ask(method, path, body) {
  const request = { method, headers: headers(), cache: "no-store" };
  if (body !== undefined) {
    request.body = JSON.stringify(body);
    request.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, request);
  } catch {
    throw { status: 0, code: "NO_ANSWER", message: "the engine gave no answer", what_to_do: "see whether it still runs" };
  }
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw { status: response.status, code: "?", message: `answer ${response.status}`, what_to_do: "", ...said };
  return said;
}

export class Connection {
  /** `onFrame(frame)` gets every frame; `onState(state, why)` one of connecting, live, lost, waiting (it starts), refused, paused. */
  constructor(onFrame, onState) {
    this.onFrame = onFrame;
    this.onState = onState;
    this.symbol = "";
    this.heardAt = 0;
    this.retryMs = RETRY_FIRST_MS;
    this.stop = null;
    this.timer = 0;
    document.addEventListener("visibilitychange", () => this.#seen());
    setInterval(() => this.#watch(), 1000);
  }

  /** Connect, or connect anew: with another token, for another market. */
  start() {
    clearTimeout(this.timer);
    this.stop?.abort();
    this.stop = new AbortController();
    this.#read(this.stop).catch(() => {});
  }

  watch(symbol) {
    if (symbol === this.symbol) return;
    this.symbol = symbol;
    if (this.stop) this.start();
  }

  async #read(stop) {
    const own = () => this.stop === stop;
    try {
      const where = this.symbol ? `?symbol=${encodeURIComponent(this.symbol)}` : "";
      const response = await fetch(`/api/board/stream${where}`, {
        headers: { ...headers(), Accept: "text/event-stream" },
        cache: "no-store",
        signal: stop.signal,
      });
      if (!own()) return;
      if (response.status === 401) return this.#refused();
      if (response.status === 503) return this.#again((await response.json().catch(() => ({}))).message ?? "", "waiting");
      if (!response.ok) throw new Error((await response.json().catch(() => ({}))).message ?? `answer ${response.status}`);
      this.heardAt = performance.now();
      await this.#frames(response.body, own);
      if (own()) this.#again("the engine has ended");
    } catch (error) {
      if (own()) this.#again(error instanceof TypeError ? "the engine does not answer" : String(error.message ?? error));
    }
  }

  async #frames(body, own) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done || !own()) return;
      this.heardAt = performance.now();
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data: {\"kind\"")) continue;
        this.retryMs = RETRY_FIRST_MS;
        this.onFrame(JSON.parse(line.slice(6)));
        this.onState("live", "");
      }
    }
  }

  #refused() {
    this.stop = null;
    this.onState("refused", "");
  }

  #again(why, state = "lost") {
    this.stop?.abort();
    this.stop = null;
    this.onState(state, why);
    const pause = this.retryMs * (0.75 + Math.random() / 2);
    this.retryMs = Math.min(RETRY_MOST_MS, this.retryMs * 2);
    this.timer = setTimeout(() => this.start(), pause);
  }

  #watch() {
    if (this.stop && this.heardAt && performance.now() - this.heardAt > SILENT_MS) {
      this.heardAt = performance.now();
      this.#again("nothing has come for five seconds");
    }
  }

  #seen() {
    clearTimeout(this.hidden);
    if (document.hidden) {
      this.hidden = setTimeout(() => {
        clearTimeout(this.timer);
        this.stop?.abort();
        this.stop = null;
        this.onState("paused", "");
      }, HIDDEN_MS);
    } else if (!this.stop) this.start();
  }
}
