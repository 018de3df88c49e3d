"""The registry, and where data sets are looked for."""

import os
import shutil

import pytest

from lcnb.datasets import folders, load_dataset, locate, names, spec, splits
from lcnb.errors import DataError
from tests.datasets import trees

CLASSES = {"streets": 11, "camvid": 11, "voc2012": 21, "cityscapes": 19}


def test_names_and_what_is_fixed_about_each():
    assert names() == list(CLASSES)
    for name, count in CLASSES.items():
        fixed = spec(name)
        assert (fixed.name, len(fixed.classes), len(set(fixed.classes))) == (name, count, count)
        assert fixed.ignore_index == (11 if count == 11 else 255)
        assert all([fixed.title, fixed.licence, fixed.how_to_get, fixed.layout, fixed.folder])
    assert spec("streets").classes == spec("camvid").classes
    assert len(spec("voc2012", "covered7").classes) == 7


@pytest.mark.parametrize("call", [spec, locate, splits, load_dataset])
def test_an_unknown_name_lists_the_known_ones(call):
    with pytest.raises(DataError, match="'ade20k'; there are streets, camvid, voc2012, cityscapes"):
        call("ade20k")


@pytest.mark.parametrize(("name", "classes"), [("camvid", "covered7"), ("voc2012", "covered8")])
def test_other_choices_of_classes_are_refused(name, classes):
    with pytest.raises(DataError, match=f"classes='{classes}' is not a choice for {name}"):
        load_dataset(name, classes=classes)


@pytest.mark.parametrize("name", CLASSES)
def test_a_missing_data_set_says_where_it_looked_and_how_to_get_it(name, root):
    assert locate(name) is None
    assert splits(name) == []
    with pytest.raises(DataError) as caught:
        load_dataset(name)
    message = str(caught.value)
    assert message.startswith(f"{spec(name).title} is not here: no {name}/ in $LCNB_DATA = {root}, {os.getcwd()}/data.")
    assert spec(name).how_to_get in message
    assert message.endswith("and point LCNB_DATA at the folder above it")


MADE = {
    "camvid": lambda folder: trees.camvid(folder, {"train": 3}, lists=False),
    "listed": lambda folder: trees.camvid(folder.with_name("camvid"), {"train": 3}),
    "cityscapes": lambda folder: trees.cityscapes(folder, {"ulm": 3}),
    "voc2012": lambda folder: trees.voc(folder, {"train": 3}),
}
BROKEN = [
    ("camvid", "trainannot/*1.png", r"1\.png has no mask: .*/trainannot/train_001\.png does not exist"),
    ("listed", "trainannot/*1.png", r"1\.png has no mask: .*/trainannot/train_001\.png does not exist"),
    ("camvid", "train/*[02].png", r"the mask .*train_000\.png has no image \(2 such\)"),
    ("camvid", "train*/*.png", "camvid/train names no images"),
    ("camvid", "trainannot", r"CamVid in .*camvid is incomplete: it needs train/ beside trainannot/"),
    ("cityscapes", "gtFine/*/*/*1_*.png", r"ulm_000001_000019_leftImg8bit\.png has no mask"),
    ("cityscapes", "leftImg8bit/*/*/*1_*.png", "the mask .* has no image"),
    ("cityscapes", "*/*/*/*", "leftImg8bit/train names no images"),
    ("voc2012", "JPEGImages/*1.jpg", r"train\.txt names 2007_train_000001\.jpg, but .* does not exist"),
    ("voc2012", "SegmentationClass/*1.png", r"2007_train_000001\.jpg has no mask"),
    ("voc2012", "ImageSets", "PASCAL VOC 2012 in .*voc2012 is incomplete: it needs JPEGImages/.*VOCdevkit"),
]
"""What is made, what is taken away, and the sentence."""


@pytest.mark.parametrize(("name", "gone", "text"), BROKEN)
def test_a_broken_tree_is_named(name, gone, text, root):
    folder = MADE[name](root / name)
    for path in folder.glob(gone):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DataError, match=text):
        load_dataset(folder.name, "train")


@pytest.mark.parametrize("kind", ["train", "trainannot"])
def test_a_folder_called_like_an_image(kind, root):
    folder = trees.camvid(root / "camvid", {"train": 2}, lists=False)
    (folder / kind / "train_001.png").unlink()
    (folder / kind / "train_001.png").mkdir()
    with pytest.raises(DataError, match=rf"{kind}/train_001\.png is a folder"):
        load_dataset("camvid", "train")


def test_the_first_root_that_has_it_wins(root, tmp_path, monkeypatch):
    second = trees.camvid(tmp_path / "second" / "camvid", {"val": 1})
    monkeypatch.setenv("LCNB_DATA", os.pathsep.join([str(root), str(second.parent)]))
    (root / "camvid").mkdir()  # there, but without a split
    assert locate("camvid") == second
    first = trees.camvid(root / "camvid", {"val": 2})
    assert locate("camvid") == first
    assert len(load_dataset("camvid", "val")) == 2


def test_each_split_is_read_from_the_first_folder_that_has_it(root, tmp_path, monkeypatch):
    first = trees.voc(root / "voc2012", {"train": 3, "val": 2})
    second = trees.voc(tmp_path / "more" / "voc2012" / "VOCdevkit" / "VOC2012", {"train": 5, "val": 4, "trainaug": 6})
    second = second.parents[1]
    monkeypatch.setenv("LCNB_DATA", os.pathsep.join([str(root), str(second.parent)]))
    assert folders("voc2012") == {first: ["train", "val"], second: ["trainaug"]}
    assert splits("voc2012") == ["train", "trainaug", "val"]
    assert [len(load_dataset("voc2012", s)) for s in splits("voc2012")] == [3, 6, 2]
    assert [locate("voc2012", s) for s in (None, "val", "trainaug", "test")] == [first, first, second, None]
    with pytest.raises(DataError) as caught:
        load_dataset("voc2012", "test")
    assert f"in {first} and {second} has no split 'test'; it has train, val, trainaug" in str(caught.value)

    monkeypatch.setenv("LCNB_DATA", os.pathsep.join([str(second.parent), str(root)]))
    assert folders("voc2012") == {second: ["train", "trainaug", "val"], first: []}
    assert [len(load_dataset("voc2012", s)) for s in splits("voc2012")] == [5, 6, 4]
    assert len(load_dataset("voc2012", "val", root=first)) == 2  # a folder that is given is the only one
    with pytest.raises(DataError, match=f"in {first} has no split 'trainaug'; it has train, val. To have it, run"):
        load_dataset("voc2012", "trainaug", root=first)


def test_data_of_the_working_directory_is_found(root, monkeypatch):
    monkeypatch.delenv("LCNB_DATA")
    trees.camvid(root.parent / "elsewhere" / "data" / "streets", {"val": 1}, suffix=".webp")
    assert load_dataset("streets", "val").names == ["val_000"]


def test_a_root_can_be_given(root, tmp_path, monkeypatch):
    trees.camvid(tmp_path / "mine", {"val": 2})
    assert len(load_dataset("camvid", "val", root=tmp_path / "mine")) == 2
    monkeypatch.chdir(tmp_path)
    data = load_dataset("camvid", "val", root="mine")
    monkeypatch.chdir(root)
    assert data[0][0].shape == (3, trees.H, trees.W)  # found again from another working directory
    with pytest.raises(
        DataError, match=rf"CamVid is not here: {tmp_path}/nothing is no folder\. To have it, run `lcnb data camvid`"
    ):
        load_dataset("camvid", "val", root=tmp_path / "nothing")
