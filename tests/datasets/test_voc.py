"""VOC's layout with and without its prefix, palette masks, void, and the seven covered classes."""

import pytest
import torch

from lcnb.datasets import load_dataset, locate, splits
from lcnb.datasets.layouts import COVERED7, VOC_CLASSES
from lcnb.errors import DataError
from tests.datasets import trees


@pytest.mark.parametrize("prefix", ["voc2012/VOCdevkit/VOC2012", "voc2012/VOC2012", "voc2012", "VOCdevkit/VOC2012"])
def test_found_with_and_without_the_prefix(prefix, root):
    trees.voc(root / prefix, {"train": 2, "val": 1})
    assert splits("voc2012") == ["train", "val"]
    data = load_dataset("voc2012", "train")
    assert data.names == ["2007_train_000000", "2007_train_000001"]
    image, mask = data[1]
    assert image.shape == (3, trees.H, trees.W)
    assert torch.equal(mask, torch.from_numpy(trees.labels([*range(21), 255], 1)))


def test_an_empty_folder_does_not_hide_the_archive_beside_it(root):
    (root / "voc2012").mkdir()
    trees.voc(root / "VOCdevkit" / "VOC2012", {"val": 1})
    assert locate("voc2012") == root


def test_the_seven_covered_classes(root):
    trees.voc(root / "voc2012", {"val": 1})
    data = load_dataset("voc2012", "val", classes="covered7")
    raw, mask = load_dataset("voc2012", "val")[0][1], data[0][1]
    assert data.spec.classes == COVERED7 == ("background", "cat", "cow", "dog", "horse", "person", "sheep")
    assert data.spec.ignore_index == 255
    for label in [*range(21), 255]:
        name = VOC_CLASSES[label] if label < 21 else "void"
        expected = COVERED7.index(name) if name in COVERED7 else 255
        assert mask[raw == label].unique().tolist() == [expected]


def test_splits_come_in_a_sensible_order_and_are_not_made_up(root):
    folder = trees.voc(root / "voc2012", {"val": 1, "b": 1, "trainaug": 1, "a": 1, "train": 1})
    assert splits("voc2012") == ["train", "trainaug", "val", "a", "b"]
    with pytest.raises(DataError, match=r"has no split '\.\./val'"):
        load_dataset("voc2012", "../val")
    assert (folder / "ImageSets").is_dir()


def test_trainaug_takes_the_masks_of_sbd_where_they_are(root):
    folder = trees.voc(root / "voc2012", {"trainaug": 1, "val": 1})
    assert load_dataset("voc2012", "trainaug").pairs[0][1].parent.name == "SegmentationClass"
    trees.voc(folder, {"trainaug": 1}, masks="SegmentationClassAug")
    assert load_dataset("voc2012", "trainaug").pairs[0][1].parent.name == "SegmentationClassAug"
    assert load_dataset("voc2012", "val").pairs[0][1].parent.name == "SegmentationClass"


def test_trainaug_mixes_both_folders_and_reads_lists_of_paths(root):
    """As published: an image of SBD has no mask of VOC's, and the lists hold paths."""
    folder = trees.voc(root / "voc2012", {"trainaug": 3})
    (folder / "SegmentationClassAug").mkdir()
    for k in (1, 2):
        name = f"2007_trainaug_{k:06}.png"
        (folder / "SegmentationClass" / name).rename(folder / "SegmentationClassAug" / name)
    lines = [f"/JPEGImages/2007_trainaug_{k:06}.jpg /SegmentationClassAug/2007_trainaug_{k:06}.png" for k in range(3)]
    (folder / "ImageSets/Segmentation/trainaug.txt").write_text("\n".join(lines))
    data = load_dataset("voc2012", "trainaug")
    kinds = ["SegmentationClass", "SegmentationClassAug", "SegmentationClassAug"]
    assert [mask.parent.name for _, mask in data.pairs] == kinds
    assert torch.equal(data[2][1], torch.from_numpy(trees.labels([*range(21), 255], 2)))


def test_stems_may_have_dots_and_spaces(root):
    folder = trees.voc(root / "voc2012", {"val": 2})
    for k, name in enumerate(("2007.000032", "my cat")):
        for kind, suffix in (("JPEGImages", "jpg"), ("SegmentationClass", "png")):
            (folder / kind / f"2007_val_{k:06}.{suffix}").rename(folder / kind / f"{name}.{suffix}")
    (folder / "ImageSets/Segmentation/val.txt").write_text("2007.000032\nmy cat\n")
    assert load_dataset("voc2012", "val").names == ["2007.000032", "my cat"]


def test_without_sbd_the_error_says_how_to_get_it(root):
    folder = trees.voc(root / "voc2012", {"train": 1, "val": 1})
    ways = r"To have it, run `lcnb data sbd` .*SegmentationClassAug/.*trainaug\.txt; or train on the split 'train'$"
    for classes in ("all", "covered7"):
        with pytest.raises(DataError, match=rf"has no split 'trainaug'; it has train, val\. {ways}"):
            load_dataset("voc2012", "trainaug", classes=classes)
    (folder / "ImageSets/Segmentation/trainaug.txt").write_text("2007_train_000000\n2007_val_000000\n2010_000001\n")
    with pytest.raises(DataError, match=rf"names 2010_000001, whose mask is neither .* \(1 such\)\. {ways}"):
        load_dataset("voc2012", "trainaug")
