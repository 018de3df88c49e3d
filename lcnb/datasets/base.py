"""One data set class for all: pairs of an image and a mask of class indices; and how often each class occurs.

Shape letters: H, W pixels, K classes. Items are torchvision `tv_tensors`: an Image (3, H, W) uint8 RGB and a Mask
(H, W) uint8 of class indices, so every `torchvision.transforms.v2` transform moves both together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from lcnb.datasets.images import read_image, read_mask
from lcnb.errors import DataError


@dataclass(frozen=True)
class DatasetSpec:
    """What is fixed about a data set.

    Attributes:
        name: as the command line and the notebooks take it.
        classes: names, by class index.
        ignore_index: the mask value that counts for nothing.
        title: for people.
        licence: terms of use.
        how_to_get: half a sentence for the error of a missing folder: "To have it, ...".
        layout: what has to be in the folder, for the error of an incomplete one.
        folder: name under a data root.
        void_ring: unlabelled pixels lie around objects, so that they mark boundaries (`lcnb.difficulty.boundary_band`).
    """

    name: str
    classes: tuple[str, ...]
    ignore_index: int
    title: str
    licence: str
    how_to_get: str
    layout: str
    folder: str
    void_ring: bool = False


class SegmentationDataset(Dataset):
    """Images and masks of one split.

    Args:
        spec: the data set.
        split: name of the split.
        pairs: (image file, mask file) of every item.
        relabel: (256,) uint8, raw label -> class index, or None when the files hold class indices.
        transform: takes and returns (image, mask), as `torchvision.transforms.v2` transforms do.

    Attributes:
        names: the stem of each image file.
    """

    def __init__(
        self,
        spec: DatasetSpec,
        split: str,
        pairs: Sequence[tuple[Path, Path]],
        relabel: Tensor | None = None,
        transform: Callable | None = None,
    ) -> None:
        self.spec, self.split, self.pairs = spec, split, list(pairs)
        self.relabel, self.transform = relabel, transform
        self.names = [image.stem for image, _ in self.pairs]

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        return f"SegmentationDataset({self.spec.name!r}, split={self.split!r}, {len(self)} images)"

    def __getitem__(self, item: int) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
        """Image (3, H, W) uint8 and mask (H, W) uint8 of class indices or `spec.ignore_index`.

        Raises:
            DataError: a file is missing or damaged, sizes differ, or a label is outside the classes.
        """
        image_path, mask_path = self.pairs[item]
        image, mask = read_image(image_path), self.mask(item)
        check_size(image, mask, image_path.name, mask_path)
        return (image, mask) if self.transform is None else self.transform(image, mask)

    def mask(self, item: int) -> tv_tensors.Mask:
        """The mask alone, (H, W) uint8, without reading its image; the transform is not applied.

        Raises:
            DataError: the file is missing or damaged, or a label is outside the classes.
        """
        path = self.pairs[item][1]
        raw = read_mask(path)
        labels = raw if self.relabel is None else self.relabel[raw.long()]
        check_labels(labels, self.spec, path)
        return tv_tensors.Mask(labels)


def check_labels(labels: Tensor, spec: DatasetSpec, path: Path) -> None:
    """Refuse labels that are neither a class nor the ignore index.

    Raises:
        DataError: there are some.
    """
    wrong = labels[(labels >= len(spec.classes)) & (labels != spec.ignore_index)]
    if wrong.numel():
        values = torch.unique(wrong).tolist()
        raise DataError(
            f"{path} holds the label{'s' * (len(values) > 1)} {', '.join(map(str, values[:5]))}; {spec.title} "
            f"has the classes 0 to {len(spec.classes) - 1} and {spec.ignore_index} for unlabelled"
        )


def check_size(image: Tensor, mask: Tensor, name: str, path: Path) -> None:
    """Refuse a mask of another size than its image.

    Args:
        image: (3, H, W).
        mask: (H, W), of the file `path`.
        name: of the image.

    Raises:
        DataError: the sizes differ.
    """
    if image.shape[1:] != mask.shape:
        raise DataError(
            f"{name} is {image.shape[2]}x{image.shape[1]} pixels but its mask {path} is "
            f"{mask.shape[1]}x{mask.shape[0]}; they have to be of one size"
        )


def class_shares(dataset: SegmentationDataset) -> Tensor:
    """(K,) float64: each class's fraction of the labelled pixels, 0 everywhere if none is labelled.

    Reads every mask of the split and no image.

    Raises:
        DataError: a mask is missing or damaged, or holds a label outside the classes.
    """
    counts = torch.zeros(256, dtype=torch.int64)
    for item in range(len(dataset)):
        counts += torch.bincount(dataset.mask(item).as_subclass(Tensor).flatten().long(), minlength=256)
    labelled = counts[: len(dataset.spec.classes)].double()
    return labelled / labelled.sum().clamp(min=1)
