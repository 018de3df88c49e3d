"""A film from frames: H.264 in an mp4, which every browser plays, written atomically.

Shape letters: H, W pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from lcnb.paths import written_whole
from lcnb.video.reading import VideoError, _av

ENCODERS = {
    "libx264": {"preset": "medium", "threads": "1", "tune": "animation", "x264-params": "rc-lookahead=8:ref=2"},
    "libopenh264": {"threads": "1"},
}
"""H.264 encoders, best first. One thread: an encoder that works in the background would disturb timings. It looks only
a few frames ahead, as these frames are kept in memory."""


def write_video(path: str | Path, frames: Iterable[np.ndarray], fps: float, quality: int = 26) -> int:
    """Write a film, one frame at a time.

    Args:
        path: path that ends in `.mp4`; missing folders are made.
        frames: (H, W, 3) uint8, all of one size; odd sides get one more row or column, for the encoder.
        fps: frames per second, above 0.
        quality: x264's constant rate factor, 0 (best) .. 51.

    Returns:
        Number of frames written.

    Raises:
        VideoError: the path does not end in .mp4, there is no frame or no encoder, or the sizes differ.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() != ".mp4":
        raise VideoError(f"{path} does not end in .mp4, and that is what is written; name it {path.stem}.mp4")
    if not fps > 0:
        raise VideoError(f"a film needs more than 0 frames per second, got {fps:g}")
    av, coming = _av(), iter(frames)
    first = next(coming, None)
    if first is None:
        raise VideoError(f"{path} was not written: there is no frame to write")
    with written_whole(path) as temporary:
        return _written(av, temporary, itertools.chain([first], coming), first.shape, fps, quality)


def _written(av: Any, path: Path, frames: Iterable[np.ndarray], shape: tuple, fps: float, quality: int) -> int:
    number = 0
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = _stream(av, container, shape, fps, quality)
        for frame in frames:
            if frame.shape != shape:
                raise VideoError(f"frame {number} is {frame.shape}, and the film's first {shape}; give them one size")
            padded = np.pad(frame, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode="edge")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(padded, format="rgb24")))
            number += 1
        container.mux(stream.encode())
    return number


def _stream(av: Any, container: Any, shape: tuple, fps: float, quality: int) -> Any:
    name = next((name for name in ENCODERS if name in av.codecs_available), None)
    if name is None:
        raise VideoError(f"this PyAV has no H.264 encoder ({' or '.join(ENCODERS)}); install PyPI's `av`")
    options = ENCODERS[name] | ({"crf": str(quality)} if name == "libx264" else {})
    stream = container.add_stream(name, rate=Fraction(fps).limit_denominator(1001), options=options)
    stream.height, stream.width = shape[0] + shape[0] % 2, shape[1] + shape[1] % 2
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1
    return stream
