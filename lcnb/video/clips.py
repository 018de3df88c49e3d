"""Clips: read frame by frame, from any codec and size that FFmpeg reads, upright, evenly spaced in time, with square
pixels, one sentence for any other file; and written from frames as H.264 in an mp4, which every browser plays.

Shape letters: H, W pixels.

Phones store films sideways and note the rotation; here frames come out upright. A frame is decoded when it is asked
for, in the caller's thread: a decoder's own threads would work ahead and disturb timings between two frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lcnb.errors import DataError
from lcnb.paths import extra, written_whole

LONGEST = 640
"""Pixels of the longer side; larger clips are scaled down to it. The shipped weights have seen 480x360."""
WHOLE = 0.95
"""Fraction of the announced duration below which a film counts as cut off."""

ENCODERS = {
    "libx264": {"preset": "medium", "threads": "1", "tune": "animation", "x264-params": "rc-lookahead=8:ref=2"},
    "libopenh264": {"threads": "1"},
}
"""H.264 encoders, best first. One thread: an encoder that works in the background would disturb timings. It looks only
a few frames ahead, as these frames are kept in memory."""


class VideoError(DataError):
    """A clip is missing, damaged or no video, or PyAV is missing."""


class Clip:
    """A film on disk.

    Args:
        path: path of the file; `~` is expanded.
        longest: larger frames are scaled down so that their longer side has this many pixels; None keeps their size.

    Attributes:
        fps: mean number of frames per second. Of a film whose rate varies (a phone's, a recorded screen's), frames are
            repeated or left out, so that frame k is the one shown k / fps seconds after the first.
        count: frames that the film announces, about, or None. Of a film trimmed without encoding it again (by an edit
            list, as phones and `ffmpeg -c copy` do), only the frames to be shown count.
        seconds: duration that the film announces, or None.
        size: (H, W) of the frames, upright and scaled.

    Raises:
        VideoError: the file is missing, damaged or no video, or PyAV is not installed.
    """

    def __init__(self, path: str | Path, longest: int | None = LONGEST) -> None:
        if longest is not None and longest < 16:
            raise VideoError(f"longest={longest} leaves nothing to see; give at least 16 pixels, or None")
        self.path, self.longest = Path(path).expanduser(), longest
        with self._opened() as (_, stream):
            self.fps = float(stream.average_rate or stream.guessed_rate or 25)
            self.seconds = float(stream.duration * stream.time_base) if stream.duration else None
            self._pixel = float(stream.sample_aspect_ratio or 1)  # width over height, as it is to be shown
            stored = stream.frames or None
        self.count = min(stored, round(self.seconds * self.fps)) if stored and self.seconds else stored
        first = next(self.frames(limit=1), None)
        if first is None:
            raise VideoError(f"{self.path} holds no frame; record or download it again")
        self.size = (int(first.shape[1]), int(first.shape[2]))

    def __repr__(self) -> str:
        many = "an unknown number of" if self.count is None else self.count
        return f"{self.path.name}: {self.size[1]}x{self.size[0]}, {many} frames, {self.fps:g} per second"

    def frames(self, every: int = 1, limit: int | None = None) -> Iterator[Tensor]:
        """Decode the frames lazily, each (3, H, W) uint8 RGB.

        Args:
            every: step; 2 takes the first, third, fifth, ... frame.
            limit: stop after this many; None reads to the end.

        Raises:
            VideoError: after the frames that can be read, if the file is damaged or cut off.
        """
        if every < 1 or (limit is not None and limit < 1):
            raise VideoError(f"every and limit are whole numbers of at least 1, got {every} and {limit}")
        return islice(self._decoded(), 0, None if limit is None else (limit - 1) * every + 1, every)

    def expected(self, every: int = 1, limit: int | None = None) -> int | None:
        """Returns how many frames `frames` will give, about, as announced by the file; None if it does not say."""
        told = None if self.count is None else -(-self.count // every)
        return min((n for n in (told, limit) if n is not None), default=None)

    def _decoded(self) -> Iterator[Tensor]:
        av = _av()  # here: nothing can be imported when a clip left open is closed at the end of Python
        number, end, start = 0, 0.0, None
        latest = torch.empty(0)
        with self._opened() as (container, stream):
            try:
                for frame in container.decode(stream):
                    due = number
                    if frame.pts is not None:
                        time = float(frame.pts * stream.time_base)
                        if start is None or time < start + (number - 1) / self.fps - 1:  # the film's clock went back
                            start = time - number / self.fps
                        due, end = round((time - start) * self.fps), time - start + 1 / self.fps
                    for _ in range(number, min(due, self.count or due)):
                        yield latest
                        number += 1
                    latest = self._upright(frame)
                    if due >= number:
                        yield latest
                        number += 1
            except av.FFmpegError as error:
                raise VideoError(
                    f"{self.path} is damaged: {number} frames could be read, then {_reason(error)}; get it again, or "
                    f"stop before that frame"
                ) from None
        end = max(end, number / self.fps)  # the rate may vary
        if self.seconds and end < WHOLE * self.seconds:
            raise VideoError(
                f"{self.path} is cut off: it announces {self.seconds:.2f} s and ends after {end:.2f} s, {number} "
                f"frames; get it again, or stop before that frame"
            )

    def _upright(self, frame: Any) -> Tensor:
        """Returns a frame as (3, H, W) uint8, scaled down and rotated as the film says, its pixels square."""
        sides = (frame.width * self._pixel, frame.height)
        scale = 1.0 if self.longest is None else min(1.0, self.longest / max(sides))
        width, height = (max(1, round(side * scale)) for side in sides)
        small = frame.reformat(width, height, format="rgb24", interpolation="AREA" if scale < 1 else None)
        turned = np.rot90(small.to_ndarray(), round(frame.rotation / 90) % 4)
        return torch.from_numpy(np.ascontiguousarray(turned)).permute(2, 0, 1)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        """Open the container and its video stream."""
        av = _av()
        if not self.path.is_file():
            raise VideoError(f"{self.path} {'is no file' if self.path.exists() else 'does not exist'}; name a clip")
        if self.path.stat().st_size == 0:
            raise VideoError(f"{self.path} is empty; get it again")
        try:
            container = av.open(str(self.path))
        except av.FFmpegError as error:
            raise VideoError(
                f"{self.path} is no video, or its beginning or end is missing ({_reason(error)}); get it again"
            ) from None
        with container:
            streams = [s for s in container.streams.video if not _is_cover(s)]
            if len(container.streams) == 0:
                raise VideoError(f"{self.path} is no video, or its beginning or end is missing; get it again")
            if not streams:
                kinds = ", ".join(sorted({s.type for s in container.streams}))
                raise VideoError(f"{self.path} has no video stream (it holds: {kinds}); name another clip")
            streams[0].codec_context.thread_count = 1
            yield container, streams[0]


def _is_cover(stream: Any) -> bool:
    """Returns whether the stream is the cover image of a song."""
    return bool(getattr(getattr(stream, "disposition", None), "value", 0) & 0x400)


def _reason(error: Any) -> str:
    return str(error.strerror or error).lower()


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise VideoError(f"reading and writing films needs PyAV; install it with `{extra('notebooks')}`") from None
    return av


def write_video(path: str | Path, frames: Iterable[np.ndarray], fps: float, quality: int = 26) -> int:
    """Write a film, one frame at a time; it is whole, or not there.

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
        return _written(av, temporary, chain([first], coming), first.shape, fps, quality)


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
