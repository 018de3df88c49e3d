# mypy: disallow-untyped-defs=False, check-untyped-defs=False
"""The Triton kernels of region convolution; `triton_launch.py` launches them.

Shape letters: N active cells, C channels, K kernel positions, O output channels.

Both kernels are implicit products over a neighbour table: a program gathers the rows that its block of cells
needs, a slice of channels of one kernel position at a time, so the (N, K * C) columns of the paper's im2col exist
nowhere. Sums are kept in float32. Offsets into features and outputs are int64: N * C may pass 2^31.

Importing this file imports triton. With TRITON_INTERPRET=1 in the environment by then, everything runs on a CPU
under Triton's interpreter, slowly: that is how it is tested where there is no GPU.
"""

from __future__ import annotations

import os

import triton
import triton.language as tl

from lcnb.regions.triton_support import interpreter_wanted

INTERPRETED = interpreter_wanted(os.environ)


def _measure(call, quantiles):
    """The time of one configuration. The interpreter's would mean nothing: there the first one is taken."""
    if INTERPRETED:
        return [0.0] * len(quantiles)
    return triton.testing.do_bench(call, warmup=5, rep=20, quantiles=quantiles)


def _config(cells: int, outputs: int, channels: int, warps: int, stages: int) -> triton.Config:
    blocks = {"BLOCK_N": cells, "BLOCK_O": outputs, "BLOCK_C": channels}
    return triton.Config(blocks, num_warps=warps, num_stages=stages)


_CONV_CONFIGS = [
    _config(128, 64, 64, 4, 3), _config(64, 64, 32, 4, 4), _config(64, 32, 64, 4, 4), _config(128, 32, 32, 4, 4),
    _config(128, 64, 32, 4, 4), _config(64, 128, 64, 4, 3), _config(128, 128, 32, 8, 4), _config(128, 128, 64, 8, 3),
    _config(128, 256, 64, 8, 3),
]  # fmt: skip
_WEIGHT_CONFIGS = [
    _config(128, 64, 64, 8, 3), _config(64, 64, 64, 4, 3), _config(32, 64, 64, 4, 4), _config(64, 32, 32, 4, 4),
    _config(64, 64, 128, 8, 3), _config(64, 128, 128, 8, 3),
]  # fmt: skip


def _fitting(configs, arguments, **options):
    """The configurations worth measuring: no block wider than the layer, no large tile of plain float32 products."""
    wide = max(32, triton.next_power_of_2(arguments["outputs"]))
    deep = max(32, triton.next_power_of_2(arguments["channels"]))
    plain = options["PRECISION"] == "ieee" and arguments["features"].dtype.itemsize > 2
    tile = 64 * (64 if plain else 512)  # without tensor cores: slow to compile, and out of registers

    def fits(block: dict[str, int]) -> bool:
        sides = [block["BLOCK_O"], block["BLOCK_C"]]
        return sides[0] <= wide and sides[1] <= deep and block["BLOCK_N"] * max(sides) <= tile

    return [c for c in configs if fits(c.kwargs)]


_PRUNE = {"early_config_prune": _fitting}


@triton.autotune(
    _CONV_CONFIGS, key=["bucket", "channels", "outputs", "positions", "PRECISION"], do_bench=_measure,
    prune_configs_by=_PRUNE,
    restore_value=["out"],  # the residual may be the output itself: measuring must not add it many times
)  # fmt: skip
@triton.jit(do_not_specialize=["rows", "bucket"])
def conv_kernel(
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
    active, wanted = n < rows, (o < outputs)[None, :]
    near, places = n, table if table is None else table + n * positions
    kernels = weight + o[None, :] * (positions * channels)
    total = tl.zeros((BLOCK_N, BLOCK_O), dtype=SUM)
    for step in range(positions * slices):  # one flat loop, which Triton pipelines
        k, c = step // slices, (step % slices) * BLOCK_C + tl.arange(0, BLOCK_C)
        if table is not None:
            near = tl.load(places + k, mask=active, other=rows)
        there = c < channels
        seen = (near < rows)[:, None] & there[None, :]
        left = tl.load(features + near[:, None] * feature_stride + c[None, :], mask=seen, other=0.0)
        right = tl.load(kernels + (k * channels + c)[:, None], mask=there[:, None] & wanted, other=0.0)
        if WIDEN:
            left, right = left.to(SUM), right.to(SUM)
        total = tl.dot(left, right, total, input_precision=PRECISION, out_dtype=SUM)
    inside = active[:, None] & wanted
    if bias is not None:
        total += tl.load(bias + o, mask=o < outputs, other=0.0).to(SUM)[None, :]
    if residual is not None:
        total += tl.load(residual + n[:, None] * residual_stride + o[None, :], mask=inside, other=0.0).to(SUM)
    if RELU:
        total = tl.where(total < 0, 0.0, total)  # keeps NaN, as torch's ReLU does
    tl.store(out + n[:, None] * out_stride + o[None, :], total.to(out.dtype.element_ty), mask=inside)


@triton.autotune(
    _WEIGHT_CONFIGS, key=["bucket", "channels", "outputs", "positions", "PRECISION"], do_bench=_measure,
    prune_configs_by=_PRUNE,
)  # fmt: skip
@triton.jit(do_not_specialize=["rows", "bucket", "share"])
def weight_gradient_kernel(
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
    end = tl.minimum(begin + share, rows)
    wanted, there = (o < outputs)[:, None], (c < channels)[None, :]
    total = tl.zeros((BLOCK_O, BLOCK_C), dtype=SUM)
    for start in range(0, share, BLOCK_N):
        n = begin + start + tl.arange(0, BLOCK_N)
        mine = n < end
        near = tl.load(table + n * positions + k, mask=mine, other=rows)
        left = tl.load(slope + n[None, :] * slope_stride + o[:, None], mask=wanted & mine[None, :], other=0.0)
        seen = (near < rows)[:, None] & there
        right = tl.load(features + near[:, None] * feature_stride + c[None, :], mask=seen, other=0.0)
        if WIDEN:
            left, right = left.to(SUM), right.to(SUM)
        total = tl.dot(left, right, total, input_precision=PRECISION, out_dtype=SUM)
    place = ((part.to(tl.int64) * outputs + o[:, None]) * positions + k) * channels + c[None, :]
    tl.store(out + place, total, mask=wanted & there)
