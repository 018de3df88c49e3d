"""Adaptive networks with no training: pretrained ones whose auxiliary classifier becomes an early exit.

Shape letters: B images, K classes, H, W pixels, h, w cells of the 1/8 grid.

torchvision's FCN has a ResNet at output stride 8, a classifier behind its layer 4 and, from training, an auxiliary one
behind its layer 3. Both were trained, so both can speak: stage 1 ends at layer 3, and layer 4 runs on the region
that is left. The weights are torchvision's and come through its own download.
"""

from __future__ import annotations

import pickle
from http.client import HTTPException
from pathlib import PurePosixPath
from typing import Any

import torch
from torch import Tensor
from torchvision.models import segmentation
from torchvision.models.segmentation import FCN_ResNet50_Weights, FCN_ResNet101_Weights

from lcnb.errors import WeightsError, first_line
from lcnb.models.cascade import LayerCascade
from lcnb.models.runs import RHO
from lcnb.models.split import split

OURS = {"__background__": "background", "diningtable": "table", "pottedplant": "plant", "tvmonitor": "tv"}
"""torchvision's names of VOC's classes where lcnb has another; the indices are the same."""


def adaptive_fcn_resnet101(weights: Any = "DEFAULT", rho: float = RHO) -> LayerCascade:
    """torchvision's FCN-ResNet-101 as a cascade of two stages: exit 1 is the auxiliary head, exit 2 the classifier.

    At rho = 1 its labels are torchvision's. The threshold is the paper's, which was chosen for another network:
    `lcnb sweep --model fcn_resnet101 --dataset voc2012` finds one on your data.

    Args:
        weights: as torchvision takes them: "DEFAULT", a member of its FCN_ResNet101_Weights or its name (trained on
            COCO with VOC's 21 classes, about 208 MB, fetched once into torch's cache); None for random ones.
        rho: the threshold used when a call gives none.

    Returns:
        A cascade in eval mode, with `.meta`: name, dataset, classes, ignore_index, weights.

    Raises:
        WeightsError: torchvision knows no such weights, or cannot fetch or read them.

    Example:
        >>> cascade = adaptive_fcn_resnet101(weights=None)
        >>> cascade(torch.rand(1, 3, 96, 96), rho=0.9).exits.shape
        torch.Size([1, 2])
    """
    return _adaptive("fcn_resnet101", FCN_ResNet101_Weights, weights, rho)


def adaptive_fcn_resnet50(weights: Any = "DEFAULT", rho: float = RHO) -> LayerCascade:
    """As `adaptive_fcn_resnet101`, for torchvision's FCN-ResNet-50 (about 135 MB)."""
    return _adaptive("fcn_resnet50", FCN_ResNet50_Weights, weights, rho)


ADAPTIVE = {"fcn_resnet101": adaptive_fcn_resnet101, "fcn_resnet50": adaptive_fcn_resnet50}
"""By torchvision's name."""


def _adaptive(name: str, enum: Any, weights: Any, rho: float) -> LayerCascade:
    try:
        chosen = enum.verify(weights)
    except (KeyError, TypeError):
        known = ", ".join(f'"{member}"' for member in enum.__members__)
        raise WeightsError(f"torchvision has no weights {weights!r} for {name}; take {known}, or None") from None
    categories = FCN_ResNet101_Weights.DEFAULT.meta["categories"]
    classes = [OURS.get(c, c) for c in categories]
    # Built first and filled later: torchvision's own way would unpickle whatever the file holds.
    net = getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=len(classes), aux_loss=True)
    if chosen is not None:
        _fill(net, chosen)
    cascade = split(net.eval().backbone, ["layer3", "layer4"], heads=[net.aux_classifier, net.classifier], rho=rho)
    cascade.config = {"network": name, "num_classes": len(classes)}
    cascade.meta = {
        "name": name, "dataset": "voc2012", "classes": classes, "ignore_index": 255, "weights": chosen and str(chosen),
    }  # fmt: skip
    return cascade.eval()


def _fill(net: torch.nn.Module, weights: Any) -> None:
    """Load torchvision's weights, fetched unless they are in torch's cache.

    Raises:
        WeightsError: they cannot be fetched, or the file is damaged.
    """
    name = PurePosixPath(weights.url).name
    place = f"{torch.hub.get_dir()}/checkpoints/{name}"
    try:
        state: dict[str, Tensor] = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (OSError, HTTPException) as error:
        raise WeightsError(
            f"torchvision could not fetch {weights.url} ({error}); try again with a network, or put the file at "
            f"{place}; weights=None gives a random network"
        ) from error
    except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise WeightsError(
            f"the weights at {place} are damaged ({first_line(error):.120}); remove the file and try again"
        ) from error
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(
            f"the weights at {place} do not fit the network ({first_line(error):.120}); remove the file"
        ) from error
