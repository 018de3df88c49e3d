"""A reader's own photograph: any common format, any size, upright.

Shape letters: H, W pixels.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from lcnb.datasets.images import FORMATS, as_rgb, check_pixels, quiet, too_large
from lcnb.errors import DataError

LONGEST = 640
"""Pixels of the longer side; larger photographs are scaled down to it."""
LARGEST = 200_000_000
"""Bytes of a file that is still read."""
PHOTOS = (*FORMATS, "AVIF", "JPEG2000")
"""What is tried, where this Pillow has it, whatever a file is called: for some others, Pillow starts programs."""


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
    try:
        with quiet(), Image.open(io.BytesIO(data), formats=[f for f in PHOTOS if f in Image.OPEN]) as opened:
            if max(opened.size) > 30_000:
                raise DataError(f"{name} is {opened.size[0]}x{opened.size[1]} pixels; scale it down first")
            opened.draft("RGB", (2 * longest, 2 * longest))  # a JPEG decodes straight to a smaller size
            check_pixels(opened, name)
            image = as_rgb(ImageOps.exif_transpose(opened), name)
    except (DataError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise DataError(f"{name} is not an image that can be read here; save it as JPEG or PNG") from None
    except Image.DecompressionBombError:
        raise DataError(too_large(name)) from None
    except Exception as error:  # Pillow's decoders raise many kinds for a damaged file
        raise DataError(f"{name} is damaged or cut off ({error})") from None
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
