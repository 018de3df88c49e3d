"""The `triton` backend: region convolution as one fused kernel on a GPU.

Shape letters: N active cells, C channels, O output channels.

Importing this file imports triton; `lcnb.regions.backends` does so when the backend is asked for.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.regions.gather import GatherBackend
from lcnb.regions.region import Pair, Region
from lcnb.regions.triton_kernels import INTERPRETED
from lcnb.regions.triton_ops import region_conv


class TritonBackend(GatherBackend):
    """Convolutions by the kernels of `triton_kernels.py`; pooling, and features that lie on a CPU, as `gather` does.

    Under Triton's interpreter it takes CPU features, and float64, in which gradients can be checked.
    """

    name = "triton"
    dtypes = frozenset({torch.float32, torch.float16, torch.bfloat16} | ({torch.float64} if INTERPRETED else set()))
    grouped = False

    def conv2d(
        self, features: Tensor, region: Region, weight: Tensor, bias: Tensor | None, dilation: Pair, groups: int
    ) -> Tensor:
        """(N, C) features, (O, C, kh, kw) weight, (O,) bias -> (N, O). Cells outside count as zero."""
        if not (features.is_cuda or INTERPRETED):
            return super().conv2d(features, region, weight, bias, dilation, groups)
        kernel = (weight.shape[2], weight.shape[3])
        if kernel == (1, 1):  # a plain product: nothing does it better than cuBLAS
            return F.linear(features, weight[:, :, 0, 0], bias)
        return region_conv(features, weight, region.neighbours(kernel, dilation), bias, None, False)
