"""Cityscapes in its official tree: `leftImg8bit/<split>/<city>/` beside `gtFine/<split>/<city>/`.

The files hold 34 raw label ids; torchvision's table of the official classes maps them to the 19 that are
trained and scored, everything else to 255.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torchvision.datasets import Cityscapes

from lcnb.datasets.base import DatasetSpec
from lcnb.datasets.pairing import paired

IGNORED = 255
IMAGE, MASK = "_leftImg8bit.png", "_gtFine_labelIds.png"
_SCORED = sorted((c for c in Cityscapes.classes if 0 <= c.train_id < IGNORED), key=lambda c: c.train_id)

SPEC = DatasetSpec(
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


def splits(folder: Path) -> list[str]:
    """The splits that have images and fine annotations."""
    return [s for s in ("train", "val", "test") if all((folder / k / s).is_dir() for k in ("leftImg8bit", "gtFine"))]


def pairs(folder: Path, split: str) -> list[tuple[Path, Path]]:
    """(image, mask) of every item of a split, by city.

    Raises:
        DataError: an image or a mask lacks its partner, or the split is empty.
    """
    frames, annotated = folder / "leftImg8bit" / split, folder / "gtFine" / split
    images = sorted(frames.glob(f"*/[!.]*{IMAGE}"))
    masks = [annotated / i.parent.name / (i.name.removesuffix(IMAGE) + MASK) for i in images]
    return paired(images, masks, frames, on_disk=annotated.glob(f"*/[!.]*{MASK}"))


def relabel_ids() -> torch.Tensor:
    """(256,) uint8: raw id -> one of the 19 classes, or 255. Ids beyond the official ones stay, and are refused."""
    table = torch.arange(256, dtype=torch.uint8)
    for c in Cityscapes.classes:
        if c.id >= 0:
            table[c.id] = c.train_id if 0 <= c.train_id < IGNORED else IGNORED
    return table
