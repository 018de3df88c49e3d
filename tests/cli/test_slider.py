"""`lcnb slider`: a photograph becomes a page."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from lcnb.models import irnet_lc
from lcnb.weights import save
from tests.export.decoder import Decoded


@pytest.fixture
def photo(home):
    path = home / "my street.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)).save(path)
    return path


def test_writes_a_page_beside_the_reader(lcnb, data, photo, home):
    out = lcnb.ok("slider", photo, "--weights", "tiny")
    page = home / "my street.html"
    assert "wrote my street.html" in out
    decoded = Decoded(page.read_text(encoding="utf-8"))
    assert decoded.data["size"] == [50, 70]
    assert decoded.data["stops"][decoded.data["start"]] == 0.5  # the weights' own


def test_takes_a_name_and_a_start(lcnb, data, photo, home):
    assert lcnb("slider", photo, "--weights", "tiny", "--rho", "0.77", "--out", home / "a" / "b.html")[0] == 0
    decoded = Decoded((home / "a" / "b.html").read_text(encoding="utf-8"))
    assert decoded.data["stops"][decoded.data["start"]] == 0.77


def test_weights_that_do_not_know_their_classes_have_numbers(lcnb, data, photo, home):
    save(irnet_lc(4, width=0.05, blocks=(1, 1, 1)).eval(), home / "bare", {"rho": 0.5})
    assert lcnb("slider", photo, "--weights", home / "bare", "--out", "x.html")[0] == 0
    assert Decoded((home / "x.html").read_text(encoding="utf-8")).data["classes"][3] == "class 3"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_shown_on_a_terminal_only(lcnb, data, photo, monkeypatch):
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        assert lcnb("slider", photo, "--weights", "tiny")[0] == 0
        assert ("my street" in stream.getvalue(), "3/3" in stream.getvalue()) == (shown, shown)
