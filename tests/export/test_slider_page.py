"""docs/slider.html is what tools/slider_page.py would write today."""

import re

import numpy as np
import pytest
import torch

import lcnb
from lcnb.models import rethreshold
from tests.export.decoder import Decoded
from tools import slider_page


@pytest.fixture(scope="module")
def text():
    return slider_page.TARGET.read_text(encoding="utf-8")


def test_it_is_fresh(text):
    made_of = re.search(r'<meta name="lcnb" content="made of (\w+)">', text)[1]
    assert made_of == slider_page.digest(), "run: python -m tools.slider_page"


def test_it_is_small_and_shows_what_the_network_says(text):
    size = slider_page.TARGET.stat().st_size
    assert size < 115_000
    readme = (slider_page.ROOT / "README.md").read_text(encoding="utf-8")
    assert f"(one file, {size / 1e3:.0f} kB:" in readme.replace("\n", " ")
    data = lcnb.load_dataset("streets", "val")
    image, _ = data[data.names.index(slider_page.NAME)]
    with torch.inference_mode():
        logits = lcnb.load("streets-small").all_stages(image[None].float() / 255)
    decoded = Decoded(text)
    for rho in (0.0, 0.9, 0.985, 1.0):  # another processor rounds otherwise: a few cells may tip
        stop, out = decoded.data["stops"].index(rho), rethreshold(logits, rho)
        assert np.mean(decoded.stage(stop) != out.stage[0].numpy()) < 0.01
        assert np.mean(decoded.labels[stop] != out.labels[0].numpy()) < 0.01
