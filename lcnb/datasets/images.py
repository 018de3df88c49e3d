"""Image files: an image as RGB, a mask as labels, one clear sentence for every file that is neither; and the encoder.

Shape letters: H, W pixels.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torchvision import tv_tensors

from lcnb.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""What is tried, whatever a file is called. The rest of Pillow's list stays out: its EPS reader runs programs."""
NO_COLOURS = {"F": "floating-point values", "LAB": "CIELAB values"}
LABEL_MODES = ("1", "L", "P", "I")


def open_image(path: Path) -> Image.Image:
    """Open and fully decode an image file; of an animation, its first frame.

    Raises:
        DataError: the file is missing, unreadable, empty, no image, damaged, cut off, or absurdly large.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{path} is a folder, not an image file")
    try:
        with quiet(), Image.open(path, formats=FORMATS) as image:
            check_pixels(image, str(path))
            image.load()
            return image
    except (DataError, MemoryError):
        raise
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except PermissionError:
        raise DataError(f"{path} may not be read; change its permissions") from None
    except UnidentifiedImageError:
        fault = "is empty" if path.stat().st_size == 0 else f"is no image ({', '.join(FORMATS)})"
        raise DataError(f"{path} {fault}; fetch it again or convert it") from None
    except Image.DecompressionBombError:
        raise DataError(too_large(str(path))) from None
    except Exception as error:  # Pillow's decoders raise many kinds for a damaged file
        raise DataError(f"{path} is damaged or cut off ({error}); fetch it again") from None


@contextmanager
def quiet() -> Iterator[None]:
    """Without Pillow's warnings about damaged tags and large images: what matters of them is an error here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def check_pixels(image: Image.Image, name: str) -> None:
    """Refuse an image by its header, before memory is taken for it: a file of a few bytes can claim any size.

    Raises:
        DataError: it claims more than `Image.MAX_IMAGE_PIXELS` (89 million unless it was set).
    """
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or float("inf")):
        raise DataError(too_large(name))


def too_large(name: str) -> str:
    """The sentence about such an image."""
    return f"{name} claims more than {Image.MAX_IMAGE_PIXELS or 0:,} pixels; shrink it"


def read_image(path: Path) -> tv_tensors.Image:
    """(3, H, W) uint8 RGB. Greyscale, palette, CMYK and 16-bit images are converted, transparency is dropped.

    Raises:
        DataError: as `open_image`, or pixels that have no meaning as RGB (floating point, CIELAB, 32-bit).
    """
    array = np.array(as_rgb(open_image(path), str(path)))
    return tv_tensors.Image(torch.from_numpy(array).permute(2, 0, 1).contiguous())


def as_rgb(image: Image.Image, name: str) -> Image.Image:
    """An image of any mode in 8-bit RGB.

    Raises:
        DataError: its pixels have no meaning as RGB.
    """
    if image.mode in NO_COLOURS:
        raise DataError(f"{name} holds {NO_COLOURS[image.mode]} (mode {image.mode!r}); convert it to 8-bit RGB")
    if image.mode.startswith("I"):
        image = _eight_bit(image, name)
    if image.mode == "P":
        image = image.convert("RGBA")  # straight to RGB, Pillow warns about palettes with transparent entries
    return image.convert("RGB")


def _eight_bit(image: Image.Image, name: str) -> Image.Image:
    """The high byte of a 16-bit greyscale image."""
    values = np.array(image).astype(np.int64)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise DataError(f"{name} holds 32-bit values (mode {image.mode!r}); convert it to 8-bit RGB")
    return Image.fromarray((values >> 8).astype(np.uint8))


def read_mask(path: Path) -> torch.Tensor:
    """(H, W) uint8 of raw label values: those of a greyscale image (1 to 32 bits), or the palette's indices.

    Raises:
        DataError: as `open_image`, or the image holds colours, fractions or values above 255.
    """
    image = open_image(path)
    if image.mode.split(";")[0] not in LABEL_MODES:
        raise DataError(
            f"{path} has pixels of mode {image.mode!r} where class numbers belong; a mask is an 8-bit greyscale or "
            "palette image"
        )
    array = np.array(image).astype(np.int64) // _spread(path)
    wrong = array[(array < 0) | (array > 255)]
    if wrong.size:
        raise DataError(f"{path} holds the label {int(wrong[0])}; labels are whole numbers from 0 to 255")
    return torch.from_numpy(array.astype(np.uint8))


def _spread(path: Path) -> int:
    """What Pillow multiplies greyscale values of two or four bits by, so that the largest is 255; 1 for all others."""
    with quiet(), Image.open(path, formats=FORMATS) as image:
        narrow = re.search(r"'L;([24])'", str(image.tile))
    return {"2": 85, "4": 17}[narrow[1]] if narrow else 1


def encoded(image: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    """An image as the bytes of a file.

    Args:
        image: (H, W, 3) uint8, or Pillow's.
        kind: "JPEG", "PNG" or "WEBP".
        options: of Pillow's encoder, such as `quality`.
    """
    out = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(out, kind, **options)
    return out.getvalue()
