"""The film's frame: three panels of the right colours, at one size, whatever the clip's."""

import numpy as np
import pytest
import torch

from lcnb.palettes import STAGES, class_colours
from lcnb.video import Compared, Painter, Side
from lcnb.video.drawing import GAP, TOP
from tests.conftest import CLASSES


def compared(size=(60, 80), ms=(100.0, 50.0), which=("dense", "cascade")):
    frame = torch.zeros(3, *size, dtype=torch.uint8)
    sides = {
        name: Side(np.full(size, k, np.uint8), t, 1000 / t)
        for k, (name, t) in enumerate(zip(("dense", "cascade"), ms, strict=True))
    }
    stage = np.full(size, 2, np.uint8) if "cascade" in which else None
    exits = (0.25, 0.25, 0.5) if "cascade" in which else ()
    return Compared(0, frame, *(sides[n] if n in which else None for n in ("dense", "cascade")), stage, exits)


def middle(picture, painter, place):
    return picture[TOP + painter.height // 2, GAP + place * (painter.width + GAP) + painter.width // 2]


@pytest.mark.parametrize("size", [(60, 80), (61, 83), (100, 30), (8, 400)])
def test_panels_show_labels_and_stages(size):
    painter = Painter(CLASSES, size, panel=160, caption="a machine")
    picture = painter(compared(size))
    assert picture.shape == painter.shape
    assert picture.dtype == np.uint8
    colours = class_colours(CLASSES)
    for place, colour in enumerate((colours[0], colours[1], STAGES[2])):
        assert middle(picture, painter, place) == pytest.approx(0.55 * np.array(colour), abs=1)


def test_bars_are_as_long_as_the_times():
    painter = Painter(CLASSES, (60, 80), panel=160)
    picture = painter(compared())
    row = picture[TOP + painter.height + 12]

    def bar(place):
        left = GAP + place * (painter.width + GAP)
        colour = row[left]
        return int(np.argmin((row[left:] == colour).all(1)))

    assert bar(0) == pytest.approx(2 * bar(1), abs=2)
    assert painter.scale == 200


def test_a_network_that_does_not_run_is_pale():
    painter = Painter(CLASSES, (60, 80), panel=160)
    full, half = painter(compared()), painter(compared(which=("dense",)))
    assert full.shape == half.shape
    assert middle(half, painter, 1).min() > 150
    assert middle(half, painter, 2).min() > 150
    assert np.array_equal(middle(full, painter, 0), middle(half, painter, 0))


def test_the_counter_is_written():
    one, other = (Painter(CLASSES, (60, 80), panel=160, scale=500.0) for _ in range(2))
    slow, fast = one(compared(ms=(100.0, 50.0))), other(compared(ms=(100.0, 40.0)))
    left = GAP + 160 + GAP
    assert (slow[:TOP, left : left + 160] != fast[:TOP, left : left + 160]).any()
    assert (slow[:TOP, :left] == fast[:TOP, :left]).all()
