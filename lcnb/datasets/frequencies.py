"""How often each class occurs.

Shape letters: K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lcnb.datasets.base import SegmentationDataset


def class_shares(dataset: SegmentationDataset) -> Tensor:
    """(K,) float64: each class's fraction of the labelled pixels, 0 everywhere if none is labelled.

    Reads every mask of the split and no image.

    Raises:
        DataError: a mask is missing or damaged, or holds a label outside the classes.
    """
    counts = torch.zeros(256, dtype=torch.int64)
    for item in range(len(dataset)):
        counts += torch.bincount(dataset.mask(item).as_subclass(Tensor).flatten().long(), minlength=256)
    labelled = counts[: len(dataset.spec.classes)].double()
    return labelled / labelled.sum().clamp(min=1)
