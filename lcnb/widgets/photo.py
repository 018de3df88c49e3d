"""The reader's own photograph in the explorer: any format Pillow reads, any size, upright."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence

import ipywidgets as ipw
import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from lcnb.errors import DataError
from lcnb.models import LayerCascade
from lcnb.widgets.explorer import ThresholdExplorer

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


class PhotoExplorer(ipw.VBox):
    """An upload button; the explorer appears with the first photograph.

    Args:
        cascade, classes, rho: as for `ThresholdExplorer`.
    """

    def __init__(self, cascade: LayerCascade, classes: Sequence[str], rho: float) -> None:
        self.cascade, self.classes, self.rho = cascade, classes, rho
        self.upload = ipw.FileUpload(accept="image/*", multiple=False, description="choose a photograph")
        self.upload.layout.width = "220px"
        self.message = ipw.HTML("No photograph yet. It stays on this machine.")
        self.upload.observe(lambda change: self.take(change["new"]), "value")
        super().__init__([self.upload, self.message])

    def take(self, files: Sequence[dict]) -> None:
        """Show the uploaded file, or say in a sentence why not."""
        if not files:
            return
        name = str(files[0]["name"])
        try:
            image = decode_photo(bytes(files[0]["content"]), name)
        except DataError as error:
            self.message.value = f'<span role="alert">{html.escape(str(error))}.</span>'
            return
        self.message.value = f"{html.escape(name)}, shown at {image.shape[2]}x{image.shape[1]} pixels."
        self.children = [
            self.upload,
            self.message,
            ThresholdExplorer(self.cascade, [image], self.classes, self.rho),
        ]
