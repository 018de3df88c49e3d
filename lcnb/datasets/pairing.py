"""Which image goes with which mask: lists and folders, checked before anything is decoded."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from lcnb.errors import DataError


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
