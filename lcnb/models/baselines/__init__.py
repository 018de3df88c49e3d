"""The networks that the paper and its talk are compared with, to run and to count.

Random weights: these are for cost and speed only, and say nothing about accuracy. Each file names its source and
what is our choice. All take (B, 3, H, W) RGB in [0, 1] and return logits, at full size or on the 1/8 grid.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from lcnb.models.baselines.adelaide import Adelaide
from lcnb.models.baselines.deeplab import DeepLabV2
from lcnb.models.baselines.dpn import DPN
from lcnb.models.baselines.fcn import FCN8s
from lcnb.models.baselines.segnet import SegNet

BASELINES: dict[str, Callable[..., nn.Module]] = {
    "fcn-8s": FCN8s,
    "segnet": SegNet,
    "dpn": DPN,
    "adelaide": Adelaide,
    "deeplab-v2": DeepLabV2,
}
"""By name: called with `num_classes` and `width`, and the network's own knobs."""

__all__ = ["BASELINES", "DPN", "Adelaide", "DeepLabV2", "FCN8s", "SegNet", "baseline"]


def baseline(name: str, num_classes: int = 21, width: float = 1.0) -> nn.Module:
    """A network by name, randomly initialised, in eval mode.

    Raises:
        KeyError: there is none of that name.
    """
    if name not in BASELINES:
        raise KeyError(f"no baseline is named {name!r}; there are {', '.join(BASELINES)}")
    return BASELINES[name](num_classes, width).eval()
