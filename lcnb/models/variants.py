"""IRNet as a cascade: the paper's network, and the one that public ImageNet weights fit.

Shape letters: K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from lcnb.models import inception
from lcnb.models.cascade import IMAGENET_MEAN, IMAGENET_STD, LayerCascade
from lcnb.models.irnet import IRNetConfig, initialise, irnet_stages


@dataclass(frozen=True)
class Variant:
    """A network that `irnet_lc` builds.

    Attributes:
        name: as `config["network"]` and a file of weights have it.
        stages: builds the stages and the heads.
        defaults: knobs that differ from `IRNetConfig`'s defaults.
        mean, std: of its RGB input.
    """

    name: str
    stages: Callable[[IRNetConfig], tuple[list[nn.Sequential], list[nn.Sequential]]]
    defaults: dict[str, Any]
    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD


VARIANTS = {
    "paper": Variant("irnet_lc", irnet_stages, {}),
    "timm": Variant("irnet_lc-timm", inception.inception_stages, inception.DEFAULTS, inception.MEAN, inception.STD),
}
"""By what the argument `variant` of `irnet_lc` calls them."""


def irnet_lc(num_classes: int = 21, width: float = 1.0, *, variant: str = "paper", **knobs: Any) -> LayerCascade:
    """IRNet as a three-stage cascade, randomly initialised (paper, figure 2).

    The paper starts from ImageNet weights of its own 5/10/5 network; they were never released, and no other public
    ImageNet weights fit it. `variant="timm"` is the cascade on the Inception-ResNet-v2 that has some, at twice the
    depth and stride 8 by dilation (`lcnb.models.inception`); `lcnb.imagenet.start` fills it.

    Args:
        num_classes: K.
        width: factor on every branch's channels; 1.0 is the paper's network, .25 fits a laptop.
        variant: "paper", or "timm" for the network that public ImageNet weights fit (at width 1).
        knobs: other fields of `IRNetConfig`; "timm" has other defaults of `blocks` and `dilation`.

    Raises:
        ValueError, TypeError: a knob is out of range or unknown.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant is one of {', '.join(VARIANTS)}; got {variant!r}")
    network = VARIANTS[variant]
    config = IRNetConfig(**{"num_classes": num_classes, "width": width, **network.defaults, **knobs})
    stages, heads = network.stages(config)
    cascade = LayerCascade(stages, heads, mean=network.mean, std=network.std)
    initialise(cascade)
    cascade.config = {
        "network": network.name,
        **{k: list(v) if isinstance(v, tuple) else v for k, v in vars(config).items()},
    }
    return cascade.to(memory_format=torch.channels_last)
