"""One process or several: what `torchrun` sets up, and what they share.

    torchrun --nproc-per-node 4 -m lcnb train --preset camvid-large --out runs/camvid-large

Each process trains on its part of every batch; gradients are averaged, counts are added, and the first process
writes the files. There is no launcher of our own.
"""

from __future__ import annotations

import os
import warnings

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


def writes() -> bool:
    """Whether this process is the one that writes files, known before the others have been met."""
    return int(os.environ.get("RANK", "0")) == 0


class Processes:
    """The processes of this run.

    Args:
        device: of this process.

    Attributes:
        count: how many there are.
        number: which one this is, from 0.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        launched = int(os.environ.get("WORLD_SIZE", "1")) > 1
        if launched and not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        self.count = dist.get_world_size() if launched else 1
        self.number = dist.get_rank() if launched else 0

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.number == 0

    def share(self, objective: nn.Module) -> nn.Module:
        """The objective, with gradients averaged over the processes.

        In cascade training a stage that no cell of this process reached has no gradient here.
        """
        if self.count == 1:
            return objective
        # Kernels of 1x1 are stored channels-last; their gradients need not be, and copying them costs nothing.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        devices = [self.device.index or 0] if self.device.type == "cuda" else None
        return DistributedDataParallel(objective, device_ids=devices, find_unused_parameters=True)

    def total(self, counts: Tensor) -> Tensor:
        """The sum of a tensor over the processes; on every one of them."""
        if self.count == 1:
            return counts
        moved = counts.to(self.device)
        dist.all_reduce(moved)
        return moved.to(counts.device)

    def mean(self, value: Tensor) -> float:
        """The mean of a number over the processes."""
        return float(self.total(value.clone()) / self.count)

    def any(self, here: bool) -> bool:
        """Whether it is true in any process; so that all stop at the same step."""
        return here if self.count == 1 else bool(self.total(torch.tensor(int(here))))
