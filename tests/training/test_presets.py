"""Every preset runs: one step of either kind on the data it names, with its own settings wherever they are affordable.

What is changed is listed below, and why: a whole step would take more than 1.5 GB or 15 s on one core, or the data at
hand is a part of the data set.
"""

import dataclasses
import math
import os

import pytest

from lcnb.datasets import load_dataset, locate, splits
from lcnb.errors import DataError
from lcnb.training import PRESETS, Trainer
from tests.training.conftest import quiet, rows

TWO_STEPS = {"steps": 1, "cascade_steps": 1, "val_every": 0, "val_images": 1, "log_every": 1, "workers": 0}
CHANGED = {
    "voc-lite": {"batch": 2},  # all 8 take more memory than a test may
    "cascade-training": {"batch": 2},
    "camvid-lite": {"batch": 2},
    "streets-lite": {"batch": 2},
    "streets-small": {"batch": 2},  # all 8 take more memory than a test may
    "camvid-small": {"batch": 2},  # as streets-small
    "camvid-large": {"batch": 1},  # as streets-small
    "voc-paper": {"batch": 2, "width": 0.25, "crop": (128, 128)},  # at width 1 the weights alone take that much
    "cityscapes-paper": {"batch": 1, "width": 0.1, "crop": (128, 256)},  # so that scoring a 2048x1024 picture fits
}
REAL = ("camvid", "voc2012", "cityscapes")


def smoke(name):
    """The preset's settings for two steps, with splits that are here.

    Subsets lack some: VOC may have no trainaug, and three pictures of Cityscapes are all of train.
    """
    preset = PRESETS[name]
    if preset.dataset in REAL and not os.environ.get("LCNB_DATA"):
        pytest.skip("LCNB_DATA is not set: no real data sets to train on")
    if locate(preset.dataset) is None:
        pytest.skip(f"there is no {preset.dataset}/ in LCNB_DATA or in data/")
    here = splits(preset.dataset)
    changed = {key: "train" for key in ("split", "val_split") if getattr(preset, key) not in here}
    return dataclasses.replace(preset, **TWO_STEPS, **CHANGED[name], **changed)


def test_every_preset_is_run_here():
    assert CHANGED.keys() == PRESETS.keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.real] * (p.dataset in REAL)) for n, p in PRESETS.items()]
)
def test_two_steps(name, tmp_path):
    config = smoke(name)
    Trainer(config, tmp_path / "run", say=quiet).run()
    log = rows(tmp_path / "run")
    assert [(row["step"], row["phase"]) for row in log] == [("1", "deep"), ("2", "cascade")]
    assert all(0 < float(row["loss"]) < math.inf for row in log)
    assert 0 <= float(log[-1]["miou_true"]) <= 1


@pytest.mark.real
def test_voc_paper_says_how_to_get_its_split_where_it_is_missing(tmp_path):
    smoke("voc-paper")
    config = PRESETS["voc-paper"]
    if config.split in splits("voc2012"):
        assert len(load_dataset("voc2012", config.split)) > len(load_dataset("voc2012", "train"))
        return
    with pytest.raises(DataError, match=r"has no split 'trainaug'; .* To have it, run `lcnb data sbd`"):
        Trainer(config, tmp_path / "run", say=quiet)
    assert not (tmp_path / "run").exists()
