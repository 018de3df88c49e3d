"""The embedded data set: streets rendered for this project (data/streets/renderer), CamVid's classes and layout.

`train`, `val` and `test` hold frames of different streets; `drive` is one continuous ride, stored as a
video with one mask a frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import torch
from torchvision import tv_tensors

from lcnb.datasets.base import check_labels, check_size
from lcnb.datasets.images import read_mask
from lcnb.datasets.layouts import CAMVID
from lcnb.errors import DataError
from lcnb.paths import CHECKOUT, extra

SPEC = replace(
    CAMVID,
    name="streets",
    title="Streets",
    licence="CC0-1.0",
    how_to_get=f"clone {CHECKOUT}, which holds it in data/streets",
    folder="streets",
)


def drive(folder: Path) -> Iterator[tuple[tv_tensors.Image, tv_tensors.Mask]]:
    """Frame by frame through the labelled drive: (3, H, W) uint8 RGB and (H, W) uint8 class indices.

    Args:
        folder: of the data set, as `locate("streets")` gives it.

    Raises:
        DataError: at once if the video or its masks are missing, or PyAV is not installed; on the way if the
            video is damaged, or a mask is or does not fit its frame.
    """
    try:
        import av  # noqa: F401 (asked for before the first frame is)
    except ImportError:
        raise DataError(f"reading the drive needs PyAV; install it with `{extra('notebooks')}`") from None
    video, masks = Path(folder) / "drive.mp4", sorted((Path(folder) / "driveannot").glob("[!.]*.png"))
    if not video.is_file() or not masks:
        raise DataError(f"{folder} has no drive: drive.mp4 or driveannot/*.png is missing; fetch the data set again")
    return _labelled(video, masks)


def _labelled(video: Path, masks: list[Path]) -> Iterator[tuple[tv_tensors.Image, tv_tensors.Mask]]:
    for number, (image, path) in enumerate(zip_longest(_frames(video), masks)):
        if image is None or path is None:
            more = "mask" if image is None else "frame"
            raise DataError(
                f"{video} and its {len(masks)} masks disagree: after {number} of both there is one more {more}; "
                "fetch the data set again"
            )
        mask = read_mask(path)
        check_labels(mask, SPEC, path)
        check_size(image, mask, f"frame {number} of {video.name}", path)
        yield image, tv_tensors.Mask(mask)


def _frames(video: Path) -> Iterator[tv_tensors.Image]:
    import av

    try:
        with av.open(str(video)) as container:
            if not container.streams.video:
                raise DataError(f"{video} has no images, only {len(container.streams)} other streams")
            for frame in container.decode(video=0):
                yield tv_tensors.Image(torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1))
    except av.FFmpegError as error:
        raise DataError(f"{video} is damaged or no video ({error.strerror}); fetch it again") from None
