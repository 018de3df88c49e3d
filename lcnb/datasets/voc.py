"""PASCAL VOC 2012 segmentation, in its official tree, with or without the `VOCdevkit/VOC2012` prefix.

`classes="all"` has the 21 classes. `classes="covered7"` has background and the six classes that a small
subset of mostly animals and people covers well, numbered 0 to 6; every other label is ignored.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from lcnb.datasets.base import DatasetSpec
from lcnb.datasets.pairing import paired, read_list

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "table", "dog",
    "horse", "motorbike", "person", "plant", "sheep", "sofa", "train", "tv",
)  # fmt: skip
COVERED7 = ("background", "cat", "cow", "dog", "horse", "person", "sheep")
VOID = 255

SPEC = DatasetSpec(
    name="voc2012",
    classes=CLASSES,
    ignore_index=VOID,
    title="PASCAL VOC 2012",
    licence="VOC's terms (photographs from Flickr); research use",
    how_to_get="get VOCtrainval_11-May-2012.tar of host.robots.ox.ac.uk/pascal/VOC and unpack it into voc2012/",
    layout="JPEGImages/, SegmentationClass/ and ImageSets/Segmentation/*.txt, directly or under VOCdevkit/VOC2012/",
    folder="voc2012",
)
SPEC_COVERED7 = replace(SPEC, classes=COVERED7, title="PASCAL VOC 2012 (7 classes)")


def root_of(folder: Path) -> Path:
    """The folder that holds `JPEGImages`."""
    for prefix in ("VOCdevkit/VOC2012", "VOC2012", "."):
        if (folder / prefix / "JPEGImages").is_dir():
            return folder / prefix
    return folder


def splits(folder: Path) -> list[str]:
    """The lists in `ImageSets/Segmentation`, train first."""
    order = {"train": 0, "trainaug": 1, "trainval": 2, "val": 3}
    found = [p.stem for p in (root_of(folder) / "ImageSets" / "Segmentation").glob("*.txt")]
    return sorted(found, key=lambda s: (order.get(s, 9), s))


def pairs(folder: Path, split: str) -> list[tuple[Path, Path]]:
    """(image, mask) of every item of a split; `trainaug` takes SBD's masks where they are there.

    Raises:
        DataError: a listed file does not exist, or the list is empty or no text.
    """
    root = root_of(folder)
    listed = root / "ImageSets" / "Segmentation" / f"{split}.txt"
    stems = read_list(listed)
    augmented = split == "trainaug" and (root / "SegmentationClassAug").is_dir()
    masks = root / ("SegmentationClassAug" if augmented else "SegmentationClass")
    return paired([root / "JPEGImages" / f"{s}.jpg" for s in stems], [masks / f"{s}.png" for s in stems], listed)


def relabel_covered7() -> torch.Tensor:
    """(256,) uint8: VOC's index -> 0 .. 6, everything else ignored."""
    table = torch.full((256,), VOID, dtype=torch.uint8)
    for index, name in enumerate(COVERED7):
        table[CLASSES.index(name)] = index
    return table
