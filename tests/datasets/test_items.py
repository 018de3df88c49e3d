"""Items are tv_tensors that move together, and a pair that does not fit is refused."""

import pickle

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from lcnb.datasets import base as dataset_module
from lcnb.datasets import class_shares, load_dataset
from tests.datasets import trees


@pytest.fixture
def folder(root):
    return trees.camvid(root / "camvid", {"val": 2})


def test_items_are_tv_tensors(folder):
    """Which torchvision's transforms move together."""
    image, mask = load_dataset("camvid", "val")[0]
    moved = load_dataset("camvid", "val", transform=v2.RandomHorizontalFlip(p=1))[0]
    assert all(m.equal(p.flip(-1)) for m, p in zip(moved, (image, mask), strict=True))
    assert (type(image), type(mask)) == (tv_tensors.Image, tv_tensors.Mask)
    assert (image.dtype, mask.dtype) == (torch.uint8, torch.uint8)
    assert (image.shape, mask.shape) == ((3, trees.H, trees.W), (trees.H, trees.W))


def test_every_item_once_and_no_more(folder):
    data = load_dataset("camvid", "val")
    assert len(list(data)) == len(data) == 2
    assert torch.equal(data[-1][0], data[1][0])
    assert "camvid" in repr(data)
    assert "2 images" in repr(data)
    with pytest.raises(IndexError):
        data[2]


def test_a_mask_is_read_without_its_image(folder, monkeypatch):
    monkeypatch.setattr(dataset_module, "read_image", lambda path: pytest.fail("decoded an image"))
    data = load_dataset("camvid", "val", transform=v2.RandomHorizontalFlip(p=1))
    assert torch.equal(data.mask(0), torch.from_numpy(trees.labels([*range(12)])))


def test_a_data_set_can_be_sent_to_a_worker_process(folder):
    data = pickle.loads(pickle.dumps(load_dataset("camvid", "val")))
    assert data[1][1].shape == (trees.H, trees.W)


def test_class_shares_by_hand(folder):
    """Of 2 x 24 x 32 pixels half are ignored; classes 0 and 3 share the rest 3 to 1."""
    first, second = trees.labels([11]), trees.labels([0])
    first[:] = 11
    second[: trees.H // 4] = 3
    for k, values in enumerate((first, second)):
        trees.write(values, folder / "valannot" / f"val_{k:03}.png")
    shares = class_shares(load_dataset("camvid", "val"))
    assert shares.dtype == torch.float64
    assert shares.tolist() == [0.75, 0, 0, 0.25] + [0] * 7


def test_class_shares_count_masks_only_untransformed_and_relabelled(root, monkeypatch):
    monkeypatch.setattr(dataset_module, "read_image", lambda path: pytest.fail("decoded an image"))
    folder = trees.voc(root / "voc2012", {"val": 1})
    values = trees.labels([0])
    values[:12], values[:6] = 15, 2  # person on a quarter, bird (not covered) on a quarter
    trees.write(values, folder / "SegmentationClass" / "2007_val_000000.png", palette=True)
    data = load_dataset("voc2012", "val", classes="covered7", transform=v2.CenterCrop((2, 2)))
    assert class_shares(data).tolist() == pytest.approx([2 / 3, 0, 0, 0, 0, 1 / 3, 0])


def test_class_shares_of_unlabelled_masks_are_zero(folder):
    for k in range(2):
        trees.write(trees.labels([11]), folder / "valannot" / f"val_{k:03}.png")
    assert class_shares(load_dataset("camvid", "val")).tolist() == [0] * 11
