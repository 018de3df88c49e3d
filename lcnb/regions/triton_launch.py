"""Launching the Triton kernels: sizes, strides, precision.

Shape letters: N active cells, C channels, K kernel positions, O output channels.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from lcnb.regions.triton_kernels import INTERPRETED, conv_kernel, weight_gradient_kernel

SMALLEST_BUCKET, BUCKET_FACTOR = 1024, 4
ENOUGH_PROGRAMS = 512
"""The weight gradient splits its cells until it has about this many programs: some for every multiprocessor."""


def bucket(rows: int) -> int:
    """The size that N counts as when a kernel is tuned: 1024, 4096, 16384, ...

    Regions are ragged: no two images have the same N. Tuned for every N, a kernel would be tuned for ever.
    """
    size = SMALLEST_BUCKET
    while size < rows:
        size *= BUCKET_FACTOR
    return size


def arithmetic(dtype: torch.dtype) -> dict[str, Any]:
    """How a kernel multiplies and adds features of this dtype."""
    return {
        "PRECISION": _precision(dtype),
        "SUM": tl.float64 if dtype == torch.float64 else tl.float32,
        "enable_fp_fusion": True,  # spelled out: Triton's default changes with 3.10
        "WIDEN": INTERPRETED and dtype == torch.bfloat16,  # whose interpreter multiplies bfloat16 as integers
    }


def _precision(dtype: torch.dtype) -> str:
    """Float32 follows the switch of PyTorch's own convolutions, `torch.backends.cudnn.conv.fp32_precision`."""
    if dtype != torch.float32:
        return "ieee"
    conv = getattr(torch.backends.cudnn, "conv", None)  # older versions have the one flag for all of cuDNN
    wanted = getattr(conv, "fp32_precision", None)
    return "tf32" if wanted == "tf32" or (wanted is None and torch.backends.cudnn.allow_tf32) else "ieee"


def _rows(x: Tensor) -> Tensor:
    """Columns next to each other; the rows may be any distance apart, as in a slice of columns."""
    return x if x.stride(1) == 1 else x.contiguous()


def convolve(
    features: Tensor, weight: Tensor, table: Tensor | None, bias: Tensor | None, residual: Tensor | None, relu: bool,
    out: Tensor,
) -> None:  # fmt: skip
    """Write relu(conv(features) + bias + residual) into `out`.

    Args:
        features: (N, C).
        weight: (O, C, kh, kw); no copy is made of one stored channels-last.
        table: (N, kh * kw) int64, where the value N means "nothing there"; None for a 1x1 kernel.
        bias: (O,) or None.
        residual: (N, O), added before the ReLU, or None; may be `out` itself.
        relu: whether a ReLU follows.
        out: (N, O), columns next to each other: a slice of columns of a wider matrix will do.
    """
    rows, channels = features.shape
    outputs, positions = weight.shape[0], weight.shape[2] * weight.shape[3]
    if rows == 0 or outputs == 0:
        return
    features, residual = _rows(features), None if residual is None else _rows(residual)
    packed = weight.permute(0, 2, 3, 1).contiguous()

    def grid(meta: dict[str, Any]) -> tuple[int, ...]:
        return (triton.cdiv(rows, meta["BLOCK_N"]) * triton.cdiv(outputs, meta["BLOCK_O"]),)

    with torch.cuda.device_of(features):
        conv_kernel[grid](
            features, packed, None if table is None else table.contiguous(),
            None if bias is None else bias.contiguous(), residual, out,
            rows, channels, outputs, positions, bucket(rows),
            features.stride(0), 0 if residual is None else residual.stride(0), out.stride(0),
            RELU=relu, **arithmetic(features.dtype),
        )  # fmt: skip


def weight_gradient(features: Tensor, slope: Tensor, table: Tensor) -> Tensor:
    """Gradient of a loss with respect to the weight, the cells summed in a fixed order.

    Args:
        features: (N, C).
        slope: (N, O), gradient of the loss with respect to the convolution's output.
        table: (N, K) int64.

    Returns:
        (O, K, C) float32 (float64 for float64 features).
    """
    (rows, channels), outputs, positions = features.shape, slope.shape[1], table.shape[1]
    kind = torch.float64 if features.dtype == torch.float64 else torch.float32
    if rows == 0:
        return features.new_zeros(outputs, positions, channels, dtype=kind)
    features, slope = _rows(features), _rows(slope)
    programs = triton.cdiv(outputs, 64) * triton.cdiv(channels, 64) * positions
    parts = max(1, min(ENOUGH_PROGRAMS // programs, triton.cdiv(rows, 256)))
    out = features.new_empty(parts, outputs, positions, channels, dtype=kind)

    def grid(meta: dict[str, Any]) -> tuple[int, ...]:
        tiles = triton.cdiv(outputs, meta["BLOCK_O"]) * triton.cdiv(channels, meta["BLOCK_C"])
        return tiles, positions, parts

    with torch.cuda.device_of(features):
        weight_gradient_kernel[grid](
            features, slope, table.contiguous(), out, rows, channels, outputs, positions, bucket(rows),
            triton.cdiv(rows, parts), features.stride(0), slope.stride(0),
            **arithmetic(features.dtype),
        )  # fmt: skip
    return out.sum(0)
