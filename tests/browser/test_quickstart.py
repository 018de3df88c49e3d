"""Notebook 00 as a reader meets it: run it, drag the slider by keyboard and by mouse, see image and text change."""

import pytest

from tests.browser.lab import look, wait_until
from tests.browser.sliders import Canvas, report

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def test_slider_moves_picture_and_readout(open_notebook, record_property):
    notebook = open_notebook("00_quickstart")
    notebook.run_all()
    assert notebook.errors() == []
    page, asked = notebook.page, []
    slider = Canvas(page)
    page.on("request", lambda r: asked.append(r.url) if r.url.startswith("http") else None)

    # By keyboard: a stop down lets more cells exit at stage 1; the cached view comes first, then the true one.
    before = slider.exits
    found = slider.latency()
    assert slider.modes("ArrowLeft") == ["cached", "true"]
    assert slider.exits[0] > before[0]
    slider.check_manners("threshold ρ", "stage 1", "stage 2", "stage 3", "true", "multiply-adds saved", "mIoU")

    # By mouse: the browser shows cached frames while it is held, the kernel runs when it is released.
    slider.press("End")
    wait_until(lambda: slider.exits == [0.0, 0.0, 1.0], what="no cell exiting early")
    slider.rest()
    stages = slider.root.locator('canvas[data-kind="stages"]')
    shown, box = look(stages), slider.handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 6, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2, steps=12)
    assert (slider.exits, slider.data("mode")) == ([1.0, 0.0, 0.0], "cached")
    page.mouse.up()
    slider.rest()
    assert slider.exits == [1.0, 0.0, 0.0]
    assert look(stages) != shown

    # By typing: any value, not just the slider's stops. Without true runs, the kernel sends the cached view of it.
    slider.field.fill("0.987")
    slider.field.press("Enter")
    wait_until(lambda: slider.data("rho") == "0.987", what="the typed threshold")
    slider.rest()
    slider.root.get_by_label("true run on release").click()
    slider.field.fill("0.612")
    slider.field.press("Enter")
    wait_until(lambda: (slider.data("rho"), slider.data("mode")) == ("0.612", "cached"), what="a cached frame")
    slider.root.get_by_label("true run on release").click()
    slider.rest()

    # Another image: its own cells, the same threshold.
    left = slider.data("left")
    slider.root.get_by_role("combobox", name="image").select_option(index=2)
    wait_until(lambda: slider.data("left") not in (left, None), what="another image")
    slider.rest()
    assert slider.data("rho") == "0.612"
    assert [url for url in asked if "127.0.0.1" not in url] == []
    assert not page.locator(".lcnb-still").first.is_visible()
    report("00_quickstart", found, record_property)
