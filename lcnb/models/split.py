"""Cut an existing network into stages and make a cascade of it.

Shape letters: B images, C channels, K classes, H, W pixels, h, w cells, S stages.

Where it can be cut is the business of `cut.py`. Here the stages get classifiers, and each later stage is tried on a
region before anybody relies on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from lcnb.errors import first_line
from lcnb.models.cascade import IMAGENET_MEAN, IMAGENET_STD, LayerCascade
from lcnb.models.checks import check_statistics
from lcnb.models.cut import SplitError, cut
from lcnb.models.exits import thresholds
from lcnb.models.probe import probe
from lcnb.models.runs import RHO
from lcnb.models.trial import evaluating, refusal

GLOBAL_POOL = ("refuse", "active")


def split(
    model: nn.Module,
    names: Sequence[str],
    *,
    num_classes: int | None = None,
    heads: Sequence[nn.Module] | None = None,
    example: Tensor | None = None,
    rho: float | Sequence[float] = RHO,
    mean: Any = None,
    std: Any = None,
    global_pool: str = "refuse",
) -> LayerCascade:
    """Make a cascade of an existing network; at rho = 1 it gives what the network gives.

    What is behind the last name (global pooling, a classifier of whole images) is left out. Stage 1 may hold
    anything; each later stage, with its head, is tried on a region, in evaluation and in training, before the cascade
    is returned.

    Args:
        model: takes (B, 3, H, W). Its modules are shared with the cascade, not copied; so are dtype and device.
        names: of submodules, as in `model.named_modules()`, in the order in which they run: the last of each stage.
        num_classes: K of new heads as in FCN, one for each stage: 3x3 to a quarter of the channels, 1x1 to the classes.
        heads: S modules that take a stage's map and give (B, K, h, w), in place of new ones.
        example: (B, 3, H, W) that the stages are tried on; noise of 64x64 if None.
        rho: as for `LayerCascade`.
        mean, std: of images in [0, 1], a number per channel; if None those of the model's configuration (timm's
            `pretrained_cfg`), else torchvision's.
        global_pool: what global pooling in a later stage means, such as in squeeze and excitation: "refuse", or
            "active": the mean over the active cells, which is that of the whole map only where no cell has exited.

    Raises:
        SplitError: a name is unknown, more than one map crosses a cut, the network cannot be traced, a later stage or
            head holds what cannot run on a region (it names the module and the way out), or the heads do not fit.
        ValueError: rho, mean or std are none.

    Example:
        >>> from torchvision.models import resnet101
        >>> net = resnet101(weights=None, replace_stride_with_dilation=[False, True, True])
        >>> cascade = split(net, ["layer3.10", "layer3", "layer4"], num_classes=21)
    """
    if (num_classes is None) == (heads is None):
        raise SplitError("split needs either num_classes, for new classifiers, or heads, one for each stage")
    if heads is not None and len(heads) != len(names):
        raise SplitError(f"{len(names)} stages need as many heads, got {len(heads)}")
    classes = 1 if num_classes is None else num_classes
    if not isinstance(classes, Integral) or isinstance(classes, bool) or classes < 1:
        raise SplitError(f"num_classes is a number of classes, at least 1; got {num_classes!r}")
    if global_pool not in GLOBAL_POOL:
        raise SplitError(f"global_pool is one of {', '.join(GLOBAL_POOL)}; got {global_pool!r}")
    thresholds(rho, len(names) - 1 if names else 0)
    means, deviations = check_statistics(*_statistics(model, mean, std))
    stages = cut(model, names)
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.zeros(()))
    if example is None:
        example = torch.rand(1, len(means), 64, 64, generator=torch.Generator().manual_seed(0))
    maps = _maps(stages, example.to(like))
    if heads is None:
        heads = [fcn_head(m.shape[1], int(classes)).to(like).train(model.training) for m in maps]
    count = _check_heads(heads, maps)
    _check_stages(stages, heads, maps, global_pool == "active")
    cascade = LayerCascade(stages, heads, rho, means, deviations).to(like.device)
    cascade.config = {"network": "split", "num_classes": count, "names": list(names), "mean": means, "std": deviations}
    if global_pool != "refuse":
        cascade.config["global_pool"] = cascade.global_pool = global_pool
    cascade.training = model.training
    return cascade.to(memory_format=torch.channels_last)


def _statistics(model: nn.Module, mean: Any, std: Any) -> tuple[Any, Any]:
    """Mean and standard deviation: those given, of the model's configuration, or torchvision's."""
    for module in model.modules():
        for name in ("pretrained_cfg", "default_cfg"):
            known = getattr(module, name, None)
            known = known if isinstance(known, dict) else getattr(known, "__dict__", {})
            if known.get("mean") and known.get("std"):
                return known["mean"] if mean is None else mean, known["std"] if std is None else std
    return IMAGENET_MEAN if mean is None else mean, IMAGENET_STD if std is None else std


def fcn_head(channels: int, num_classes: int) -> nn.Sequential:
    """The classifier of torchvision's FCN: (B, C, h, w) -> (B, K, h, w), and it runs on a region."""
    hidden = max(1, channels // 4)
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 3, padding=1, bias=False),
        nn.BatchNorm2d(hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(0.1),
        nn.Conv2d(hidden, num_classes, 1),
    )


def _maps(stages: Sequence[nn.Module], example: Tensor) -> list[Tensor]:
    """What each stage gives on the example."""
    maps = [example]
    for stage in stages:
        with evaluating(stage):
            maps.append(stage(maps[-1].clone()))
        if not isinstance(maps[-1], Tensor) or maps[-1].dim() != 4:
            got = tuple(maps[-1].shape) if isinstance(maps[-1], Tensor) else type(maps[-1]).__name__
            raise SplitError(f"stage {len(maps) - 1} gives {got}, not a map (B, C, h, w); let it end earlier")
    return maps[1:]


def _check_heads(heads: Sequence[nn.Module], maps: Sequence[Tensor]) -> int:
    """K, the same for all of them."""
    classes = set()
    for s, (head, features) in enumerate(zip(heads, maps, strict=True)):
        try:
            with evaluating(head):
                logits = head(features.clone())
        except (RuntimeError, ValueError, TypeError) as error:
            raise SplitError(
                f"head {s + 1} cannot take the map {tuple(features.shape)} of its stage: {first_line(error)}"
            ) from error
        if logits.dim() != 4 or logits.shape[2:] != features.shape[2:]:
            raise SplitError(
                f"head {s + 1} makes {tuple(logits.shape)} of {tuple(features.shape)}; it has to give (B, K, h, w) on "
                "the same grid (the cascade itself brings logits to pixels)"
            )
        classes.add(logits.shape[1])
    if len(classes) != 1:
        raise SplitError(f"the heads know {', '.join(map(str, sorted(classes)))} classes; they have to know the same")
    return classes.pop()


def _check_stages(stages: Sequence[nn.Module], heads: Sequence[nn.Module], maps: Sequence[Tensor], pools: bool) -> None:
    """Try every later stage and head on a region, in evaluation, then in training on two images."""
    for s in range(1, len(stages)):
        for what, module, features in (("stage", stages[s], maps[s - 1]), ("the head of stage", heads[s], maps[s])):
            for training, given in ((False, features), (True, features.repeat(2, 1, 1, 1))):
                with evaluating(module, training):
                    why = refusal(module, (given,), pools=pools)
                if why is not None:
                    why = _culprit(module, given, training, pools) or why
                    out = '; global_pool="active" takes the mean over the active cells' if _pools(why) else ""
                    mode = " in training" if training else ""
                    raise SplitError(f"{what} {s + 1} cannot run on a region{mode}: {why}{out}")


def _culprit(module: nn.Module, features: Tensor, training: bool, pools: bool) -> str | None:
    """The innermost module that is refused, with its reason."""
    refused = [c for c in probe(module, features, training=training, pools=pools)[0] if c.refusal is not None]
    inner = [c for c in refused if not any(other.parent == c.name for other in refused)]
    return f"{inner[0].name} ({inner[0].kind}), {inner[0].refusal}" if inner else None


def _pools(why: str) -> bool:
    """Whether it is global average pooling that was refused."""
    return "adaptive_avg_pool2d: " in why or "mean: " in why
