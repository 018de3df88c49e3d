"""The page that runs the real network in the browser, as `make book` builds it, on a photograph that the test makes."""

import functools
import http.server
import io
import threading

import numpy as np
import pytest
import torch
from PIL import Image

import lcnb
from lcnb.errors import LcnbError
from tests.browser.lab import ROOT
from tools import photo_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
RHO = 0.7


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture(scope="module")
def address():
    """Of a server of the page where `make book` builds it; a network written before is kept."""
    folder = ROOT / "build" / "extra" / "photo"
    try:
        photo_page.build(folder)
    except photo_page.MissingError as error:
        pytest.skip(str(error))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(browser, address):
    page, trouble = browser.new_page(), []
    page.on("console", lambda m: trouble.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: trouble.append(str(e)))
    page.on("request", lambda r: None if r.url.startswith((address, "blob:", "data:")) else trouble.append(r.url))
    page.goto(address)
    page.locator('body[data-ready="yes"]').wait_for(timeout=60_000)
    yield page
    page.close()
    assert trouble == []


def photograph(height, width):
    """(H, W, 3) uint8: large soft blobs of colour."""
    coarse = np.random.default_rng(5).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def test_a_photograph_is_looked_at_dragged_and_explained(page):
    png = io.BytesIO()
    Image.fromarray(photograph(120, 160)).save(png, "PNG")
    page.locator("#file").set_input_files({"name": "mine.png", "mimeType": "image/png", "buffer": png.getvalue()})
    page.locator('#result[data-ready="yes"]').wait_for(timeout=60_000)
    assert "mine.png: 160 x 120 pixels, all stages in" in page.locator("#state").inner_text()
    left = {}
    page.locator("#rho").focus()
    for key in ("Home", "End"):
        page.keyboard.press(key)
        left[key] = page.locator("#result").get_attribute("data-left")
    assert left == {"Home": "300 0 0", "End": "0 0 300"}
    page.locator("#stages").hover(position={"x": 30, "y": 20})
    assert page.locator("#why .lcnb-row").count() == 9
    assert "ρ = 1: no cell exits here" in page.locator("#why").inner_text()
    first = page.locator("#why").get_attribute("data-cell")
    page.locator("#stages").focus()
    page.keyboard.press("ArrowRight")
    assert int(page.locator("#why").get_attribute("data-cell")) == int(first) + 1


def test_labels_are_those_of_torch(page):
    photo = lcnb.load_photo("dog").image[None].float() / 255
    x = torch.nn.functional.interpolate(photo, size=(181, 239), mode="bilinear", antialias=True)
    cascade = lcnb.load(photo_page.WEIGHTS)
    with torch.inference_mode():
        wanted = cascade.rethreshold(cascade.all_stages(x), RHO).labels[0]
    found = page.evaluate("([x, H, W, rho]) => labelsOf(x, H, W, rho)", [x.flatten().tolist(), 181, 239, RHO])
    assert len(wanted.unique()) > 1
    assert np.mean(np.array(found).reshape(181, 239) == wanted.numpy()) >= 0.999


def test_what_is_no_image_is_said(page):
    page.locator("#file").set_input_files({"name": "mine.txt", "mimeType": "text/plain", "buffer": b"no image"})
    page.get_by_text("mine.txt is no image that this browser can read.").wait_for()


def test_the_page_is_left_out_where_npm_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("sys.argv", ["photo_page", str(tmp_path / "photo")])
    photo_page.main()
    assert "is left out: npm is missing" in capsys.readouterr().out
    assert not (tmp_path / "photo").exists()
    with pytest.raises(LcnbError):
        photo_page.build(tmp_path / "photo")
