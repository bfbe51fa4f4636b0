"""A browser in a process of its own: obeys lines of JSON on standard input, answers each with one line of JSON.

Playwright runs on an event loop that is not ours, so it stays out of the tests' process. The browser is the system's
Chromium; nothing is downloaded.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from playwright.sync_api import Page, sync_playwright

LOOK_EVERY_MS = 50
FIGURES = """
() => { globalThis.heard = { tasks: [], violations: [] };
  new PerformanceObserver((list) => heard.tasks.push(...list.getEntries().map((one) => one.duration)))
    .observe({ type: "longtask", buffered: true });
  document.addEventListener("securitypolicyviolation", (event) => heard.violations.push(event.violatedDirective)); }
"""


class Tab:
    """One page and what went wrong on it."""

    def __init__(self, browser: Any, base: str, width: int, height: int, scheme: str) -> None:
        self.base = base
        self.trouble: list[str] = []
        self.foreign: list[str] = []
        size = {"width": width, "height": height}
        self.context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
        self.context.add_init_script(f"({FIGURES})()")
        self.page: Page = self.context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        self.page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.trouble.append(f"{message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((f"{self.base}/", "data:")):
            self.foreign.append(request.url)


def wait(page: Page, until: str, limit_ms: float) -> None:
    """Look until an expression is true. Playwright's own way evaluates text in the page: the policy forbids it."""
    for _ in range(int(limit_ms / LOOK_EVERY_MS)):
        if page.evaluate(f"Boolean({until})"):
            return
        page.wait_for_timeout(LOOK_EVERY_MS)
    raise TimeoutError(
        f"not within {limit_ms:g} ms: {until}; the page says: {page.evaluate('document.body.innerText')}"
    )


def obey(tab: Tab, order: dict[str, Any]) -> Any:
    """Carry one order out and return its answer."""
    page, limit = tab.page, 1000 * float(order.get("limit_s", 20))
    match order["do"]:
        case "go":
            page.goto(order["url"], timeout=limit)
        case "wait":
            wait(page, order["until"], limit)
        case "tell":
            return page.evaluate(order["what"])
        case "press":
            for key in order["keys"]:
                page.keyboard.press(key)
        case "type":
            page.keyboard.type(order["text"])
        case "click":
            page.locator(order["what"]).first.click(timeout=limit)
        case "picture":
            page.screenshot(path=order["path"], full_page=order.get("whole", False))
        case "report":
            heard = page.evaluate("heard")
            return {"trouble": tab.trouble, "foreign": tab.foreign, **heard}
    return None


def main() -> int:
    """Obey until the input ends."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=sys.argv[1], args=["--no-sandbox", "--disable-gpu"])
        tab: Tab | None = None
        print(json.dumps({"answer": browser.version}), flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            try:
                if order["do"] == "open":
                    if tab is not None:
                        tab.context.close()
                    tab = Tab(browser, order["base"], order["width"], order["height"], order["scheme"])
                    said: dict[str, Any] = {"answer": None}
                else:
                    assert tab is not None
                    said = {"answer": obey(tab, order)}
            except Exception as error:  # whatever it is, the test is to hear of it
                said = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(said), flush=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
