"""The site, opened from a folder: searching, going where a hit leads, and nothing asked of anybody."""

import pytest

from lcnb.paths import checkout
from tools.book.__main__ import build

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "book"
    build(checkout(), out)
    return out


@pytest.fixture
def page(browser):
    page, trouble = browser.new_page(), []
    page.on("console", lambda m: trouble.append(m.text))
    page.on("pageerror", lambda e: trouble.append(str(e)))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else trouble.append(r.url))
    yield page
    page.close()
    assert trouble == []


def test_search_finds_a_section_and_leads_to_it(page, book):
    page.goto((book / "docs" / "architecture.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("sparse no faster complaint")
    hit = page.locator("#hits a").first
    hit.wait_for()
    assert "section" in page.locator("#found").inner_text()
    assert hit.inner_text() == "0 · Quickstart › Is it really faster?"
    hit.click()
    page.wait_for_url("**/notebooks/00_quickstart.html#is-it-really-faster")
    assert page.locator("#is-it-really-faster").is_visible()
    page.get_by_role("searchbox").fill("zxqv")
    page.get_by_text("nothing found").wait_for()


def test_every_page_opens_without_a_complaint_and_fits_a_phone(page, book):
    page.set_viewport_size({"width": 390, "height": 800})
    for path in sorted(book.rglob("*.html")):
        page.goto(path.as_uri())
        assert page.title()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path.name


def test_next_leads_through_the_lessons(page, book):
    page.goto((book / "notebooks" / "00_quickstart.html").as_uri())
    page.locator("a[rel=next]").click()
    page.wait_for_url("**/01_difficulty.html")
    assert page.locator("nav a[aria-current=page]").inner_text() == "1 · Difficulty"
