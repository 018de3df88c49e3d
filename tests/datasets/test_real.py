"""The official trees, as a user has them: every list is complete, and first and last items check out."""

import os

import pytest
import torch

from lcnb.datasets import class_shares, load_dataset, locate, splits

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not os.environ.get("LCNB_DATA"), reason="LCNB_DATA is not set: no real data sets to read"),
]

SIZES = {  # of the subsets that these tests were written with, and of the whole sets
    "camvid": {"train": [367], "val": [101]},
    "voc2012": {"train": [120, 1464], "val": [60, 1449]},
    "cityscapes": {"train": [3, 2975]},
}
SPLITS = [(name, split) for name, found in SIZES.items() for split in found]


def here(name):
    if locate(name) is None:
        pytest.skip(f"LCNB_DATA has no {name}/")


@pytest.mark.parametrize("name", SIZES)
def test_splits(name):
    here(name)
    assert set(SIZES[name]) <= set(splits(name))


@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_first_and_last_item(name, split):
    here(name)
    data = load_dataset(name, split)
    assert len(data) in SIZES[name][split]
    allowed = {*range(len(data.spec.classes)), data.spec.ignore_index}
    for item in (0, len(data) - 1):
        image, mask = data[item]
        assert (image.dtype, mask.dtype) == (torch.uint8, torch.uint8)
        assert image.shape == (3, *mask.shape)
        assert image.float().std() > 10  # a photograph, not one colour
        found = set(mask.unique().tolist())
        assert found <= allowed
        assert len(found - {data.spec.ignore_index}) >= 2


@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_every_mask_holds_classes_only(name, split):
    here(name)
    shares = class_shares(load_dataset(name, split))
    assert shares.sum().item() == pytest.approx(1)
    assert (shares > 0).sum() >= min(10, len(shares))


def test_camvid_is_480x360_and_mostly_road_building_sky_tree():
    here("camvid")
    data = load_dataset("camvid", "train")
    assert data[0][0].shape == (3, 360, 480)
    common = class_shares(data).topk(4).indices.tolist()
    assert {data.spec.classes[k] for k in common} == {"Road", "Building", "Sky", "Tree"}


def test_voc_void_is_ignored_and_the_covered_classes_cover_most():
    here("voc2012")
    data, seven = load_dataset("voc2012", "val"), load_dataset("voc2012", "val", classes="covered7")
    kept = [float((seven.mask(k) != 255).sum() / (data.mask(k) != 255).sum()) for k in range(0, len(data), 10)]
    assert min(kept) > 0.3
    assert torch.tensor(kept).mean() > 0.8
    assert any((data.mask(k) == 255).any() for k in range(5))


def test_cityscapes_ids_are_mapped():
    here("cityscapes")
    data = load_dataset("cityscapes", "train")
    image, mask = data[0]
    assert image.shape == (3, 1024, 2048)
    assert set(mask.unique().tolist()) <= {*range(19), 255}
    bottom = mask[700:850, 700:1350].flatten().long()
    road = data.spec.classes.index("road")
    assert torch.bincount(bottom[bottom != 255]).argmax() == road
