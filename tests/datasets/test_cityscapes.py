"""Cityscapes' tree and its raw ids."""

import pytest
import torch

from lcnb.datasets import load_dataset, splits
from lcnb.errors import DataError
from tests.datasets import trees

SCORED = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car", 27: "truck",
    28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip


def test_raw_ids_become_the_19_classes(root):
    trees.cityscapes(root / "cityscapes", {"ulm": 1})
    data = load_dataset("cityscapes", "train")
    assert data.spec.classes == tuple(SCORED.values())
    raw, mask = torch.from_numpy(trees.labels([*range(34)])), data[0][1]
    for label in range(34):
        expected = list(SCORED).index(label) if label in SCORED else 255
        assert mask[raw == label].unique().tolist() == [expected]


def test_cities_in_order_and_splits_on_disk(root):
    folder = trees.cityscapes(root / "cityscapes", {"ulm": 1, "aachen": 2})
    trees.cityscapes(folder, {"bonn": 1}, split="val")
    (folder / "leftImg8bit" / "test").mkdir()
    assert splits("cityscapes") == ["train", "val"]
    names = load_dataset("cityscapes", "train").names
    assert [n.split("_")[0] for n in names] == ["aachen", "aachen", "ulm"]


def test_255_is_unlabelled_and_ids_beyond_the_official_ones_are_refused(root):
    folder = trees.cityscapes(root / "cityscapes", {"ulm": 2})
    masks = sorted(folder.glob("gtFine/train/ulm/*.png"))
    trees.write(trees.labels([7, 255]), masks[0])  # the licence plate's -1
    trees.write(trees.labels([7, 34, 40]), masks[1])
    data = load_dataset("cityscapes", "train")
    assert data[0][1].unique().tolist() == [0, 255]
    with pytest.raises(DataError, match="holds the labels 34, 40; Cityscapes has the classes 0 to 18"):
        data[1]
