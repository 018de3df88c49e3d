"""The `reference` backend: the paper's im2col, literally; short and slow, the oracle of every test.

Shape letters: B images, H, W grid, N active cells, C channels, K kernel positions, O output channels.

The authors' released layer writes the columns of the active pixels, runs one matrix product and
scatters the result (paper, section 3.3; code `region_conv_layer`). So does this one, through a dense
map and `torch.nn.functional.unfold`: it shares no code with the neighbour tables it is used to check.
Like the released layer it has no groups; unlike it, any batch size and an empty region work.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.regions.region import Pair, Region


class ReferenceBackend:
    """Region convolution and pooling by im2col over the dense grid."""

    name = "reference"
    dtypes = frozenset({torch.float64, torch.float32})
    grouped = False

    def conv2d(
        self, features: Tensor, region: Region, weight: Tensor, bias: Tensor | None, dilation: Pair, groups: int
    ) -> Tensor:
        """(N, C) features, (O, C, kh, kw) weight, (O,) bias -> (N, O). Cells outside count as zero."""
        columns = _columns(features, region, 0.0, (weight.shape[2], weight.shape[3]), dilation)
        out = columns.flatten(1) @ weight.flatten(1).t()
        return out if bias is None else out + bias

    def max_pool2d(self, features: Tensor, region: Region, kernel: Pair, dilation: Pair) -> Tensor:
        """(N, C) -> (N, C), the maximum over active neighbours."""
        return _columns(features, region, float("-inf"), kernel, dilation).max(dim=2).values

    def avg_pool2d(
        self, features: Tensor, region: Region, kernel: Pair, count_include_pad: bool, divisor: int | None
    ) -> Tensor:
        """(N, C) -> (N, C); cells outside are zero padding, counted as the border is."""
        total = _columns(features, region, 0.0, kernel, (1, 1)).sum(2)
        if divisor is not None:
            return total / divisor
        if count_include_pad:
            return total / (kernel[0] * kernel[1])
        ones = features.new_ones(len(region), 1)
        return total / _columns(ones, region, 0.0, kernel, (1, 1)).sum(2)


def _columns(features: Tensor, region: Region, fill: float, kernel: Pair, dilation: Pair) -> Tensor:
    """(N, C) -> (N, C, K): what the kernel sees at every active cell, `fill` where nothing is active."""
    batch, height, width = region.shape
    channels = features.shape[1]
    flat = features.new_full((batch * height * width, channels), fill).index_put((region.index,), features)
    dense = flat.view(batch, height, width, channels).permute(0, 3, 1, 2)
    reach = [d * (k // 2) for k, d in zip(kernel, dilation, strict=True)]
    dense = F.pad(dense, (reach[1], reach[1], reach[0], reach[0]), value=fill)
    columns = F.unfold(dense, kernel, dilation=dilation)  # (B, C * K, H * W)
    columns = columns.transpose(1, 2).reshape(batch * height * width, channels, -1)
    return columns[region.index]
