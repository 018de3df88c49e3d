"""What a browser must know to re-threshold without the network, in bytes.

Shape letters: K classes, H, W pixels, h, w cells, S stages, R stops of the slider, L thresholds of an exit, T classes.

A slider that moves over R stops needs no confidence finer than their thresholds. So a cell's confidence at an exit is
kept as the number of that exit's thresholds at which it exits there, one byte: thresholds rise, and a cell exits where
it is strictly above one, so these are always the first n. Decisions at every stop are then those of `rethreshold` to
the letter, rho = 0 (every cell exits) and rho = 1 (none does) included. Labels are kept for every stop as `rethreshold`
gives them, each map as its difference from the one before; most pixels never change, so all deflate to some 20 kB.

What a stage says about a cell (its T likeliest classes, to be drawn as bars) is rounded to 1 / 255. No decision depends
on it: a bar that the rounding puts on the wrong side of a threshold is moved back by the exact count.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lcnb.models import StageLogits, max_softmax, rethreshold
from lcnb.models.exits import leaves, thresholds

RHOS = (0.0, *np.round(np.arange(0.30, 0.90, 0.05), 2).tolist(), *np.round(np.arange(0.90, 0.99, 0.01), 2).tolist(),
        0.985, 0.99, 0.995, 0.998, 0.999, 1.0)  # fmt: skip
"""Where the slider stops, in pages as in notebooks: finer where the exits change fastest."""
MOST_STOPS = 255
"""A count of stops is one byte."""
TOP = 3
"""Classes of a cell that are kept for each stage."""


@dataclass(frozen=True)
class CachedView:
    """One image at every stop of the slider.

    Attributes:
        stops: (R,) thresholds, rising; or tuples of one threshold per exit, in any order.
        levels: S - 1 tuples: the thresholds of each exit, rising.
        places: (R, S - 1) int64, which of them each stop takes.
        counts: (S - 1, h, w) uint8, the number of `levels` at which a cell exits at each exit, if it gets there.
        labels: (R, H, W) uint8.
        dense: (H, W) uint8, the last stage's labels.
        tops: (2, S, T, h, w) uint8: each stage's T = min(3, K) likeliest classes on every cell, and their
            probabilities in 255ths.
    """

    stops: tuple[float, ...] | tuple[tuple[float, ...], ...]
    levels: tuple[tuple[float, ...], ...]
    places: np.ndarray
    counts: np.ndarray
    labels: np.ndarray
    dense: np.ndarray
    tops: np.ndarray

    def stage(self, stop: int) -> np.ndarray:
        """(h, w) int64: the stage each cell exits at, at that stop."""
        stage = np.full(self.counts.shape[1:], len(self.counts), dtype=np.int64)
        for exit_ in reversed(range(len(self.counts))):
            stage[self.places[stop, exit_] < self.counts[exit_]] = exit_
        return stage

    def exits(self, stop: int) -> list[float]:
        """(S,) fraction of the cells that exit at each stage."""
        stages = len(self.counts) + 1
        return (np.bincount(self.stage(stop).ravel(), minlength=stages) / max(1, self.counts[0].size)).tolist()

    def packed(self, truth: np.ndarray | None = None) -> bytes:
        """Deflated: counts, first labels, what changes (exclusive or) stop by stop and to dense, tops, truth.

        Args:
            truth: (H, W) uint8 true classes, or None.
        """
        maps = np.concatenate([self.labels, self.dense[None]])
        changes = np.concatenate([maps[:1], maps[1:] ^ maps[:-1]])
        parts = [self.counts, changes, self.tops, *([] if truth is None else [truth])]
        return zlib.compress(b"".join(part.tobytes() for part in parts), 9)


def cached_view(logits: Sequence[Tensor], stops: Sequence[float] | Sequence[tuple[float, ...]] = RHOS) -> CachedView:
    """Re-threshold dense stage outputs at every stop.

    Args:
        logits: S >= 2 maps (1, K, h, w), as `all_stages` returns them for one image.
        stops: thresholds in [0, 1] for all exits, sorted here, each kept once; or tuples of one for each exit, kept as
            they come.

    Raises:
        ValueError: there is no exit, more than one image, or more than 255 stops.
    """
    each = any(isinstance(s, tuple) for s in stops)
    found: tuple[Any, ...] = tuple(stops) if each else tuple(sorted({float(s) for s in stops}))  # type: ignore[arg-type]
    if not 1 <= len(found) <= MOST_STOPS:
        raise ValueError(f"a slider has 1 to {MOST_STOPS} stops, got {len(found)}")
    if len(logits) < 2 or logits[0].shape[0] != 1:
        images = logits[0].shape[0] if len(logits) else 0
        raise ValueError(f"a slider shows one image at two stages or more, got {images} images, {len(logits)} stages")
    size = logits.size if isinstance(logits, StageLogits) else None
    rhos = list(zip(*(thresholds(stop, len(logits) - 1) for stop in found), strict=True))
    levels = tuple(tuple(sorted(set(of_exit))) for of_exit in rhos)
    places = [[level.index(rho) for rho in of_exit] for level, of_exit in zip(levels, rhos, strict=True)]

    def labels_at(stop: float | tuple[float, ...]) -> Tensor:
        return rethreshold(logits, stop, size=size).labels[0].to(torch.uint8)

    with torch.inference_mode():
        pairs = zip(logits, levels, strict=False)  # the last stage has no threshold
        counts = torch.stack([_count(max_softmax(maps)[0], level) for maps, level in pairs])
        labels, dense = torch.stack([labels_at(stop) for stop in found]), labels_at(1.0)
        best = [maps[0].float().softmax(0).topk(min(TOP, maps.shape[1]), dim=0) for maps in logits]
        tops = torch.stack([torch.stack([b.indices, (b.values * 255).round().long()]) for b in best], dim=1)
    maps = (counts, labels, dense, tops.to(torch.uint8))
    return CachedView(found, levels, np.array(places).T, *(m.cpu().numpy() for m in maps))


def _count(confidence: Tensor, level: Sequence[float]) -> Tensor:
    """At how many thresholds each of the (h, w) cells exits: (h, w) uint8."""
    return torch.stack([leaves(confidence, rho) for rho in level]).sum(0).to(torch.uint8)
