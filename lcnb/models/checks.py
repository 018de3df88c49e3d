"""What a cascade is given, looked at before it computes: one sentence instead of labels that mean nothing.

Shape letters: B images, C channels, K classes, H, W pixels, h, w the 1/8 grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lcnb.errors import TraceError

SPARSE, BRIGHTEST, DARKEST = 16, 16.0, -0.5
"""An image whose every 16th pixel is nowhere brighter or darker than this is taken for one in [0, 1], noise and all;
one in [0, 255] that passes is all but black, a normalised one has no dark pixel."""


def is_traced() -> bool:
    """Whether `torch.jit.trace` or `torch.export` is recording what runs (`torch.compile` copes, and is not meant)."""
    exporting = getattr(torch.compiler, "is_exporting", lambda: False)()  # torch 2.4 has none
    compiling = torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()
    return torch.jit.is_tracing() or exporting or compiling


def check_not_traced(what: str) -> None:
    """Refuse to be recorded.

    Raises:
        TraceError: it is being traced or exported.
    """
    if is_traced():
        raise TraceError(
            f"{what} cannot be traced or exported, because what it computes depends on the image; trace or export "
            "a module whose forward calls `all_stages` of the cascade as it is before `for_inference`, and give its "
            "result to `rethreshold`"
        )


def check_image(x: Any, mean: Tensor) -> None:
    """Refuse what is no batch of images in [0, 1]: bytes, and pixels that were normalised before.

    A trace, which is for other images too, is not looked at.

    Args:
        x: should be (B, C, H, W).
        mean: (1, C, 1, 1), what the network subtracts; where that is 0, pixels may be negative.

    Raises:
        TypeError: it is no tensor, or holds whole numbers.
        ValueError: it has another shape or no pixel, goes up to 255, or is clearly negative (looked for on a CPU only:
            to look at a GPU's pixels is to wait for it).
    """
    if is_traced():
        return
    if not isinstance(x, Tensor):
        raise TypeError(f"the cascade takes a tensor of RGB floats in [0, 1], got {type(x).__name__}")
    if not x.is_floating_point():
        raise TypeError(f"the cascade takes RGB floats in [0, 1], got {x.dtype}; divide by 255 first")
    channels = mean.shape[1]
    if x.dim() != 4 or x.shape[1] != channels or 0 in x.shape:
        raise ValueError(f"the cascade takes images of shape (B, {channels}, H, W), got {tuple(x.shape)}")
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        darkest, brightest = map(float, x.detach()[:, :, ::SPARSE, ::SPARSE].aminmax())
        if brightest > BRIGHTEST:
            raise ValueError(f"the cascade takes RGB floats in [0, 1], got {brightest:g}; divide by 255 first")
        if darkest < DARKEST and bool(mean.any()):
            raise ValueError(
                f"the cascade takes RGB floats in [0, 1] and normalises them itself, got {darkest:g}; leave out your "
                "own normalisation, or give mean=[0, 0, 0] and std=[1, 1, 1] to the cascade"
            )


def check_statistics(mean: Any, std: Any) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel as numbers, of whatever holds them.

    Raises:
        ValueError: they are not as many finite numbers, or a deviation is not above 0.
    """
    means, deviations = (
        torch.as_tensor(values, dtype=torch.float64, device="cpu").flatten().tolist() for values in (mean, std)
    )
    finite = all(map(math.isfinite, means)) and all(0 < s < math.inf for s in deviations)
    if len(means) != len(deviations) or not finite:
        raise ValueError(
            "mean and std hold a number for each channel of images in [0, 1], such as "
            f"mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225); got mean={mean!r}, std={std!r}"
        )
    return means, deviations


def check_maps(logits: Any, size: Any) -> None:
    """Maps that are no tensors of one shape would be spread over each other without a word.

    Raises:
        TypeError, ValueError: they are not, or the size is not two numbers of pixels.
    """
    if not isinstance(logits, (Sequence, Tensor)) or isinstance(logits, str):
        raise TypeError(
            f"rethreshold takes the logits of every stage, as all_stages gives them; got {type(logits).__name__}"
        )
    if not len(logits):
        raise ValueError("rethreshold needs the logits of every stage, got none")
    for maps in logits:
        if not isinstance(maps, Tensor) or not maps.is_floating_point():
            raise TypeError(f"logits are tensors of floats, got {getattr(maps, 'dtype', type(maps).__name__)}")
        if maps.dim() != 4 or maps.shape != logits[0].shape or 0 in maps.shape:
            raise ValueError(
                f"logits are (B, K, h, w), the same for every stage; got {tuple(logits[0].shape)}, {tuple(maps.shape)}"
            )
    if size is not None and (
        not isinstance(size, Sequence) or len(size) != 2 or not all(int(side) >= 1 for side in size)
    ):
        raise ValueError(f"size is (H, W), each at least 1; got {size!r}")
