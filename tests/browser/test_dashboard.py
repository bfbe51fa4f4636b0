"""The dashboard in a browser, before a real engine on the embedded exchange."""

from __future__ import annotations

import signal
import uuid
from pathlib import Path

import pytest

from tests.browser.conftest import TOKEN, Browser, Running
from tests.browser.crowd import open_crowd

pytestmark = [pytest.mark.browser, pytest.mark.process]

LIVE = "document.querySelector('#wire').classList.contains('live')"
GONE = ("Failed to load resource", "net::ERR")
"""What Chromium writes by itself when an engine that has ended does not answer."""


def limit_buy(price: str) -> dict[str, object]:
    """Return a signal whose entry rests far below the market."""
    return {
        "signal_id": str(uuid.uuid4()),
        "symbol": "BTC/USD",
        "side": "buy",
        "order_type": "limit",
        "order_qty": "0.02",
        "limit_price": price,
        "stop_loss": {"trigger_price": "20000.0"},
        "take_profit": {"price": "90000.0"},
    }


def rows(table: str) -> str:
    """Return an expression for the texts of a table's rows."""
    return f"[...document.querySelectorAll('#{table} tbody tr:not(.gap)')].map((row) => row.innerText)"


def test_an_order_from_the_empty_desk_to_its_whole_story(running: Running, browser: Browser):
    """The empty desk says how to begin; an order appears by itself; Enter tells its story, messages and states."""
    running.start()
    browser.open(running.base)
    browser.wait(LIVE)
    browser.wait("document.querySelector('#orders-empty').innerText.includes('python -m engine submit signal.json')")
    browser.wait("document.querySelectorAll('#ladder .level').length >= 6")
    assert "token" not in browser.tell("location.href")

    wish = limit_buy("30000.0")
    running.ask("POST", "/api/signals", wish)
    browser.wait(f"{rows('orders')}.some((text) => text.includes('open') && text.includes('30,000'))")
    assert browser.tell(f"{rows('brackets')}.length") == 1
    assert browser.tell("document.querySelector('#brackets').innerText.includes('entering')")

    browser.press("o", "ArrowDown", "Enter")
    browser.wait("document.querySelector('.machine .node.current')?.textContent.trim() === 'open'")
    assert browser.tell("[...document.querySelectorAll('.sequence .label')].map((one) => one.textContent)")[:3] == [
        "signal",
        "new order",
        "open",
    ]
    lit = "[...document.querySelectorAll('.machine .edge.walked .step')].map((one) => one.textContent)"
    assert browser.tell(lit) == ["1 dispatch", "2 accept"]
    assert "every check passed" in browser.tell("document.querySelector('.timeline').innerText")

    running.ask("POST", "/api/cancel", {"signal": wish["signal_id"]})  # its page follows by itself
    browser.wait("document.querySelector('.machine .node.current')?.textContent.trim() === 'settled'")
    browser.press("Escape")
    browser.wait(
        f"!document.querySelector('#desk').hidden && {rows('orders')}.some((text) => text.includes('canceled'))"
    )
    browser.check_clean()


def test_halt_and_resume_ask_twice_and_for_a_reason(running: Running, browser: Browser):
    """By keyboard alone: without a reason nothing happens, the first press only asks, the second one halts."""
    running.start()
    browser.open(running.base, width=390, height=844)
    browser.wait(LIVE)
    state = lambda: running.ask("GET", "/api/status")["trading_state"]  # noqa: E731 - a question asked four times

    browser.press("h", "Enter")
    browser.wait("document.querySelector('#trading-dialog').open")
    assert state() == "ACTIVE"
    browser.type("prices look wrong")
    browser.press("Enter")
    browser.wait("document.querySelector('#trading-go').innerText === 'Yes, halt now'")
    assert state() == "ACTIVE"
    browser.press("Enter")
    browser.wait("document.querySelector('#halted').innerText.includes('prices look wrong')")
    assert state() == "HALTED"
    assert browser.tell("document.querySelector('#halt').disabled")

    browser.click("#resume")
    browser.type("they are right")
    browser.press("Enter", "Enter")
    browser.wait("document.querySelector('#halted').hidden && !document.querySelector('#halt').disabled")
    assert state() == "ACTIVE"
    assert browser.tell("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than a phone"
    browser.check_clean()


def test_the_page_comes_back_after_a_killed_engine_and_asks_for_a_new_token(running: Running, browser: Browser):
    """A lost engine is told with the age of what is shown; the next start is found by itself, or wants its token."""
    running.start()
    port = running.port
    browser.open(running.base)
    browser.wait(LIVE)
    running.ask("POST", "/api/signals", limit_buy("30000.0"))
    browser.wait(f"{rows('orders')}.length === 1")

    running.stop(signal.SIGKILL)
    browser.wait("document.querySelector('#lost').innerText.includes('What you see is')")
    assert browser.tell(f"{rows('orders')}.length") == 1, "what was last known stays to be seen"
    running.start(port=port)
    browser.wait(f"{LIVE} && document.querySelector('#lost').hidden")
    browser.wait(f"{rows('orders')}.length === 1")

    running.stop(signal.SIGKILL)
    running.start(port=port, token="another-token-of-a-later-start")
    browser.wait("document.querySelector('#lost').innerText.includes('Open the link')")
    browser.click("#token")
    browser.type(f"{running.base}/#token=another-token-of-a-later-start")
    browser.press("Enter")
    browser.wait(f"{LIVE} && document.querySelector('#lost').hidden")
    browser.go("/#token=%")  # a torn link is no token, and no trouble
    browser.wait(LIVE)
    browser.check_clean(*GONE)


def test_everything_is_reached_by_keyboard_and_named_for_readers(running: Running, browser: Browser):
    """Tab goes through the page in order with a visible focus; every control has a name; the keys do what they say."""
    running.start()
    browser.open(running.base, scheme="light")
    browser.wait(LIVE)
    browser.wait("document.querySelectorAll('#links tbody tr').length >= 2")
    focused = "(document.activeElement.id || document.activeElement.className || document.activeElement.name)"
    seen = """[document.activeElement, document.activeElement.nextElementSibling].some((one) =>
      one && getComputedStyle(one).outlineStyle !== 'none')"""
    stops = []
    for _ in range(8):
        browser.press("Tab")
        stops.append(browser.tell(focused))
        assert browser.tell(seen), f"the focus on {stops[-1]} is not seen"
    assert stops == ["skip", "brand", "theme", "help", "halt", "scope", "filter", "symbol"]
    unnamed = """[...document.querySelectorAll('button, input, select, a[href]')].filter((one) => one.checkVisibility()
      && !(one.innerText || one.ariaLabel || one.labels?.length || one.textContent.trim())).length"""
    assert browser.tell(unnamed) == 0

    browser.tell("document.activeElement.blur()")
    browser.press("/")
    browser.wait(f"{focused} === 'filter'")
    browser.type("h?t")  # keys are letters while somebody writes
    assert browser.tell("document.querySelector('#filter').value") == "h?t"
    browser.press("Escape", "?")
    browser.wait("document.querySelector('#help-dialog').open")
    browser.press("Escape", "t")
    browser.wait("document.documentElement.dataset.theme === 'dark'")
    browser.check_clean()


@pytest.mark.timeout(420)  # half a minute alone; on a slow machine, beside three other workers, several
def test_a_thousand_live_orders_cost_only_the_rows_that_are_seen(place: Path, browser: Browser):
    """With a thousand orders that come and go, some dozens of rows are drawn, and only cells that differ change."""
    with open_crowd(place, TOKEN) as base:
        browser.open(base)
        browser.wait("boardFigures().orders >= 1000", limit_s=180)
        before = browser.tell("boardFigures()")
        browser.tell(
            """(() => { heard.tasks = []; heard.began = performance.now(); heard.changes = 0;
            new MutationObserver((list) => { heard.changes += list.length; }).observe(document.querySelector('#orders'),
              { subtree: true, childList: true, characterData: true, attributes: true });
            setInterval(() => { document.querySelector('#orders').scrollTop += 40; }, 50); })()"""
        )
        browser.wait(f"boardFigures().frames >= {before['frames'] + 30}", limit_s=180)
        after = browser.tell("boardFigures()")
        heard = browser.tell("({ ...heard, took: performance.now() - heard.began })")
        busy = sum(heard["tasks"]) / heard["took"]
        touched = after["cells"] - before["cells"]
        print(
            f"{after['orders']} orders, {after['rows']} rows drawn, {touched} cells and {heard['changes']} changes of"
            f" the tree in {heard['took'] / 1000:.1f} s, long tasks {busy:.0%} of the time"
        )
        assert after["rows"] <= 40
        drawings = after["frames"] - before["frames"] + heard["took"] / 50
        assert touched <= drawings * after["rows"] * 3, "far fewer than all the cells that are seen (eleven a row)"
        assert heard["changes"] <= 3 * touched + 10 * drawings
        assert busy <= 0.6, "most of the time nothing holds the page up, whatever else this machine does"
        browser.check_clean()
