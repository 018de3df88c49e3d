"""Colours that can be told apart, by everyone.

Distances are Euclidean in OKLab (Ottosson, 2020); dichromats are simulated with the matrices of Machado, Oliveira and
Fernandes (2009), severity 1.
"""

import numpy as np
import pytest

from lcnb.datasets import names, spec
from lcnb.datasets.layouts import COVERED7
from lcnb.palettes import (
    DIFFICULTY,
    IGNORED,
    MODES,
    STAGES,
    UNKNOWN,
    VOC_SEVEN,
    blend,
    class_colours,
    colourise,
    hexadecimal,
)

VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
_TO_LMS = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
_TO_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip


def oklab(rgb, vision="normal"):
    """(n, 3) sRGB in 0 .. 255 -> (n, 3) OKLab (lightness 0 .. 1) as that kind of vision sees it."""
    s = np.asarray(rgb, dtype=float) / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ VISION[vision].T, 0, 1)
    return np.cbrt(seen @ _TO_LMS.T) @ _TO_LAB.T


def smallest_distance(rgb):
    """The smallest OKLab distance between any two of the colours, over all kinds of vision."""
    worst = np.inf
    for vision in VISION:
        lab = oklab(rgb, vision)
        apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)
        worst = min(worst, apart[~np.eye(len(lab), dtype=bool)].min())
    return float(worst)


@pytest.mark.parametrize(
    ("name", "least"), [("streets", 0.11), ("camvid", 0.11), ("cityscapes", 0.1), ("voc2012", 0.1)]
)
def test_class_colours_are_apart_for_every_kind_of_vision(name, least):
    colours = class_colours(spec(name).classes)
    assert len(colours) == len(spec(name).classes)
    assert smallest_distance(np.array(colours)) > least


def test_every_data_set_is_covered_by_the_test_above():
    assert set(names()) == {"streets", "camvid", "cityscapes", "voc2012"}


def test_the_seven_classes_of_photographs_have_colours_of_their_own():
    assert list(VOC_SEVEN) == list(COVERED7)
    assert class_colours(COVERED7) == list(VOC_SEVEN.values())
    own = np.array(list(VOC_SEVEN.values()))
    assert smallest_distance(np.array([*own, UNKNOWN])) > 0.12
    assert np.linalg.norm(oklab(own)[:, None] - oklab(np.array(STAGES)), axis=2).min() > 0.15  # shown side by side


def test_stages_are_apart_and_run_from_light_to_dark():
    assert smallest_distance(np.array([*STAGES, UNKNOWN])) > 0.04
    assert smallest_distance(np.array(STAGES)) > 0.15
    for vision in VISION:
        lightness = oklab(np.array([UNKNOWN, *STAGES]), vision)[:, 0]
        assert (np.diff(lightness) < 0).all()


def test_grades_share_no_colour_with_exit_stages():
    assert list(DIFFICULTY) == ["easy", "moderate", "hard"]
    grades = np.array(list(DIFFICULTY.values()))
    assert smallest_distance(grades) > 0.25
    assert smallest_distance(np.array([*grades, *STAGES, UNKNOWN])) > 0.06
    for vision in VISION:
        assert (np.diff(oklab(grades, vision)[:, 0]) < -0.15).all()


def test_badges_are_legible():
    for back, ink in MODES.values():
        light, dark = sorted((_luminance(back), _luminance(ink)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 4.5  # WCAG 2.1, AA


def _luminance(colour):
    rgb = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)


def test_the_measure_itself():
    assert smallest_distance(np.array([(0, 0, 0), (255, 255, 255)])) == pytest.approx(1, abs=0.01)
    # a red and a green that differ for most people and hardly for a deuteranope
    pair = np.array([(214, 90, 50), (135, 130, 40)])
    far = np.linalg.norm(np.diff(oklab(pair), axis=0))
    assert smallest_distance(pair) < far / 2


def test_too_many_classes():
    with pytest.raises(ValueError, match="30"):
        class_colours([str(i) for i in range(30)])


def test_colourise_and_blend_by_hand():
    labels = np.array([[0, 1], [9, 255]])
    picture = colourise(labels, [(10, 20, 30), (40, 50, 60)])
    assert picture.tolist() == [[[10, 20, 30], [40, 50, 60]], [list(IGNORED)] * 2]
    half = blend(np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 200, np.uint8), 0.5)
    assert half.tolist() == [[[100, 100, 100]]]
    assert hexadecimal((1, 16, 255)) == "#0110ff"
