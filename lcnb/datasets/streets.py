"""`streets`, the embedded data set: path-traced by this project (see tools/streets), CamVid's classes and layout.

`train`, `val` and `test` hold frames of different streets; `drive` is one continuous ride, stored as a
video with one mask a frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torchvision import tv_tensors

from lcnb.datasets.base import DatasetSpec, read_mask
from lcnb.datasets.camvid import CLASSES, UNLABELLED, pairs, splits
from lcnb.errors import DataError

__all__ = ["SPEC", "drive", "pairs", "splits"]

SPEC = DatasetSpec(
    name="streets",
    classes=CLASSES,
    ignore_index=UNLABELLED,
    title="Streets",
    licence="CC0-1.0",
    how_to_get="it is part of the source repository (data/streets)",
    folder="streets",
)


def drive(folder: Path) -> Iterator[tuple[tv_tensors.Image, tv_tensors.Mask]]:
    """Frame by frame through the labelled drive: (3, H, W) uint8 RGB and (H, W) uint8 class indices.

    Raises:
        DataError: the video or its masks are missing or disagree, or PyAV is not installed.
    """
    try:
        import av
    except ImportError:
        raise DataError('reading the drive needs PyAV; install it with `pip install "lcnb[notebooks]"`') from None
    path = folder / "drive.mp4"
    masks = sorted((folder / "driveannot").glob("*.png"))
    if not path.is_file() or not masks:
        raise DataError(f"{folder} has no drive: drive.mp4 or driveannot/ is missing")
    with av.open(str(path)) as video:
        for frame, mask in zip(video.decode(video=0), masks, strict=True):
            image = torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)
            yield tv_tensors.Image(image), tv_tensors.Mask(read_mask(mask))
