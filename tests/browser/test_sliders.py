"""The sliders of the other notebooks: a key moves them, and picture and read-out follow."""

import re

import pytest

from tests.browser.lab import look, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("name", "shown", "rests_as"),
    [("01_difficulty", "shares", "graded"), ("02_region_convolution", "share", "measured")],
)
def test_a_key_moves_picture_and_readout(name, shown, rests_as, open_notebook):
    notebook = open_notebook(name)
    notebook.run_all()
    assert notebook.errors() == []
    page = notebook.page
    picture, readout = page.locator(".lcnb-picture").first, page.locator(".lcnb-readout").first
    picture.scroll_into_view_if_needed()

    def told():
        return re.search(rf'data-{shown}="([\d. ]+)"', readout.inner_html())[1]

    wait_until(lambda: f'data-mode="{rests_as}"' in readout.inner_html(), 60, what="the first answer")
    before, seen = look(picture), told()
    page.locator(".lcnb-slider .noUi-handle").first.focus()
    page.keyboard.press("ArrowLeft")
    wait_until(lambda: told() != seen, what="a new read-out after a key")
    wait_until(lambda: look(picture) != before, what="a new picture after a key")
    wait_until(lambda: f'data-mode="{rests_as}"' in readout.inner_html(), 60, what="rest")

    seen = told()
    number = page.locator(".lcnb-number input").first
    number.fill("0.62")
    number.press("Enter")
    wait_until(lambda: told() != seen, what="the typed value")
    if shown == "share":
        assert abs(float(told()) - 0.62) < 0.01
