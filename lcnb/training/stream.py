"""The endless, repeatable sequence of training samples.

Shape letters: H, W pixels of the crop.

Everything random is a function of (seed, sample number): which image, how it is augmented. So a run that is
killed and resumed sees exactly what an unbroken one sees, and a checkpoint needs no random state.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from lcnb.datasets import SegmentationDataset
from lcnb.datasets.transforms import augmentation
from lcnb.training.config import TrainConfig


class AugmentedStream(Dataset):
    """The endless sequence of training samples: sample k is the same whenever and wherever it is made."""

    def __init__(self, dataset: SegmentationDataset, config: TrainConfig) -> None:
        self.dataset, self.config = dataset, config
        self.augment = augmentation(config.crop, config.scale, dataset.spec.ignore_index)

    def __len__(self) -> int:
        return self.config.total_steps * self.config.batch

    def __getitem__(self, k: int) -> tuple[Tensor, Tensor]:
        """Image (3, H, W) float in [0, 1] and mask (H, W) int64."""
        epoch, place = divmod(k, len(self.dataset))
        order = torch.randperm(len(self.dataset), generator=torch.Generator().manual_seed(mix(self.config.seed, epoch)))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix(self.config.seed, k, 1))
            image, mask = self.augment(*self.dataset[int(order[place])])
        return image.as_subclass(Tensor).float() / 255, mask.as_subclass(Tensor).long()


def mix(*numbers: int) -> int:
    """A seed from several whole numbers (splitmix64 steps)."""
    state = 0x9E3779B97F4A7C15
    for n in numbers:
        state = (state ^ n) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ (state >> 31)) * 0x94D049BB133111EB % 2**64
    return state % 2**63


class SampleNumbers(Sampler[int]):
    """Every `step`-th sample from `start` to `stop`, in order: with several processes, each takes its share."""

    def __init__(self, start: int, stop: int, step: int = 1) -> None:
        self.numbers = range(start, stop, step)

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)
