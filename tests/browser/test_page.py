"""Pages with the slider, opened from a file: no kernel, no server, no network; every pixel is what Python says."""

import base64
import io
import json
import statistics

import numpy as np
import pytest
from PIL import Image

from lcnb.models import irnet_lc
from lcnb.palettes import UNKNOWN, blend, class_colours, colourise, stage_colours
from lcnb.running.pages import write_html
from lcnb.running.scrub import clean
from lcnb.widgets import ThresholdExplorer
from tests.browser.conftest import SHOTS
from tests.conftest import CLASSES
from tests.export.decoder import Decoded
from tools import slider_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PIXELS = "canvas => canvas.toDataURL('image/png')"  # lossless
STILL = """image => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL('image/png');
}"""


def picture_of(address):
    """(H, W, 3) uint8 of an opaque picture's data address."""
    array = np.array(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGBA"))
    assert (array[..., 3] == 255).all()
    return array[..., :3]


class Page:
    """A page from a file, with what went wrong in it and what it asked for."""

    def __init__(self, browser, path):
        self.page, self.trouble = browser.new_page(), []
        self.page.on("console", lambda m: self.trouble.append(m.text))
        self.page.on("pageerror", lambda e: self.trouble.append(str(e)))
        self.page.on("request", self._asked)
        self.page.goto(path.as_uri())
        self.page.locator('.lcnb-cached[data-ready="yes"]').first.wait_for()

    def _asked(self, request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.trouble.append(request.url)

    def root(self, number=0):
        return self.page.locator(".lcnb-cached").nth(number)

    def slider(self, number=0):
        return self.root(number).get_by_role("slider", name="threshold ρ")

    def pixels(self, kind, number=0):
        return picture_of(self.root(number).locator(f'canvas[data-kind="{kind}"]').evaluate(PIXELS))

    def told(self, number=0):
        """(threshold, cells that left at each stage, share of the multiply-adds saved)"""
        data = self.root(number).evaluate("element => ({...element.dataset})")
        return float(data["rho"]), [int(n) for n in data["left"].split()], float(data["saved"])

    def go(self, stop, number=0):
        """By keyboard: to the first stop, then up."""
        self.slider(number).focus()
        self.page.keyboard.press("Home")
        for _ in range(stop):
            self.page.keyboard.press("ArrowRight")


@pytest.fixture
def opened(browser, request):
    pages = []

    def open_one(path):
        pages.append(Page(browser, path))
        return pages[-1]

    yield open_one
    SHOTS.mkdir(parents=True, exist_ok=True)
    for page in pages:
        page.page.screenshot(path=SHOTS / f"{request.node.name}.png")
        page.page.close()


def test_the_street_is_exact_at_every_stop_looked_at(opened):
    page = opened(slider_page.TARGET)
    decoded = Decoded(slider_page.TARGET.read_text(encoding="utf-8"))
    stops, colours = decoded.data["stops"], class_colours(decoded.data["classes"])
    photo = picture_of(page.root().locator(".lcnb-photo").evaluate(STILL))
    rows = np.arange(decoded.height) * decoded.data["grid"][0] // decoded.height
    columns = np.arange(decoded.width) * decoded.data["grid"][1] // decoded.width
    assert page.told()[0] == 0.985
    for stop in (0, 7, 20, stops.index(0.985), len(stops) - 1):
        page.go(stop)
        rho, left, saved = page.told()
        stage = decoded.stage(stop)
        assert rho == stops[stop]
        assert left == np.bincount(stage.ravel(), minlength=3).tolist()
        assert saved == pytest.approx(decoded.saved(stop), abs=1e-9)
        assert np.array_equal(page.pixels("labels"), colourise(decoded.labels[stop], colours))
        wanted = blend(photo, colourise(stage[rows[:, None], columns], stage_colours(3)), 0.6)
        assert np.abs(page.pixels("stages").astype(int) - wanted).max() <= 2  # the browser rounds its mixing
    assert page.trouble == []


def test_keyboard_mouse_labels_and_read_out(opened):
    page = opened(slider_page.TARGET)
    status = page.root().get_by_role("status")
    before = status.inner_text()
    assert "cached" in before
    assert "mIoU of this image" in before
    assert page.root().get_by_text("Cached view:").is_visible()
    page.slider().focus()
    page.page.keyboard.press("ArrowLeft")
    assert page.told()[0] == 0.98
    assert status.inner_text() != before
    assert page.slider().get_attribute("aria-valuetext") == "rho 0.98"
    page.page.keyboard.press("End")
    assert page.told()[1][:2] == [0, 0]
    box = page.slider().bounding_box()
    page.page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 1, box["y"] + box["height"] / 2, steps=8)
    page.page.mouse.up()
    assert page.told()[1][1:] == [0, 0]
    assert page.root().locator("[aria-live=polite]").count() == 1
    assert page.trouble == []


def test_a_step_is_painted_within_a_tenth_of_a_second_or_so(opened, record_property):
    page = opened(slider_page.TARGET)
    steps = """root => {
      const slider = root.querySelector("input"), times = [];
      for (let stop = 0; stop <= Number(slider.max); stop++) {
        const start = performance.now();
        slider.value = stop;
        slider.dispatchEvent(new Event("input"));
        for (const canvas of root.querySelectorAll("canvas")) canvas.toDataURL("image/jpeg"); // waits for the painting
        times.push(performance.now() - start);
      }
      return times;
    }"""
    median = statistics.median(page.root().evaluate(steps))
    record_property("page_slider_median_ms", round(median))
    print(f"slider step in a page to painted picture: median {median:.0f} ms")
    assert median < 400


def test_a_phone_shows_all_of_it(opened):
    page = opened(slider_page.TARGET)
    page.page.set_viewport_size({"width": 360, "height": 800})
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_without_scripts_the_picture_and_a_read_out_remain(browser):
    page = browser.new_page()
    session = browser.new_cdp_session(page)
    session.send("Emulation.setScriptExecutionDisabled", {"value": True})
    page.goto(slider_page.TARGET.as_uri())
    assert page.locator(".lcnb-photo").is_visible()
    assert page.get_by_text("nothing to drag").is_visible()
    assert "at ρ = 0.985" in page.get_by_role("status").inner_text()
    page.close()


def test_an_executed_notebook_carries_two_of_them(opened, tmp_path, small_cascade, picture, truth):
    """As `lcnb run` and `make book` write pages: the widget is gone, its slider is in its place."""
    explorers = [
        ThresholdExplorer(small_cascade, [picture], CLASSES, 0.6, masks=[truth], ignore_index=11, cumulative=way)
        for way in (False, True)
    ]
    cells = [
        {
            "cell_type": "code", "id": f"c{n}", "metadata": {}, "source": "explorer", "execution_count": n,
            "outputs": [{"output_type": "execute_result", "execution_count": n, "metadata": {},
                         "data": json.loads(json.dumps(explorer._repr_mimebundle_()))}],
        }
        for n, explorer in enumerate(explorers, start=1)
    ]  # fmt: skip
    content = clean({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}, [])
    write_html(content, tmp_path / "x.html", "x", tmp_path)
    page = opened(tmp_path / "x.html")
    decoded = Decoded(explorers[1].page())
    stop, colours = 5, class_colours(CLASSES)
    page.go(stop, 1)
    assert page.told(1)[0] == decoded.data["stops"][stop]
    assert page.told(0)[0] == 0.6  # each is on its own
    rows = np.arange(decoded.height) * decoded.data["grid"][0] // decoded.height
    columns = np.arange(decoded.width) * decoded.data["grid"][1] // decoded.width
    stage = decoded.stage(stop)[rows[:, None], columns]
    for after in range(3):
        wanted = colourise(np.where(stage <= after, decoded.labels[stop], 255), colours, UNKNOWN)
        assert np.array_equal(page.pixels(str(after), 1), wanted)
    assert page.trouble == []


def test_a_cascade_of_two_stages(opened, tmp_path, picture):
    """One exit: the widget of a cascade of two stages has a page as well."""
    cascade = irnet_lc(len(CLASSES), width=0.05, blocks=(1, 1, 1)).eval()
    cascade.stages, cascade.heads = cascade.stages[:2], cascade.heads[:2]
    explorer = ThresholdExplorer(cascade, [picture], CLASSES, 0.3)
    (tmp_path / "two.html").write_text(explorer.page(), encoding="utf-8")
    page = opened(tmp_path / "two.html")
    assert len(page.told()[1]) == 2
    assert page.trouble == []
