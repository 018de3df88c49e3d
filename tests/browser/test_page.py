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
        self.data = Decoded(path.read_text(encoding="utf-8")).data
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
    assert page.root().locator("[aria-live=polite]").count() == 2  # the read-out, and what is told of a cell
    assert page.trouble == []


def test_a_cell_is_explained_by_pointer_keys_and_touch(opened):
    page = opened(slider_page.TARGET)
    decoded, root, stop = Decoded(slider_page.TARGET.read_text(encoding="utf-8")), page.root(), 22
    page.go(stop)
    stages, why = root.locator('canvas[data-kind="stages"]'), root.locator(".lcnb-why")

    def check(cell):
        assert int(why.get_attribute("data-cell")) == cell
        at = (cell // decoded.data["grid"][1], cell % decoded.data["grid"][1])
        told = why.locator(".lcnb-says").all_inner_texts()
        exit_ = decoded.stage(stop)[at]
        for s, text in enumerate(told):
            assert decoded.data["classes"][decoded.tops[0, s, 0][at]] in text
            assert ("not asked" in text) == (s > exit_)
            assert ("it exits here" in text or "the last stage decides" in text) == (s == exit_)
        assert why.locator(".lcnb-row").count() == 9
        line = why.locator(".lcnb-rho").first.get_attribute("style")
        assert line == f"left: {100 * decoded.data['stops'][stop]:.1f}%;"

    box = stages.bounding_box()
    height, width = decoded.data["grid"]
    stages.hover(position={"x": 5.5 * box["width"] / width, "y": 9.5 * box["height"] / height})
    check(9 * width + 5)
    stages.click(position={"x": 30.5 * box["width"] / width, "y": 9.5 * box["height"] / height})
    stages.hover(position={"x": 3, "y": 3})
    check(9 * width + 30)  # a click keeps it
    stages.focus()
    page.page.keyboard.press("ArrowDown")
    check(10 * width + 30)
    page.page.keyboard.press("Escape")
    assert why.locator(".lcnb-row").count() == 0
    session = page.page.context.new_cdp_session(page.page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    place = {"x": box["x"] + 40.5 * box["width"] / width, "y": box["y"] + 20.5 * box["height"] / height}
    for kind, points in (("touchStart", [place]), ("touchEnd", [])):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    check(20 * width + 40)
    assert page.trouble == []


def test_the_wipe_shows_dense_truth_and_the_image(opened):
    page = opened(slider_page.TARGET)
    decoded, cover = Decoded(slider_page.TARGET.read_text(encoding="utf-8")), page.root().locator(".lcnb-cover")
    colours, wipe = class_colours(decoded.data["classes"]), page.root().get_by_role("slider", name="wipe")
    assert cover.evaluate("e => e.style.clipPath") == "inset(0px 100% 0px 0px)"
    for name, labels in (("truth", decoded.truth), ("dense", decoded.dense)):
        page.root().get_by_label("what to wipe in").select_option(name)
        assert np.array_equal(picture_of(cover.evaluate(PIXELS)), colourise(labels, colours))
        assert page.root().get_by_text(f"{name} | labels").is_visible()
    wipe.focus()
    page.page.keyboard.press("ArrowRight")
    assert cover.evaluate("e => e.style.clipPath") == "inset(0px 49% 0px 0px)"
    assert wipe.get_attribute("aria-valuetext") == "51% dense"
    assert page.trouble == []


def test_play_sweeps_the_threshold_and_draws_the_curve(opened):
    page = opened(slider_page.TARGET)
    stops, past = len(page.data["stops"]), page.root().locator(".lcnb-past")
    page.go(stops - 4)
    page.root().get_by_role("button", name="play").click()
    page.root().get_by_role("button", name="play").wait_for()  # it said pause while it played
    assert page.told()[0] == 1
    assert len(past.get_attribute("points").split()) == stops
    label = page.root().locator(".lcnb-curve svg").get_attribute("aria-label")
    assert label == f"mIoU of this image {page.data['scores'][-1]:.3f} at 100% of the multiply-adds"
    page.root().get_by_role("button", name="play").click()  # from the start again, until it is stopped
    page.root().get_by_role("button", name="pause").click()
    assert page.told()[0] < 1
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


def test_phone_and_desk_show_all_of_it_on_60_percent_of_their_height(opened):
    page = opened(slider_page.TARGET)
    for width, height in ((360, 800), (390, 844), (1280, 720), (1280, 1000)):
        page.page.set_viewport_size({"width": width, "height": height})
        assert page.page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.root().bounding_box()["height"] <= 0.6 * height + 1
        assert page.root().locator("canvas[data-kind]").count() == 3
        assert page.root().evaluate("root => root.scrollHeight - root.clientHeight") < (250 if width < 500 else 2)


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
