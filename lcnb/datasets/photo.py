"""A reader's own photograph: any format Pillow reads, any size, upright.

Shape letters: H, W pixels.
"""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from lcnb.errors import DataError

LONGEST = 640
"""Pixels of the longer side; larger photographs are scaled down to it."""


def decode_photo(data: bytes, name: str = "the file", longest: int = LONGEST) -> Tensor:
    """(3, H, W) uint8 RGB of a picture file's bytes, turned as its EXIF tag says and at most `longest` pixels long.

    Raises:
        DataError: it is no picture, or a damaged, empty or far too large one.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if max(opened.size) > 30_000:
                raise DataError(f"{name} is {opened.size[0]}x{opened.size[1]} pixels; scale it down first")
            opened.draft("RGB", (2 * longest, 2 * longest))  # a JPEG decodes straight to a smaller size
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except UnidentifiedImageError:
        raise DataError(f"{name} is not a picture that can be read here; save it as JPEG or PNG") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{name} is damaged or cut off ({error})") from None
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()
