"""Notebook 00 as a reader meets it: run it, drag the slider by keyboard and by mouse, see picture and text change."""

import re
import statistics

import pytest

from tests.browser.lab import look, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def exits(text):
    return [float(v) for v in re.search(r'data-exits="([\d. ]+)"', text)[1].split()]


def mode(text):
    return re.search(r'data-mode="(\w+)"', text)[1]


def test_slider_moves_picture_and_readout(open_notebook, record_property):
    notebook = open_notebook("00_quickstart")
    notebook.run_all()
    assert notebook.errors() == []
    page = notebook.page
    page.locator(".lcnb-picture").first.scroll_into_view_if_needed()
    picture, readout = page.locator(".lcnb-picture").first, page.locator(".lcnb-readout").first
    handle = page.locator(".lcnb-slider .noUi-handle").first

    def state():
        return readout.inner_html()

    wait_until(lambda: mode(state()) == "true", what="the first true run")
    before, seen = look(picture), state()

    # By keyboard: one stop down lets more cells leave at stage 1; the cached view comes first, then the true one.
    handle.focus()
    page.keyboard.press("ArrowLeft")
    wait_until(lambda: state() != seen, what="a new read-out after a key")
    wait_until(lambda: look(picture) != before, what="a new picture after a key")
    wait_until(lambda: mode(state()) == "true", what="the true run after a key")
    assert exits(state())[0] > exits(seen)[0]

    delays = []
    for key in ["ArrowLeft", "ArrowRight"] * 5:
        old = state()
        page.keyboard.press(key)
        delays.append(wait_until(lambda old=old: state() != old, what="an answer to a key"))
        wait_until(lambda: mode(state()) == "true", what="rest")
    median = statistics.median(delays)
    record_property("slider_median_ms", round(median * 1e3))
    print(f"slider step to new read-out: median {median * 1e3:.0f} ms over {len(delays)} steps")
    assert median < 0.4

    # By mouse: drag far to the left, to where stage 1 decides all.
    before, seen = look(picture), state()
    box = handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 600, box["y"] + box["height"] / 2, steps=12)
    page.mouse.up()
    wait_until(lambda: exits(state()) == [1.0, 0.0, 0.0], what="everything leaving at stage 1")
    assert look(picture) != before

    # By typing: any value, not just the slider's stops.
    number = page.locator(".lcnb-number input").first
    number.fill("0.987")
    number.press("Enter")
    wait_until(lambda: 'data-rho="0.987"' in state(), what="the typed threshold")
    wait_until(lambda: mode(state()) == "true", what="the true run of the typed threshold")
