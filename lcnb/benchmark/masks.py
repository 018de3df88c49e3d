"""Masks that hold exactly the fraction of cells that was asked for.

Shape letters: B images, h, w cells.

A kind of mask is a field of scores: how much each cell wants to stay. The cells of the highest scores stay, so
the fraction is exact to a cell, in every image, and smaller masks lie inside larger ones, as the regions of later
stages do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

COARSE = 8
"""Cells between two independent values of a smooth field."""
SEGMENTS = 6
"""Classes of the map whose borders `boundaries` follows."""


def _smooth(batch: int, layers: int, height: int, width: int, generator: Generator) -> Tensor:
    """(B, layers, h, w) of smooth noise."""
    coarse = (max(2, -(-height // COARSE)), max(2, -(-width // COARSE)))
    noise = torch.randn(batch, layers, *coarse, generator=generator)
    return F.interpolate(noise, size=(height, width), mode="bicubic", align_corners=False)


def _blobs(batch: int, height: int, width: int, generator: Generator) -> Tensor:
    """Smooth patches: whole objects are hard."""
    return _smooth(batch, 1, height, width, generator)[:, 0]


def _boundaries(batch: int, height: int, width: int, generator: Generator) -> Tensor:
    """Bands along the borders of a random map of classes, where the two likeliest are close."""
    top = _smooth(batch, SEGMENTS, height, width, generator).topk(2, dim=1).values
    return top[:, 1] - top[:, 0]


def _random(batch: int, height: int, width: int, generator: Generator) -> Tensor:
    """Single cells anywhere: the worst case, and like no image."""
    return torch.rand(batch, height, width, generator=generator)


KINDS: dict[str, Callable[[int, int, int, Generator], Tensor]] = {
    "blobs": _blobs,
    "boundaries": _boundaries,
    "random": _random,
}


def nested_masks(shares: Sequence[float], shape: Sequence[int], kind: str = "blobs", seed: int = 0) -> list[Tensor]:
    """Masks of one field, the smaller inside the larger.

    Args:
        shares: of the active cells, each in [0, 1].
        shape: (B, h, w).
        kind: "blobs", "boundaries" or "random".
        seed: of the field.

    Returns:
        A (B, h, w) bool mask for each share; in every image round(share * h * w) cells are True.

    Raises:
        ValueError: a share is outside [0, 1], or there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"a mask is one of {', '.join(KINDS)}; got {kind!r}")
    for share in shares:
        if not 0 <= share <= 1:
            raise ValueError(f"the share of active cells lies between 0 and 1, got {share}")
    batch, height, width = shape
    field = KINDS[kind](batch, height, width, torch.Generator().manual_seed(seed))
    # The place of each cell among its image's scores, highest first; ties are broken by position.
    order = field.flatten(1).argsort(dim=1, descending=True, stable=True)
    place = torch.empty_like(order).scatter_(1, order, torch.arange(height * width).expand(batch, -1))
    return [(place < round(share * height * width)).view(batch, height, width) for share in shares]


def open_after(exits: Sequence[float], shape: Sequence[int], kind: str = "blobs", seed: int = 0) -> list[Tensor]:
    """The cells still open behind each exit.

    Args:
        exits: fraction of all cells that exits at each stage; their sum is at most 1.
        shape, kind, seed: as for `nested_masks`.

    Returns:
        A (B, h, w) bool mask for each exit.

    Raises:
        ValueError: a share is negative or all together exceed 1.
    """
    if any(e < 0 for e in exits) or sum(exits) > 1 + 1e-9:
        raise ValueError(f"exits are shares of all cells, at least 0 and together at most 1; got {tuple(exits)}")
    remaining = [max(0.0, 1 - sum(exits[: i + 1])) for i in range(len(exits))]
    return nested_masks(remaining, shape, kind, seed)
