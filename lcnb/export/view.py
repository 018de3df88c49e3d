"""What a page must know to re-threshold without the network, in bytes.

Shape letters: K classes, H, W pixels, h, w cells, S stages, R stops of the slider.

A page that moves its slider over R stops needs no confidence finer than those stops. So a cell's confidence at an exit
is kept as the number of stops at which it exits there, one byte: stops rise, and a cell exits where it is strictly
above the stop, so these are always the first n stops. Decisions at every stop are then those of `rethreshold` to the
letter, rho = 0 (all leave) and rho = 1 (none does) included. Labels are kept for every stop as `rethreshold` gives
them, each map as its difference from the one before; most pixels never change, so all deflate to some 20 kB.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lcnb.models import StageLogits, max_softmax, rethreshold
from lcnb.models.exits import leaves
from lcnb.models.labels import to_pixels

RHOS = (0.0, *np.round(np.arange(0.30, 0.90, 0.05), 2).tolist(), *np.round(np.arange(0.90, 0.99, 0.01), 2).tolist(),
        0.985, 0.99, 0.995, 0.998, 0.999, 1.0)  # fmt: skip
"""Where the slider stops, in pages as in notebooks: finer where the exits change fastest."""
MOST_STOPS = 255
"""A count of stops is one byte."""


@dataclass(frozen=True)
class CachedView:
    """One image at every stop of the slider.

    Attributes:
        stops: (R,) thresholds, rising.
        counts: (S - 1, h, w) uint8, the number of stops at which a cell exits at each exit, if it gets there.
        labels: (R, H, W) uint8.
    """

    stops: tuple[float, ...]
    counts: np.ndarray
    labels: np.ndarray

    def stage(self, stop: int) -> np.ndarray:
        """(h, w) int64: the stage each cell exits at, at that stop."""
        stage = np.full(self.counts.shape[1:], len(self.counts), dtype=np.int64)
        for exit_ in reversed(range(len(self.counts))):
            stage[stop < self.counts[exit_]] = exit_
        return stage

    def pixel_stage(self, stop: int) -> np.ndarray:
        """(H, W) int64: the stage of each pixel's nearest cell."""
        return to_pixels(torch.from_numpy(self.stage(stop))[None], self.labels.shape[1:])[0].numpy()

    def exits(self, stop: int) -> list[float]:
        """(S,) fraction of the cells that exit at each stage."""
        stages = len(self.counts) + 1
        return (np.bincount(self.stage(stop).ravel(), minlength=stages) / max(1, self.counts[0].size)).tolist()

    def packed(self) -> bytes:
        """Deflated: the counts, then the labels at the first stop, then what changes (exclusive or) stop by stop."""
        changes = self.labels.copy()
        changes[1:] = self.labels[1:] ^ self.labels[:-1]
        return zlib.compress(self.counts.tobytes() + changes.tobytes(), 9)


def cached_view(logits: Sequence[Tensor], stops: Sequence[float] = RHOS) -> CachedView:
    """Re-threshold dense stage outputs at every stop.

    Args:
        logits: S >= 2 maps (1, K, h, w), as `all_stages` returns them for one image.
        stops: thresholds in [0, 1]; sorted here, each kept once.

    Raises:
        ValueError: there is no exit, more than one image, or more than 255 stops.
    """
    found = tuple(sorted({float(s) for s in stops}))
    if not 1 <= len(found) <= MOST_STOPS:
        raise ValueError(f"a slider has 1 to {MOST_STOPS} stops, got {len(found)}")
    if len(logits) < 2 or logits[0].shape[0] != 1:
        images = logits[0].shape[0] if len(logits) else 0
        raise ValueError(f"a slider shows one image at two stages or more, got {images} images, {len(logits)} stages")
    size = logits.size if isinstance(logits, StageLogits) else None
    with torch.inference_mode():
        confidence = [max_softmax(m)[0] for m in logits[:-1]]
        counts = torch.stack([_count([leaves(c, rho) for rho in found]) for c in confidence])
        labels = torch.stack([rethreshold(logits, rho, size=size).labels[0].to(torch.uint8) for rho in found])
    return CachedView(found, counts.cpu().numpy(), labels.cpu().numpy())


def _count(masks: Sequence[Tensor]) -> Tensor:
    """How many of the (h, w) bool masks are set at each cell: (h, w) uint8."""
    return torch.stack(list(masks)).sum(0).to(torch.uint8)
