"""Notebook 00 as a reader meets it: run it, drag the slider by keyboard and by mouse, see picture and text change."""

import pytest

from tests.browser.lab import look, wait_until
from tests.browser.sliders import Slider, report

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def exits(slider):
    return [float(v) for v in slider.data("exits").split()]


def test_slider_moves_picture_and_readout(open_notebook, record_property):
    notebook = open_notebook("00_quickstart")
    notebook.run_all()
    assert notebook.errors() == []
    slider, page = Slider(notebook.page, rests_as="true"), notebook.page

    # By keyboard: a stop down lets more cells leave at stage 1; the cached view comes first, then the true one.
    before = exits(slider)
    found = slider.latency()
    assert slider.modes("ArrowLeft") == ["cached", "true"]
    assert exits(slider)[0] > before[0]
    slider.check_keyboard()
    slider.check_names("threshold ρ")
    slider.check_readout("stage 1", "stage 2", "stage 3", "true", "multiply-adds saved", "mIoU")

    # By mouse: drag far to the left, to where stage 1 decides all.
    slider.handle.press("End")
    wait_until(lambda: exits(slider) == [0.0, 0.0, 1.0], what="no cell exiting early")
    shown, box = look(slider.picture), slider.handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 600, box["y"] + box["height"] / 2, steps=12)
    page.mouse.up()
    wait_until(lambda: exits(slider) == [1.0, 0.0, 0.0], what="every cell exiting at stage 1")
    assert look(slider.picture) != shown

    # By typing: any value, not just the slider's stops.
    slider.field.fill("0.987")
    slider.field.press("Enter")
    wait_until(lambda: slider.data("rho") == "0.987", what="the typed threshold")
    slider.rest()
    report("00_quickstart", found, record_property)
