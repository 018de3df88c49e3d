"""A region and the memory that the layers of a stage share while they run on it.

Shape letters: B images, h, w the grid, N active cells, C channels.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar

import torch
from torch import Tensor

from lcnb.regions.native import Program, program
from lcnb.regions.region import Region

Kept = TypeVar("Kept")
LARGE = 31 << 20
"""Bytes; glibc learns from blocks of up to 32 MB."""


def teach_allocator(device: torch.device) -> None:
    """Let the C library keep the memory of feature maps between two images.

    What is larger than a threshold glibc gives back to the system when it is freed, and gets again page by page, each a
    fault. The threshold is the largest block that was freed so far. So one is taken and freed,
    never touched; where the C library is another, this does nothing.
    """
    if device.type == "cpu":
        torch.empty(LARGE, dtype=torch.uint8)


class Memory(threading.local):
    """Buffers by name, each as large as its largest user so far, the same memory for all who ask for that name.

    Memory that is freed behind a layer may go back to the system, and comes back page by page, each page a fault:
    on layers of a few milliseconds that is a large part of the time. Each thread has buffers of its own.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def take(self, name: str, size: int, like: Tensor) -> Tensor:
        """(size,) of the dtype and device of `like`, not initialised; what the last user left there is lost."""
        key = (name, like.dtype, like.device)
        kept = self._kept.get(key)
        if kept is None or kept.numel() < size:
            self._kept.pop(key, None)
            with torch.inference_mode(False):  # what is made inside may not be written to outside
                kept = self._kept[key] = torch.zeros(size, dtype=like.dtype, device=like.device)
        return kept[:size]


class Workspace:
    """What the layers of a stage are given besides their features.

    The blocks of a stage are alike, and at a narrow width asking torch for a view takes as long as a layer's work: what
    the first block has made the others find.

    Args:
        region: that all of them run on.
        like: whose dtype and device the buffers have.
        memory: to take them from; new memory if None.
    """

    def __init__(self, region: Region, like: Tensor, memory: Memory | None = None) -> None:
        self.region, self.like = region, like
        self.memory = Memory() if memory is None else memory
        self._program: Program | None = None
        self._kept: dict[Hashable, object] = {}

    @property
    def program(self) -> Program | None:
        """Where layers that run by kernels of ours write down what is to be done (`lcnb.regions.native`).

        None: there are no kernels. Who does not ask for it starts no compiler.
        """
        if self._program is None and self.like.device.type == "cpu" and self.like.dtype == torch.float32:
            self._program = program()
        return self._program

    def finish(self) -> None:
        """Run what layers have written down. Whatever else reads or writes their rows asks for it before."""
        if self._program is not None:
            self._program.run()

    def kept(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """What `make` gave the first time that this key was asked for."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]  # type: ignore[return-value]

    def buffer(self, name: str, rows: int, channels: int) -> Tensor:
        """(rows, channels), not initialised."""

        def taken() -> Tensor:
            return self.memory.take(name, rows * channels, self.like).view(rows, channels)

        return self.kept((name, rows, channels), taken)

    def rows(self, name: str, channels: int) -> tuple[Tensor, Tensor]:
        """(N + 1, channels), the last row zero, and its first N rows, not initialised, which are there to be written.

        The last row is never written to, and rows of another width are other memory: it stays zero.
        """
        return self.kept(("rows", name, channels), lambda: self._rows(f"{name} {channels}", channels))

    def _rows(self, name: str, channels: int) -> tuple[Tensor, Tensor]:
        rows = self.buffer(name, len(self.region) + 1, channels)
        rows[-1] = 0
        return rows, rows[:-1]
