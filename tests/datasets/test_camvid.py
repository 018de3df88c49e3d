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


def test_names_with_dots_and_spaces(folder):
    """Names may have dots and spaces, in lists of images alone and of images and masks."""
    for k, name in enumerate(("a b.c", "f", "d  e")):
        for kind, stem in (("train", f"train_{k:03}"), ("trainannot", f"train_{k:03}")):
            (folder / kind / f"{stem}.png").rename(folder / kind / f"{name}.png")
    (folder / "train.txt").write_text("x/a b.c.png x/a b.c.png\nf\nd  e\n")
    assert load_dataset("camvid", "train").names == ["a b.c", "f", "d  e"]


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
