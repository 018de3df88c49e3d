"""The images of a benchmark, on the host or already on the device.

Shape letters: B images, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


class Inputs:
    """A batch for every round, again and again.

    Args:
        batches: (B, 3, H, W) float32 RGB in [0, 1], on the host.
        device: that the networks run on.
        resident: keep them on the device; else each run copies its own, from pinned memory.

    Raises:
        ValueError: there is no batch.
    """

    def __init__(self, batches: Sequence[Tensor], device: str, resident: bool = False) -> None:
        if not batches:
            raise ValueError("a benchmark needs at least one image")
        self.device = torch.device(device)
        self.copies = self.device.type == "cuda" and not resident
        kept = [b.pin_memory() if self.copies else b.to(self.device) for b in batches]
        self.batches = kept

    def __len__(self) -> int:
        return len(self.batches)

    @property
    def one_size(self) -> bool:
        """All batches are of one size."""
        return len({batch.shape for batch in self.batches}) == 1

    def __getitem__(self, turn: int) -> Tensor:
        """The batch of a round, on the device; the copy is part of what is timed."""
        batch = self.batches[turn % len(self.batches)]
        return batch.to(self.device, non_blocking=True) if self.copies else batch

    def fed(self, form: Callable[[Tensor], Any]) -> Callable[[int], Any]:
        """A call that takes the number of a round and gives `form` that round's batch."""
        return lambda turn: form(self[turn])


def timed(cuda: bool, resident: bool) -> dict[str, list[str]]:
    """What the times of a whole network include and what not.

    Args:
        cuda: a CUDA device is among those measured.
        resident: images lie on it already.
    """
    inside = ["normalisation", "all stages", "exits, masks, neighbour tables", "upsampling and argmax to labels"]
    outside = ["reading and decoding the image"]
    if cuda:
        (outside if resident else inside).append("host-to-device copy of float32 images (CUDA)")
    return {"inside": inside, "outside": outside}


def noise(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    """(B, 3, H, W) float32 of uniform noise: what an image shows has no part in the time of a planned run."""
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def batched(images: Sequence[Tensor], batch: int) -> list[Tensor]:
    """Batches of images in their order; images that do not fill a batch are left out.

    Args:
        images: (3, H, W) uint8 each.
        batch: B.

    Raises:
        ValueError: images of one batch differ in size, or there are too few for one.
    """
    batches = []
    for start in range(0, len(images) - batch + 1, batch):
        part = images[start : start + batch]
        if len({image.shape for image in part}) > 1:
            raise ValueError(f"images of several sizes make no batch of {batch}; use 1")
        batches.append(torch.stack([torch.as_tensor(image) for image in part]).float() / 255)
    if not batches:
        raise ValueError(f"{len(images)} images make no batch of {batch}")
    return batches
