"""PASCAL VOC 2012 segmentation, in its official tree, with or without the `VOCdevkit/VOC2012` prefix.

`classes="all"` has the 21 classes. `classes="covered7"` has background and the six classes that a small
subset of mostly animals and people covers well, numbered 0 to 6; every other label is ignored.

The split `trainaug` is VOC's train with the images that SBD labelled (Hariharan et al., ICCV 2011): 10,582 with those
masks in `SegmentationClassAug/`, as the paper's field trains on.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import torch

from lcnb.datasets.base import DatasetSpec
from lcnb.datasets.pairing import first_image, paired, read_list
from lcnb.errors import DataError

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
    how_to_get="run `lcnb data voc2012` (2 GB), or get VOCtrainval_11-May-2012.tar of host.robots.ox.ac.uk/pascal/VOC "
    "and unpack it into voc2012/",
    layout="JPEGImages/, SegmentationClass/ and ImageSets/Segmentation/*.txt, directly or under VOCdevkit/VOC2012/",
    folder="voc2012",
    void_ring=True,
)
AUGMENTED = "trainaug"
HOW_TO_GET_SPLIT = {
    AUGMENTED: "run `lcnb data sbd` (1.4 GB), which writes SBD's masks of the images outside VOC's train and val as "
    "index PNGs into SegmentationClassAug/, and lists them with VOC's train (10,582 images) in "
    "ImageSets/Segmentation/trainaug.txt; or train on the split 'train'"
}
"""Half a sentence for the error of a split that the official archive does not have: "To have it, ..."."""
SPEC_COVERED7 = replace(SPEC, classes=COVERED7, title="PASCAL VOC 2012 (7 classes)")


def root_of(folder: Path) -> Path:
    """The folder that holds `JPEGImages`."""
    for prefix in ("VOCdevkit/VOC2012", "VOC2012", "."):
        if (folder / prefix / "JPEGImages").is_dir():
            return folder / prefix
    return folder


def splits(folder: Path) -> list[str]:
    """The lists in `ImageSets/Segmentation`, by name."""
    return sorted(p.stem for p in (root_of(folder) / "ImageSets" / "Segmentation").glob("*.txt"))


def pairs(folder: Path, split: str) -> list[tuple[Path, Path]]:
    """(image, mask) of every item of a split; `trainaug` takes SBD's mask of an image where it is there.

    A list holds the stem of an image on each line, or its path (and that of its mask), as DeepLab's authors wrote them.

    Raises:
        DataError: a listed file does not exist, or the list is empty or no text.
    """
    root = root_of(folder)
    listed = root / "ImageSets" / "Segmentation" / f"{split}.txt"
    images = [first_image(line, lambda name: _image(root, name)) for line in read_list(listed)]
    masks = [root / "SegmentationClass" / f"{image.stem}.png" for image in images]
    if split == AUGMENTED:
        augmented = [root / "SegmentationClassAug" / m.name for m in masks]
        masks = [a if os.path.isfile(a) else m for a, m in zip(augmented, masks, strict=True)]
        lost = [m for m in masks if not os.path.isfile(m)]
        if lost:
            raise DataError(
                f"{listed} names {lost[0].stem}, whose mask is neither in SegmentationClassAug/ nor in "
                f"SegmentationClass/ ({len(lost)} such). To have it, {HOW_TO_GET_SPLIT[AUGMENTED]}"
            )
    return paired(images, masks, listed)


def _image(root: Path, name: str) -> Path:
    """The image of a stem, which may have dots, or of a path to it or to its mask."""
    return root / "JPEGImages" / f"{re.sub(r'[.](jpg|png)$', '', Path(name).name)}.jpg"


def relabel_covered7() -> torch.Tensor:
    """(256,) uint8: VOC's index -> 0 .. 6, everything else ignored."""
    table = torch.full((256,), VOID, dtype=torch.uint8)
    for index, name in enumerate(COVERED7):
        table[CLASSES.index(name)] = index
    return table
