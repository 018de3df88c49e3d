"""The endless, repeatable sequence of training samples, and the augmentation, the same for every data set.

Shape letters: H, W pixels of the crop.

Everything random is a function of (seed, sample number): which image, how it is augmented. So a run that is
killed and resumed sees exactly what an unbroken one sees, and a checkpoint needs no random state.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from lcnb.datasets import SegmentationDataset
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


def augmentation(
    crop: tuple[int, int], scale: tuple[float, float], ignore_index: int, jitter: float = 0.4
) -> v2.Transform:
    """Random scale, crop, flip and colour jitter of an (image, mask) pair.

    Args:
        crop: (H, W) of the result; images that are smaller are padded, the mask with `ignore_index`.
        scale: range of the factor on the image's own size.
        ignore_index: mask value of padding.
        jitter: strength of brightness, contrast and saturation changes.
    """
    return v2.Compose(
        [
            _RandomScale(scale),
            v2.RandomCrop(crop, pad_if_needed=True, fill={tv_tensors.Image: 128, tv_tensors.Mask: ignore_index}),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(jitter, jitter, jitter),
        ]
    )


class _RandomScale(nn.Module):
    """Scales a pair by a factor drawn log-uniformly, so that halving and doubling are equally likely."""

    def __init__(self, scale: tuple[float, float]) -> None:
        super().__init__()
        self.low, self.high = (math.log(s) for s in scale)

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The image resized bilinearly, the mask to the nearest pixel (by the types of `tv_tensors`)."""
        factor = math.exp(float(torch.empty(()).uniform_(self.low, self.high)))
        size = [max(1, round(side * factor)) for side in image.shape[-2:]]
        return v2.functional.resize(image, size, antialias=True), v2.functional.resize(mask, size)
