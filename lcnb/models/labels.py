"""From cells to pixels: labels, and whatever else a cell knows.

Shape letters: B images, K classes, h, w cells, H, W pixels, k pixels to a cell's side, M mixed squares.

A label is the argmax of logits that are interpolated between four cells. Where these four have the same winner, so has
every point between them (no other class can get ahead in a mean of theirs), and nothing has to be interpolated: that is
so at most pixels of most pictures, and a CPU is through sooner.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def to_pixels(cells: Tensor, size: Sequence[int]) -> Tensor:
    """(B, h, w) of any dtype -> (B, H, W) by the nearest cell, aligned as the labels are."""
    rows = _nearest(cells.shape[1], size[0], cells.device)
    columns = _nearest(cells.shape[2], size[1], cells.device)
    return cells[:, rows[:, None], columns[None, :]]


def _nearest(cells: int, pixels: int, device: torch.device) -> Tensor:
    doubled = 2 * torch.arange(pixels, device=device) + 1  # whole numbers: exact, and no float64, which MPS has not
    return (doubled * cells).div(2 * pixels, rounding_mode="floor")


def upsampled(logits: Tensor, size: Sequence[int]) -> Tensor:
    """(B, K, h, w) of any float dtype -> (B, K, H, W) float32, bilinear (align_corners=False)."""
    return F.interpolate(logits.float(), size=tuple(size), mode="bilinear", align_corners=False)


def to_labels(logits: Tensor, size: Sequence[int]) -> Tensor:
    """(B, K, h, w) -> (B, H, W) int64: argmax of the `upsampled` logits.

    Where a cell has an even number of pixels a side, a CPU interpolates between cells of different winners only. Sums
    are then in another order, so two classes that are equal up to rounding may change places.
    """
    side = _side(logits.shape[2:], size)
    if side is None or logits.device.type != "cpu":  # to find the mixed squares is to wait for a GPU
        return upsampled(logits, size).argmax(1)
    return _by_squares(logits.detach().float().permute(0, 2, 3, 1).contiguous(), side)


def _side(grid: Sequence[int], size: Sequence[int]) -> int | None:
    """k, or None where it is no even number, the same along both axes."""
    (height, width), side = grid, size[0] // max(1, grid[0])
    whole = (height * side, width * side) == tuple(size)
    return side if whole and side > 0 and side % 2 == 0 else None


def _by_squares(logits: Tensor, side: int) -> Tensor:
    """(B, h, w, K) -> (B, k h, k w) int64.

    A square has four cells' centres as its corners; those along the border have the border's cells twice.
    """
    batch, height, width, classes = logits.shape
    winner = logits.argmax(3)
    rows, columns = _padded(height), _padded(width)
    corner = winner[:, rows][:, :, columns]  # (B, h + 2, w + 2)
    first = corner[:, :-1, :-1]
    mixed = (first != corner[:, :-1, 1:]) | (first != corner[:, 1:, :-1]) | (first != corner[:, 1:, 1:])
    labels = first[:, :, None, :, None].repeat(1, 1, side, 1, side)
    image, row, column = mixed.nonzero(as_tuple=True)
    above, below = rows[row] * width, rows[row + 1] * width
    left, right = image * (height * width) + columns[column], image * (height * width) + columns[column + 1]
    corners = torch.stack([above + left, above + right, below + left, below + right])  # (4, M)
    known = logits.view(-1, classes).index_select(0, corners.flatten()).view(4, -1)
    between = (_shares(side) @ known).view(side * side, -1, classes).argmax(2)  # (k k, M)
    labels[image, row, :, column] = between.t().reshape(-1, side, side)
    half = side // 2
    whole = labels.view(batch, (height + 1) * side, (width + 1) * side)
    return whole[:, half : half + height * side, half : half + width * side].contiguous()


def _padded(cells: int) -> Tensor:
    """(cells + 2,): every cell's number, the outer ones twice."""
    return torch.arange(-1, cells + 1, device="cpu").clamp_(0, cells - 1)


@functools.cache
def _shares(side: int) -> Tensor:
    """(k k, 4) float32: of the corners' logits in those of each pixel of a square."""
    second = (torch.arange(side, dtype=torch.float32, device="cpu") + 0.5) / side  # kept: whatever the default dtype
    along = torch.stack([1 - second, second], dim=1)  # (k, 2)
    return torch.einsum("ya,xb->yxab", along, along).reshape(side * side, 4)
