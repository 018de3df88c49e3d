"""Image files: an image as RGB, a mask as labels, a reader's own photograph of any format and size, upright; one clear
sentence for every file that is none of them; and the encoder.

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
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision import tv_tensors

from lcnb.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""What is tried, whatever a file is called. The rest of Pillow's list stays out: its EPS reader runs programs."""
LONGEST = 640
"""Pixels of the longer side; larger photographs are scaled down to it."""
LARGEST = 200_000_000
"""Bytes of a file that is still read."""
PHOTOS = (*FORMATS, "AVIF", "JPEG2000")
"""What is tried, where this Pillow has it, whatever a file is called: for some others, Pillow starts programs."""
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
    empty = path.is_file() and path.stat().st_size == 0
    fault = "is empty" if empty else f"is no image ({', '.join(FORMATS)})"
    again = "; fetch it again"
    with _explained(str(path), f"{fault}{again} or convert it", again), Image.open(path, formats=FORMATS) as image:
        _check_pixels(image, str(path))
        image.load()
        return image


@contextmanager
def _explained(name: str, fault: str, again: str = "") -> Iterator[None]:
    """What Pillow raises as a sentence about a file, and none of its warnings about damaged tags and large images: what
    matters of them is an error here.

    Args:
        name: of the file.
        fault: what is wrong where it is no image.
        again: what to do with a damaged one, after a semicolon.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except (DataError, MemoryError):
        raise
    except FileNotFoundError:
        raise DataError(f"{name} does not exist") from None
    except PermissionError:
        raise DataError(f"{name} may not be read; change its permissions") from None
    except UnidentifiedImageError:
        raise DataError(f"{name} {fault}") from None
    except Image.DecompressionBombError:
        raise DataError(_too_large(name)) from None
    except Exception as error:  # Pillow's decoders raise many kinds for a damaged file
        raise DataError(f"{name} is damaged or cut off ({error}){again}") from None


def _check_pixels(image: Image.Image, name: str) -> None:
    """Refuse an image by its header, before memory is taken for it: a file of a few bytes can claim any size.

    Raises:
        DataError: it claims more than `Image.MAX_IMAGE_PIXELS` (89 million unless it was set).
    """
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or float("inf")):
        raise DataError(_too_large(name))


def _too_large(name: str) -> str:
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


def read_mask(path: Path) -> Tensor:
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
    with warnings.catch_warnings(action="ignore"), Image.open(path, formats=FORMATS) as image:
        narrow = re.search(r"'L;([24])'", str(image.tile))
    return {"2": 85, "4": 17}[narrow[1]] if narrow else 1


def read_photo(path: str | Path, longest: int = LONGEST) -> Tensor:
    """`decode_photo` of a file.

    Raises:
        DataError: there is no such file, it is none (a folder, a pipe), or too large, or as `decode_photo`.
    """
    path = Path(path).expanduser()
    try:
        if not path.is_file():  # a pipe or a device would keep the reader waiting, or never end
            raise DataError(f"{path} {'is no file' if path.exists() else 'does not exist'}; name an image")
        if path.stat().st_size > LARGEST:
            raise DataError(f"{path} has {path.stat().st_size / 1e6:.0f} MB; scale the image down first")
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise DataError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error})") from None
    return decode_photo(data, path.name, longest)


def decode_photo(data: bytes, name: str = "the file", longest: int = LONGEST) -> Tensor:
    """(3, H, W) uint8 RGB of an image file's bytes, turned as its EXIF tag says and at most `longest` pixels long.

    Raises:
        DataError: it is no image, a damaged, empty or far too large one, or its pixels have no meaning as RGB.
    """
    Image.init()
    formats = [f for f in PHOTOS if f in Image.OPEN]
    with (
        _explained(name, "is not an image that can be read here; save it as JPEG or PNG"),
        Image.open(io.BytesIO(data), formats=formats) as opened,
    ):
        if max(opened.size) > 30_000:
            raise DataError(f"{name} is {opened.size[0]}x{opened.size[1]} pixels; scale it down first")
        opened.draft("RGB", (2 * longest, 2 * longest))  # a JPEG decodes straight to a smaller size
        _check_pixels(opened, name)
        image = as_rgb(ImageOps.exif_transpose(opened), name)
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


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
