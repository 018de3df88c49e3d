"""One data set class for all: pairs of an image and a mask of class indices, read with clear errors.

Shape letters: H, W pixels. Items are torchvision `tv_tensors`: an Image (3, H, W) uint8 RGB and a Mask
(H, W) uint8 of class indices, so every `torchvision.transforms.v2` transform moves both together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch.utils.data import Dataset
from torchvision import tv_tensors

from lcnb.errors import DataError

RGB_LIKE = {"RGB", "L", "P", "RGBA", "LA", "PA", "1", "CMYK", "YCbCr", "HSV", "RGBX", "RGBa", "La"}
SIXTEEN_BIT = {"I;16", "I;16B", "I;16L", "I;16N", "I"}


@dataclass(frozen=True)
class DatasetSpec:
    """What is fixed about a data set.

    Attributes:
        name: as the command line and the notebooks take it.
        classes: names, by class index.
        ignore_index: the mask value that counts for nothing.
        title: for people.
        licence: terms of use.
        how_to_get: one sentence for the error of a missing folder.
        folder: name under a data root.
    """

    name: str
    classes: tuple[str, ...]
    ignore_index: int
    title: str
    licence: str
    how_to_get: str
    folder: str
    extra: dict[str, Any] = field(default_factory=dict)


def open_image(path: Path) -> Image.Image:
    """Open and fully decode a picture file.

    Raises:
        DataError: the file is missing, is no picture, is damaged or cut off.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except UnidentifiedImageError:
        raise DataError(f"{path} is not a picture file that Pillow can read") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is damaged or cut off ({error}); fetch it again") from None


def read_image(path: Path) -> tv_tensors.Image:
    """(3, H, W) uint8 RGB. Greyscale, palette, CMYK and 16-bit pictures are converted, transparency is dropped.

    Raises:
        DataError: as `open_image`, or pixels of a kind that has no RGB meaning (floating point).
    """
    image = open_image(path)
    if image.mode in SIXTEEN_BIT:
        values = np.asarray(image).astype(np.int64)
        eight = (values >> 8 if values.max(initial=0) > 255 else values).clip(0, 255).astype(np.uint8)
        array = np.repeat(eight[:, :, None], 3, axis=2)
    elif image.mode in RGB_LIKE:
        array = np.array(image.convert("RGB"))
    else:
        raise DataError(f"{path} has pixels of mode {image.mode!r}, which is no RGB picture; convert it to 8-bit RGB")
    return tv_tensors.Image(torch.from_numpy(array).permute(2, 0, 1).contiguous())


def read_mask(path: Path) -> torch.Tensor:
    """(H, W) uint8 of raw label values.

    Raises:
        DataError: as `open_image`, or the picture holds colours instead of label indices.
    """
    image = open_image(path)
    if image.mode not in {"L", "P", "1"} | SIXTEEN_BIT:
        raise DataError(
            f"{path} has mode {image.mode!r}: colours, not label indices; a mask is an 8-bit greyscale or palette "
            "picture whose pixel values are class numbers"
        )
    array = np.array(image).astype(np.int64)
    if array.size and (array.min() < 0 or array.max() > 255):
        raise DataError(f"{path} holds the label {int(array.max())}; labels are whole numbers from 0 to 255")
    return torch.from_numpy(array.astype(np.uint8))


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
        relabel: torch.Tensor | None = None,
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
        image, raw = read_image(image_path), read_mask(mask_path)
        if image.shape[1:] != raw.shape:
            raise DataError(
                f"{image_path.name} is {image.shape[2]}x{image.shape[1]} pixels but its mask {mask_path} is "
                f"{raw.shape[1]}x{raw.shape[0]}; they have to be of one size"
            )
        labels = raw if self.relabel is None else self.relabel[raw.long()]
        self._check_labels(labels, mask_path)
        mask = tv_tensors.Mask(labels)
        return (image, mask) if self.transform is None else self.transform(image, mask)

    def _check_labels(self, labels: torch.Tensor, path: Path) -> None:
        wrong = labels[(labels >= len(self.spec.classes)) & (labels != self.spec.ignore_index)]
        if wrong.numel():
            values = sorted(set(wrong.tolist()))
            raise DataError(
                f"{path} holds the label{'s' * (len(values) > 1)} {', '.join(map(str, values[:5]))}; {self.spec.title} "
                f"has the classes 0 to {len(self.spec.classes) - 1} and {self.spec.ignore_index} for unlabelled"
            )


def paired(images: Sequence[Path], masks: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Images with their masks.

    Raises:
        DataError: there is none at all, or a file of a pair does not exist.
    """
    if not images:
        raise DataError("the split lists no images")
    pairs = list(zip(images, masks, strict=True))
    for image, mask in pairs:
        if not image.is_file():
            raise DataError(f"the image {image} is listed but does not exist; fetch the data set again")
        if not mask.is_file():
            raise DataError(f"{image.name} has no mask: {mask} does not exist; fetch the data set again")
    return pairs


def read_list(path: Path) -> list[str]:
    """The lines of a split file, blank ones left out.

    Raises:
        DataError: it is no readable text.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a list of images ({error})") from None
    return [line.strip() for line in lines if line.strip()]
