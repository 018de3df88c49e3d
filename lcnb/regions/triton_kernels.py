# mypy: disallow-untyped-defs=False, check-untyped-defs=False
"""The Triton kernels of region convolution, and the functions that launch them.

Shape letters: N active cells, C channels, K kernel positions, O output channels.

Both kernels are implicit products over a neighbour table: a program gathers the rows that its block of cells
needs, a slice of channels of one kernel position at a time, so the (N, K * C) columns of the paper's im2col exist
nowhere. Sums are kept in float32. Offsets into features and outputs are int64: N * C may pass 2^31.

Importing this file imports triton. With TRITON_INTERPRET=1 in the environment by then, everything runs on a CPU
under Triton's interpreter, slowly: that is how it is tested where there is no GPU.
"""

from __future__ import annotations

import os

import torch
import triton
import triton.language as tl
from torch import Tensor

from lcnb.regions.triton_support import interpreter_wanted

INTERPRETED = interpreter_wanted(os.environ)
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


def _measure(call, quantiles):
    """The time of one configuration. The interpreter's would mean nothing: there the first one is taken."""
    if INTERPRETED:
        return [0.0] * len(quantiles)
    return triton.testing.do_bench(call, warmup=5, rep=20, quantiles=quantiles)


def _config(cells: int, outputs: int, channels: int, warps: int, stages: int) -> triton.Config:
    blocks = {"BLOCK_N": cells, "BLOCK_O": outputs, "BLOCK_C": channels}
    return triton.Config(blocks, num_warps=warps, num_stages=stages)


_CONV_CONFIGS = [
    _config(64, 64, 32, 4, 4), _config(64, 32, 64, 4, 4), _config(128, 32, 32, 4, 4), _config(128, 64, 32, 4, 4),
    _config(128, 64, 64, 4, 3), _config(64, 128, 64, 4, 3), _config(128, 128, 32, 8, 4), _config(128, 128, 64, 8, 3),
    _config(128, 256, 64, 8, 3),
]  # fmt: skip
_WEIGHT_CONFIGS = [
    _config(64, 64, 64, 4, 3), _config(32, 64, 64, 4, 4), _config(64, 64, 128, 8, 3), _config(64, 128, 128, 8, 3),
]  # fmt: skip


@triton.autotune(
    _CONV_CONFIGS, key=["bucket", "channels", "outputs", "positions", "PRECISION"], do_bench=_measure,
    restore_value=["out"],  # the residual may be the output itself: measuring must not add it many times
)  # fmt: skip
@triton.jit(do_not_specialize=["rows", "bucket"])
def _conv_kernel(
    features, weight, table, bias, residual, out, rows, channels, outputs, positions, bucket,
    feature_stride, residual_stride, out_stride,
    RELU: tl.constexpr, PRECISION: tl.constexpr, SUM: tl.constexpr, WIDEN: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_O: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """A (BLOCK_N, BLOCK_O) tile of out = relu(gathered features @ weight + bias + residual)."""
    tiles = tl.cdiv(outputs, BLOCK_O)  # neighbouring programs share their cells, so the gathered rows stay in L2
    n = (tl.program_id(0) // tiles).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    o = (tl.program_id(0) % tiles) * BLOCK_O + tl.arange(0, BLOCK_O)
    slices = tl.cdiv(channels, BLOCK_C)
    total = tl.zeros((BLOCK_N, BLOCK_O), dtype=SUM)
    for step in range(positions * slices):  # one flat loop, which Triton pipelines
        k, c = step // slices, (step % slices) * BLOCK_C + tl.arange(0, BLOCK_C)
        if table is None:
            near = n
        else:
            near = tl.load(table + n * positions + k, mask=n < rows, other=rows)
        seen = (near < rows)[:, None] & (c < channels)[None, :]
        left = tl.load(features + near[:, None] * feature_stride + c[None, :], mask=seen, other=0.0)
        used = (c < channels)[:, None] & (o < outputs)[None, :]
        right = tl.load(weight + (o[None, :] * positions + k) * channels + c[:, None], mask=used, other=0.0)
        if WIDEN:
            left, right = left.to(SUM), right.to(SUM)
        total = tl.dot(left, right, total, input_precision=PRECISION, out_dtype=SUM)
    inside = (n < rows)[:, None] & (o < outputs)[None, :]
    if bias is not None:
        total += tl.load(bias + o, mask=o < outputs, other=0.0).to(SUM)[None, :]
    if residual is not None:
        total += tl.load(residual + n[:, None] * residual_stride + o[None, :], mask=inside, other=0.0).to(SUM)
    if RELU:
        total = tl.where(total < 0, 0.0, total)  # keeps NaN, as torch's ReLU does
    tl.store(out + n[:, None] * out_stride + o[None, :], total.to(out.dtype.element_ty), mask=inside)


@triton.autotune(
    _WEIGHT_CONFIGS, key=["bucket", "channels", "outputs", "positions", "PRECISION"], do_bench=_measure
)  # fmt: skip
@triton.jit(do_not_specialize=["rows", "bucket", "share"])
def _weight_gradient_kernel(
    features, slope, table, out, rows, channels, outputs, positions, bucket, share, feature_stride, slope_stride,
    PRECISION: tl.constexpr, SUM: tl.constexpr, WIDEN: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_O: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """A (BLOCK_O, BLOCK_C) tile of slope.T @ gathered features, at one position, over one share of the cells."""
    tiles = tl.cdiv(channels, BLOCK_C)
    o = (tl.program_id(0) // tiles) * BLOCK_O + tl.arange(0, BLOCK_O)
    c = (tl.program_id(0) % tiles) * BLOCK_C + tl.arange(0, BLOCK_C)
    k, part = tl.program_id(1), tl.program_id(2)
    begin = part.to(tl.int64) * share
    total = tl.zeros((BLOCK_O, BLOCK_C), dtype=SUM)
    for start in range(0, share, BLOCK_N):
        n = begin + start + tl.arange(0, BLOCK_N)
        mine = (n < rows) & (n < begin + share)
        near = tl.load(table + n * positions + k, mask=mine, other=rows)
        left = tl.load(
            slope + n[None, :] * slope_stride + o[:, None], mask=(o < outputs)[:, None] & mine[None, :], other=0.0
        )
        right = tl.load(
            features + near[:, None] * feature_stride + c[None, :],
            mask=(near < rows)[:, None] & (c < channels)[None, :], other=0.0,
        )  # fmt: skip
        if WIDEN:
            left, right = left.to(SUM), right.to(SUM)
        total = tl.dot(left, right, total, input_precision=PRECISION, out_dtype=SUM)
    place = ((part.to(tl.int64) * outputs + o[:, None]) * positions + k) * channels + c[None, :]
    tl.store(out + place, total, mask=(o < outputs)[:, None] & (c < channels)[None, :])


def _arithmetic(dtype: torch.dtype) -> dict[str, object]:
    """How a kernel multiplies and adds features of this dtype."""
    return {
        "PRECISION": _precision(dtype),
        "SUM": tl.float64 if dtype == torch.float64 else tl.float32,
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

    def grid(meta):
        return (triton.cdiv(rows, meta["BLOCK_N"]) * triton.cdiv(outputs, meta["BLOCK_O"]),)

    with torch.cuda.device_of(features):
        _conv_kernel[grid](
            features, packed, None if table is None else table.contiguous(),
            None if bias is None else bias.contiguous(), residual, out,
            rows, channels, outputs, positions, bucket(rows),
            features.stride(0), 0 if residual is None else residual.stride(0), out.stride(0),
            RELU=relu, **_arithmetic(features.dtype),
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

    def grid(meta):
        tiles = triton.cdiv(outputs, meta["BLOCK_O"]) * triton.cdiv(channels, meta["BLOCK_C"])
        return tiles, positions, parts

    with torch.cuda.device_of(features):
        _weight_gradient_kernel[grid](
            features, slope, table.contiguous(), out, rows, channels, outputs, positions, bucket(rows),
            triton.cdiv(rows, parts), features.stride(0), slope.stride(0),
            **_arithmetic(features.dtype),
        )  # fmt: skip
    return out.sum(0)
