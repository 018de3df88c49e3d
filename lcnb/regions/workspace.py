"""A region and the memory that the layers of a stage share while they run on it.

Shape letters: B images, h, w the grid, N active cells, C channels.
"""

from __future__ import annotations

import threading

import torch
from torch import Tensor

from lcnb.regions.region import Pair, Region


class Memory(threading.local):
    """Buffers by name, each as large as its largest user so far, the same memory for all who ask for that name.

    Memory that is freed behind a layer may go back to the system, and comes back page by page, each page a fault:
    on layers of a few milliseconds that is a large part of the time. Each thread has buffers of its own; a copy has
    none.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def __reduce__(self) -> tuple[type[Memory], tuple[()]]:
        return Memory, ()

    def take(self, name: str, size: int, like: Tensor) -> Tensor:
        """(size,) of the dtype and device of `like`, not initialised; what the last user left there is lost."""
        key = (name, like.dtype, like.device)
        kept = self._kept.get(key)
        if kept is None or kept.numel() < size:
            self._kept.pop(key, None)
            kept = self._kept[key] = torch.empty(size, dtype=like.dtype, device=like.device)
        return kept[:size]


class Workspace:
    """What the layers of a stage are given besides their features.

    Args:
        region: that all of them run on.
        like: whose dtype and device the buffers have.
        memory: to take them from; new memory if None.
    """

    def __init__(self, region: Region, like: Tensor, memory: Memory | None = None) -> None:
        self.region, self.like = region, like
        self.memory = Memory() if memory is None else memory
        self._ready: set[str] = set()

    def buffer(self, name: str, rows: int, channels: int) -> Tensor:
        """(rows, channels), not initialised."""
        return self.memory.take(name, rows * channels, self.like).view(rows, channels)

    def rows(self, name: str, channels: int) -> Tensor:
        """(N + 1, channels) of which only the last row is set, to zero."""
        rows = self.buffer(name, len(self.region) + 1, channels)
        rows[-1] = 0
        return rows

    def spread(self, cells: Tensor, fill: float = 0.0, margin: Pair = (0, 0)) -> Tensor:
        """Cells on a map.

        Args:
            cells: (N, C), columns next to each other.
            fill: what is outside the region.
            margin: rows and columns of `fill` to add on either side.

        Returns:
            (B, h', w', C), good until the next call with as many channels.
        """
        batch, height, width = self.region.shape
        channels, (tall, wide) = cells.shape[1], margin
        if self.region.is_full and cells.is_contiguous() and margin == (0, 0):
            return cells.view(batch, height, width, channels)
        shape = (batch, height + 2 * tall, width + 2 * wide, channels)
        name = f"map {channels} {fill} {margin}"
        places = self.region.places(margin)
        size = shape[0] * shape[1] * shape[2]
        flat = self.buffer(name, size, channels)
        if name not in self._ready:  # the region stays, so what is outside of it is filled once
            flat.fill_(fill)
            self._ready.add(name)
        flat.index_copy_(0, places, cells)
        return flat.view(shape)

    def collect(self, dense: Tensor, out: Tensor) -> None:
        """(B, h, w, C) -> the region's cells into the (N, C) `out`, which may be a slice of columns."""
        flat = dense.flatten(0, 2)
        if self.region.is_full:
            out.copy_(flat)
        elif out.is_contiguous():
            torch.index_select(flat, 0, self.region.index, out=out)
        else:
            picked = self.buffer("picked", len(out), out.shape[1])
            out.copy_(torch.index_select(flat, 0, self.region.index, out=picked))
