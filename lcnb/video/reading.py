"""A clip, frame by frame: any codec FFmpeg knows, any size, upright, and one sentence for a file that is none.

Shape letters: H, W pixels.

A phone writes its films lying down and notes by how much to turn them; here they come out upright. A frame is decoded
when it is asked for, in the caller's own thread: decoders like to work ahead in threads of their own, which would
disturb whoever takes times between two frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lcnb.errors import DataError
from lcnb.paths import extra

LONGEST = 640
"""Pixels of the longer side; larger clips are scaled down to it. The shipped weights have seen 480x360."""
WHOLE = 0.95
"""Share of the frames that a file announces below which it counts as cut off."""


class VideoError(DataError):
    """A clip that is missing, damaged or none, or PyAV is."""


class Clip:
    """A film on disk.

    Args:
        path: of the file; `~` is expanded.
        longest: larger frames are scaled down so that their longer side has this many pixels; None leaves them.

    Attributes:
        fps: frames a second that it is played with.
        count: frames that the file announces, or None where it does not.
        size: (H, W) of the frames as they come out: upright and scaled.

    Raises:
        VideoError: there is no such file, it holds no pictures or is damaged, or PyAV is not installed.
    """

    def __init__(self, path: str | Path, longest: int | None = LONGEST) -> None:
        if longest is not None and longest < 16:
            raise VideoError(f"longest={longest} leaves nothing to see; give at least 16 pixels, or None")
        self.path, self.longest = Path(path).expanduser(), longest
        self.fps, self.count = 0.0, None
        with self._opened() as (_, stream):
            self.fps = float(stream.average_rate or stream.guessed_rate or 25)
            self.count = stream.frames or None
        first = next(self.frames(limit=1), None)
        if first is None:
            raise VideoError(f"{self.path} holds no frame; record or download it again")
        self.size = (int(first.shape[1]), int(first.shape[2]))

    def __repr__(self) -> str:
        many = "an unknown number of" if self.count is None else self.count
        return f"{self.path.name}: {self.size[1]}x{self.size[0]}, {many} frames, {self.fps:g} a second"

    def frames(self, every: int = 1, limit: int | None = None) -> Iterator[Tensor]:
        """One frame after the other, each (3, H, W) uint8 RGB; nothing is kept.

        Args:
            every: 2 takes the first, third, fifth, ...
            limit: stop after so many; None reads to the end.

        Raises:
            VideoError: on the way, where the file is damaged; at its end, where it is cut off.
        """
        if every < 1 or (limit is not None and limit < 1):
            raise VideoError(f"every and limit are whole numbers of at least 1, got {every} and {limit}")
        return islice(self._decoded(), 0, None if limit is None else (limit - 1) * every + 1, every)

    def expected(self, every: int = 1, limit: int | None = None) -> int | None:
        """How many frames `frames` will give, as far as the file says."""
        told = None if self.count is None else -(-self.count // every)
        return min((n for n in (told, limit) if n is not None), default=None)

    def _decoded(self) -> Iterator[Tensor]:
        number, av = 0, _av()  # here, as nothing can be imported where a forgotten clip is closed at Python's end
        with self._opened() as (container, stream):
            try:
                for frame in container.decode(stream):
                    yield self._upright(frame)
                    number += 1
            except av.FFmpegError as error:
                raise VideoError(
                    f"{self.path} is damaged: {number} frames could be read, then {_reason(error)}; get it again, or "
                    f"stop before that frame"
                ) from None
        if self.count is not None and number < WHOLE * self.count:
            raise VideoError(
                f"{self.path} is cut off: it announces {self.count} frames and has {number}; get it again, or stop "
                f"before that frame"
            )

    def _upright(self, frame: Any) -> Tensor:
        """(3, H, W) uint8, scaled down and turned as the film says."""
        share = 1.0 if self.longest is None else min(1.0, self.longest / max(frame.width, frame.height))
        width, height = (max(1, round(side * share)) for side in (frame.width, frame.height))
        small = frame.reformat(width, height, format="rgb24", interpolation="AREA" if share < 1 else None)
        turned = np.rot90(small.to_ndarray(), round(frame.rotation / 90) % 4)
        return torch.from_numpy(np.ascontiguousarray(turned)).permute(2, 0, 1)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        """The container and its stream of pictures."""
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
                raise VideoError(f"{self.path} has no moving pictures (it holds: {kinds}); name another clip")
            streams[0].codec_context.thread_count = 1
            yield container, streams[0]


def _is_cover(stream: Any) -> bool:
    """Whether it is the picture on the sleeve of a song."""
    return bool(getattr(getattr(stream, "disposition", None), "value", 0) & 0x400)


def _reason(error: Any) -> str:
    return str(error.strerror or error).lower()


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise VideoError(f"reading and writing films needs PyAV; install it with `{extra('notebooks')}`") from None
    return av
