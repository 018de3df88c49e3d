"""CamVid's layout (and that of `streets`): lists with a foreign prefix, folders without lists, what can be wrong."""

import pytest
import torch

from lcnb.datasets import load_dataset, splits
from lcnb.errors import DataError
from tests.datasets import trees


@pytest.fixture
def folder(root):
    return trees.camvid(root / "camvid", {"train": 3, "val": 2})


def test_lists_with_the_prefix_of_another_machine(folder):
    assert splits("camvid") == ["train", "val"]
    data = load_dataset("camvid", "train")
    assert data.names == ["train_000", "train_001", "train_002"]
    image, mask = data[1]
    assert torch.equal(image, torch.from_numpy(trees.colours(1)).permute(2, 0, 1))
    assert torch.equal(mask, torch.from_numpy(trees.labels([*range(12)], 1)))


def test_the_list_decides_what_belongs_to_the_split_and_in_which_order(folder):
    (folder / "train.txt").write_text("\n  train/train_002.png\r\n\n\ttrain_000.png x.png\n\n", encoding="utf-8-sig")
    assert load_dataset("camvid", "train").names == ["train_002", "train_000"]


def test_a_list_may_leave_out_the_suffix(root):
    folder = trees.camvid(root / "camvid", {"val": 2}, suffix=".webp")
    (folder / "val.txt").write_text("val_001\nval_000\n")
    assert load_dataset("camvid", "val").names == ["val_001", "val_000"]
    (folder / "val.txt").write_text("val_007\n")
    with pytest.raises(DataError, match=r"val_007\.png does not exist"):
        load_dataset("camvid", "val")


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_without_lists_every_picture_is_taken_in_order(suffix, root):
    folder = trees.camvid(root / "camvid", {"train": 3}, suffix=suffix, lists=False)
    (folder / "train" / "Thumbs.db").touch()
    (folder / "train" / f"._train_000{suffix}").touch()  # as macOS leaves them in archives
    (folder / "trainannot" / "._train_000.png").touch()
    data = load_dataset("camvid", "train")
    assert data.names == ["train_000", "train_001", "train_002"]
    assert data[2][0].shape == (3, trees.H, trees.W)


def test_splits_are_those_on_disk(root, folder):
    trees.camvid(folder, {"test": 1}, lists=False)
    assert splits("camvid") == ["train", "val", "test"]
    (folder / "testannot").rename(folder / "elsewhere")
    assert splits("camvid") == ["train", "val"]
    with pytest.raises(DataError, match=r"CamVid in .* has no split 'test'; it has train, val"):
        load_dataset("camvid", "test")


def test_a_folder_in_place_of_the_list(folder):
    (folder / "train.txt").unlink()
    (folder / "train.txt").mkdir()
    with pytest.raises(DataError, match=r"train\.txt cannot be read"):
        load_dataset("camvid", "train")


@pytest.mark.parametrize("lists", [True, False])
def test_an_image_without_its_mask(lists, root):
    folder = trees.camvid(root / "camvid", {"train": 3}, lists=lists)
    (folder / "trainannot" / "train_001.png").unlink()
    with pytest.raises(DataError, match=r"train_001\.png has no mask: .*/trainannot/train_001\.png does not exist"):
        load_dataset("camvid", "train")


def test_a_mask_without_its_image(root):
    folder = trees.camvid(root / "camvid", {"train": 3}, lists=False)
    for k in (0, 2):
        (folder / "train" / f"train_{k:03}.png").unlink()
    with pytest.raises(DataError, match=r"the mask .*train_000\.png has no image \(2 such\)"):
        load_dataset("camvid", "train")


@pytest.mark.parametrize("kind", ["train", "trainannot"])
def test_a_folder_called_like_a_picture(kind, root):
    folder = trees.camvid(root / "camvid", {"train": 2}, lists=False)
    (folder / kind / "train_001.png").unlink()
    (folder / kind / "train_001.png").mkdir()
    with pytest.raises(DataError, match=rf"{kind}/train_001\.png is a folder"):
        load_dataset("camvid", "train")


def test_an_empty_split(root):
    folder = root / "camvid"
    for name in ("train", "trainannot"):
        (folder / name).mkdir(parents=True)
    with pytest.raises(DataError, match=r"camvid/train names no images"):
        load_dataset("camvid", "train")
