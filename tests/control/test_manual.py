"""The help pages in the browser: open, whole, and within the policy of the page."""

from __future__ import annotations

import re

import pytest

from engine.control.help import TOPICS
from engine.control.manual import make_page
from engine.control.shell import PAGES


@pytest.mark.tcp
async def test_help_answers_without_a_token_and_by_its_tag(open_live):
    """Under the policy of the shell; a browser that has a page asks only whether it still holds."""
    async with open_live() as live, live.web(token="") as http:
        for path in ("/help", "/help/", "/help/concepts", "/help/order-table"):
            page = await http.get(path)
            assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
            assert "unsafe" not in page.headers["content-security-policy"]
            again = await http.get(path, headers={"if-none-match": page.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
        assert (await http.head("/help/concepts")).status_code == 200
        assert 'href="/help/"' in (await http.get("/")).text
        for path in ("/help/nothing", "/help/page.html", "/help/concepts.md", "/help/concepts/x"):
            assert (await http.get(path)).status_code == 404
        assert (await http.post("/help/concepts")).status_code == 401


@pytest.mark.parametrize("topic", [None, *TOPICS])
def test_a_help_page_is_whole_and_names_files_that_are_there(topic: str | None) -> None:
    """Nothing inline, nothing from elsewhere, the topic marked among all of them."""
    html = make_page(topic)
    assert not re.search(r'\sstyle=|\son\w+="|<script(?! type="module" src="/static/)|<style', html)
    assert not re.search(r'(?:href|src)="(?!/|#main")', html)
    for name in re.findall(r'(?:href|src)="/static/([^"]+)"', html):
        assert (PAGES / name).is_file()
    assert set(re.findall(r'href="/help/([^"]+)"', html)) == set(TOPICS)
    assert re.findall(r'href="/help/([^"]+)" aria-current', html) == ([topic] if topic else [])
    assert "{{" not in html
