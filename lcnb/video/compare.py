"""Dense network against cascade: both run on every frame, in turns, and both are timed.

Shape letters: H, W pixels, S stages, T frames.

The opponent is the faster of two dense forms of the same network, measured on the first frame: the plain one
(batch-norm folded, one head) and the prepared cascade at rho = 1. **Inside the time:** converting the uint8 frame to
floats on the device, all stages, exits, labels at full size, and copying them to main memory. **Outside:** decoding,
drawing and writing; none of them runs in the background.
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from lcnb.benchmark.runners import Labeller, plain
from lcnb.models import CascadeOutput, FusionError, LayerCascade
from lcnb.models.exits import thresholds

INSIDE = [
    "frame to floats on the device",
    "normalisation",
    "all stages",
    "exits",
    "labels at full size, in main memory",
]
OUTSIDE = ["decoding", "drawing", "writing"]
WINDOW = 25
"""Number of frames over which a counter takes its median."""
WARMUP = 3
"""Untimed rounds on the first frame of a size; they also choose the dense form."""


def fps(milliseconds: Sequence[float]) -> float:
    """Returns frames per second of the median frame: 1000 / median. One slow frame does not change it."""
    return 1000 / statistics.median(milliseconds)


@dataclass(frozen=True)
class Side:
    """One network's result for a frame.

    Attributes:
        labels: (H, W) uint8 class indices.
        ms: milliseconds for this frame.
        fps: frames per second, from the median over the last `WINDOW` frames.
    """

    labels: np.ndarray
    ms: float
    fps: float


@dataclass(frozen=True)
class Compared:
    """A frame and both results.

    Attributes:
        number: index of the frame, from 0.
        frame: (3, H, W) uint8.
        dense: result of the dense network; None if it was not run.
        cascade: result of the cascade; None if it was not run.
        stage: (H, W) uint8, the stage at which each pixel exited; None if the cascade was not run.
        exits: fraction of the cells that exited at each of the S stages; empty if the cascade was not run.
    """

    number: int
    frame: Tensor
    dense: Side | None
    cascade: Side | None
    stage: np.ndarray | None
    exits: tuple[float, ...]


class Duel:
    """Both networks, prepared for timing.

    Args:
        cascade: cascade in eval mode, on the device to run on; not changed.
        rho: threshold in [0, 1], one for all exits or one per exit; the cascade's own if None.

    Attributes:
        opponent: name of the faster dense form; None before the first frame.
        tried: name -> milliseconds of each dense form in the warm-up.

    Raises:
        ValueError: rho is outside [0, 1], or has a wrong number of values.
    """

    def __init__(self, cascade: LayerCascade, rho: float | Sequence[float] | None = None) -> None:
        self.rho = cascade.rho if rho is None else rho
        thresholds(self.rho, cascade.stage_count - 1)  # raises for a wrong rho
        self.device = cascade.mean.device
        try:
            self._fast: Callable[..., CascadeOutput] = cascade.for_inference()
        except FusionError:  # another network: its modules as they are
            self._fast = cascade
        self._forms: dict[str, Labeller] = {
            "rho = 1": lambda x: self._fast(x, 1.0).labels,
            "plain": plain(cascade, torch.float32, str(self.device)),
        }
        self.opponent: str | None = None
        self.tried: dict[str, float] = {}
        self._size: tuple[int, ...] | None = None
        self._restart()

    def _restart(self) -> None:
        self._recent: dict[str, deque[float]] = {name: deque(maxlen=WINDOW) for name in ("dense", "cascade")}

    @torch.inference_mode()
    def prepare(self, frame: Tensor) -> None:
        """Warm up on a (3, H, W) uint8 frame and choose the dense form; does nothing if the size has not changed."""
        if self._size == tuple(frame.shape):
            return
        found: dict[str, list[float]] = {name: [] for name in self._forms}
        for _ in range(1 + WARMUP):
            self._once(lambda x: self._fast(x, self.rho), frame)
            for name, form in self._forms.items():
                found[name].append(self._once(form, frame)[1])
        self.tried = {name: statistics.median(times[1:]) for name, times in found.items()}
        self.opponent = min(self.tried, key=self.tried.__getitem__)
        self._size = tuple(frame.shape)
        self._restart()

    @torch.inference_mode()
    def _once(self, form: Callable, frame: Tensor) -> tuple[np.ndarray, float, CascadeOutput | None]:
        """Returns labels (H, W) uint8, milliseconds, and the output of a cascade, else None."""
        start = time.perf_counter()
        out = form(frame[None].to(self.device).float() / 255)
        labels = out.labels if isinstance(out, CascadeOutput) else out
        found = labels[0].to(torch.uint8).cpu().numpy()  # on a GPU, this waits for it
        return found, (time.perf_counter() - start) * 1e3, out if isinstance(out, CascadeOutput) else None

    def one(self, frame: Tensor, number: int = 0, sides: Sequence[str] = ("dense", "cascade")) -> Compared:
        """Run one or both on a (3, H, W) uint8 frame; their order alternates from frame to frame."""
        self.prepare(frame)
        assert self.opponent is not None
        forms = {"dense": self._forms[self.opponent], "cascade": lambda x: self._fast(x, self.rho)}
        order = [s for s in forms if s in sides]
        done, out = {}, None
        for side in order[:: -1 if number % 2 else 1]:
            labels, ms, said = self._once(forms[side], frame)
            self._recent[side].append(ms)
            done[side] = Side(labels, ms, fps(self._recent[side]))
            out = said or out
        stage = None if out is None else out.pixel_stage()[0].to(torch.uint8).cpu().numpy()
        exits = () if out is None else tuple(out.exits[0].tolist())
        return Compared(number, frame, done.get("dense"), done.get("cascade"), stage, exits)

    def compare(self, frames: Iterable[Tensor]) -> Iterator[Compared]:
        """Run both on every frame, lazily."""
        for number, frame in enumerate(frames):
            yield self.one(frame, number)


@dataclass
class Summary:
    """The numbers of a run, without its frames.

    Attributes:
        dense, cascade: milliseconds per frame.
        exits: (T, S), fraction of the cells that exited at each stage.
    """

    dense: list[float] = field(default_factory=list)
    cascade: list[float] = field(default_factory=list)
    exits: list[tuple[float, ...]] = field(default_factory=list)

    def note(self, compared: Compared) -> Compared:
        """Record a frame's numbers; returns the frame."""
        assert compared.dense is not None
        assert compared.cascade is not None
        self.dense.append(compared.dense.ms)
        self.cascade.append(compared.cascade.ms)
        self.exits.append(compared.exits)
        return compared

    @property
    def speedup(self) -> float:
        """Median of the dense times divided by the median of the cascade's."""
        return statistics.median(self.dense) / statistics.median(self.cascade)

    def as_dict(self) -> dict[str, object]:
        """Returns the numbers for JSON."""
        return {
            "frames": len(self.dense),
            "fps": {"dense": round(fps(self.dense), 3), "cascade": round(fps(self.cascade), 3)},
            "ms": {side: [round(v, 3) for v in getattr(self, side)] for side in ("dense", "cascade")},
            "speedup": round(self.speedup, 4),
            "exits": [round(float(v), 4) for v in np.mean(self.exits, axis=0)],
        }
