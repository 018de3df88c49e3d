"""`lcnb bench gpu`: in one go of some minutes on a CUDA card, are the kernels right, and are they faster.

Shape letters: B images, C channels in, O channels out, H, W pixels, h, w the grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.benchmark.inputs import Inputs, noise
from lcnb.benchmark.masks import open_after
from lcnb.benchmark.model import ModelSettings, bench_model
from lcnb.benchmark.protocol import Protocol, Times
from lcnb.models import LayerCascade, irnet_lc, lite_lc
from lcnb.regions import Region, RegionTensor, use_backend

CASES: dict[str, tuple[int, int, tuple[int, int], int, int]] = {
    "3x3": (48, 64, (3, 3), 1, 1),
    "1x7": (128, 160, (1, 7), 1, 1),
    "3x3 dilated": (96, 96, (3, 3), 2, 1),
    "1x1": (256, 64, (1, 1), 1, 1),
    "depthwise 5x5 dilated": (144, 144, (5, 5), 2, 144),
    "grouped 3x3": (64, 64, (3, 3), 1, 8),
}
"""Layers of IRNet and of EfficientNet-Lite0, and one with groups: C, O, kernel, dilation, groups."""
ALLOWED = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
"""Largest error over the largest magnitude, by dtype."""
NETWORKS: dict[str, Callable[[], LayerCascade]] = {"IRNet": lambda: irnet_lc(21), "Lite0": lambda: lite_lc(21)}
EXITS = (0.23, 0.29)
"""The paper's at stages 1 and 2 (section 4, rho = .985); planned, as the weights are random."""


def check_kernels(device: str, backend: str, seed: int = 0) -> list[dict[str, Any]]:
    """Region convolutions of a backend against dense ones in float64 on zero-filled maps, forward and backward.

    Args:
        device: that the backend runs on.
        backend: its name.
        seed: of features, weights and mask.

    Returns:
        For each layer and dtype: `errors` of the output and of the gradients of features and weight, each over the
        largest magnitude; `allowed`; `right`.
    """
    torch.manual_seed(seed)
    mask, found = torch.rand(2, 24, 40) < 0.4, list[dict[str, Any]]()
    tf32, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    try:
        for name, (channels, outputs, kernel, dilation, groups) in CASES.items():
            x, weight = torch.randn(2, channels, 24, 40), torch.randn(outputs, channels // groups, *kernel)
            slope = torch.randn(2, outputs, 24, 40)
            for dtype, allowed in ALLOWED.items():
                given = [t.to(dtype) for t in (x, weight, slope)]
                wanted = _convolved([t.double() for t in given], mask, dilation, groups, None)
                with use_backend(backend):
                    got = _convolved([t.to(device) for t in given], mask.to(device), dilation, groups, Region)
                pairs = zip(got, wanted, strict=True)
                errors = [float((a.cpu().double() - b).abs().max() / b.abs().max()) for a, b in pairs]
                row = {"layer": name, "dtype": str(dtype).removeprefix("torch."), "errors": errors, "allowed": allowed}
                found.append(row | {"right": max(errors) <= allowed})
    finally:
        torch.backends.cudnn.allow_tf32 = tf32
    return found


def _convolved(
    given: Sequence[Tensor], mask: Tensor, dilation: int, groups: int, region: type[Region] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """(output, gradient of features, of weight), where cells outside the mask hold and give zeros."""
    x, weight, slope = (t.detach() for t in given)
    x, weight = x.requires_grad_(), weight.requires_grad_()
    padding = tuple(dilation * (side // 2) for side in weight.shape[2:])
    with torch.enable_grad():
        features: Any = x * mask[:, None] if region is None else RegionTensor.from_dense(x, region(mask))
        y: Any = F.conv2d(features, weight, None, 1, padding, dilation, groups)
        y = y * mask[:, None] if region is None else y.to_dense()
        grads = torch.autograd.grad(y, (x, weight), slope)
    return y.detach(), *grads


def bench_gpu(
    device: str,
    batch: int,
    size: tuple[int, int],
    dtypes: Sequence[torch.dtype],
    seed: int,
    protocol: Protocol,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[dict[str, Any]], list[Times]]:
    """Each network against its dense forms, at planned exits; images lie on the device already.

    Args:
        device: to measure.
        batch: B.
        size: (H, W) of the images.
        dtypes: of weights and features, one after the other.
        seed: of images, weights and masks.
        protocol: how times are taken.
        progress: called with rounds done and rounds in all, of each case.
    """
    results, all_times = list[dict[str, Any]](), list[Times]()
    inputs = Inputs([noise(batch, *size, seed)], device, resident=True)
    grid = (batch, *(-(-side // 8) for side in size))
    for name, network in NETWORKS.items():
        torch.manual_seed(seed)
        cascade = network().eval().to(device)
        for dtype in dtypes:
            settings = ModelSettings(still_open=tuple(open_after(EXITS, grid, seed=seed)), dtype=dtype)
            result, times = bench_model(cascade, inputs, settings, protocol, progress)
            results.append({"network": name, "dtype": str(dtype).removeprefix("torch."), **result})
            all_times += times
    return results, all_times
