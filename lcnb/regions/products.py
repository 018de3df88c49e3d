"""Matrix products of ragged rows.

Shape letters: n rows, C channels, O outputs.

A region has another number of cells in every image. On a CPU oneDNN multiplies the 16-bit types: it compiles a
product for every shape that it has not met and keeps it, which costs time and memory again in every image. So
there ragged rows are multiplied in blocks of a few fixed lengths. MKL, which multiplies float32, does not care; but on
processors that are not Intel's it may run at half of oneDNN's rate, so which of them multiplies is measured.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.machine import cpu_is_intels

BLOCK, STEP = 4096, 512
"""Rows are taken in blocks of `BLOCK`, then in one of a multiple of `STEP`; the last few are filled up with zeros."""


def compiled_by_shape(rows: Tensor) -> bool:
    """Whether a product of these rows is compiled for its shape."""
    return rows.device.type == "cpu" and rows.dtype in (torch.bfloat16, torch.float16)


LONG = 1 << 23
"""Multiply-adds from which it pays that oneDNN lays out the matrix anew in every call."""


def better_convolved(rows: Tensor) -> bool:
    """Whether a long product of these rows is faster as a 1x1 convolution, which oneDNN multiplies."""
    allowed = rows.device.type == "cpu" and rows.dtype == torch.float32 and bool(torch.backends.mkldnn.enabled)
    return allowed and _narrow_blas()


@functools.cache
def _narrow_blas() -> bool:
    """Whether products of float32 use half of the processor's registers: MKL has its AVX-512 code for Intel's only."""
    wide = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return wide and torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available() and not cpu_is_intels()


def _as_convolutions(rows: Tensor, matrix: Tensor) -> Tensor:
    """(n, C) times (C, O) -> (n, O): blocks of rows are maps of one column, stored channels-last; the rest is MKL's."""
    out, kernel = rows.new_empty(len(rows), matrix.shape[1]), matrix.t()[:, :, None, None]
    channels, rows = rows.shape[1], rows.contiguous()
    for start, stop in _spans(len(rows)):
        part, n = rows[start:stop], stop - start
        if n % STEP:
            torch.mm(part, matrix, out=out[start:stop])
        else:
            column = part.as_strided((1, channels, n, 1), (n * channels, 1, channels, channels))
            out[start:stop] = F.conv2d(column, kernel)[0, :, :, 0].t()
    return out


def times(rows: Tensor, matrix: Tensor) -> Tensor:
    """(n, C) times (C, O) -> (n, O); no autograd."""
    if not compiled_by_shape(rows):
        long = len(rows) >= STEP and len(rows) * matrix.numel() >= LONG
        return _as_convolutions(rows, matrix) if long and better_convolved(rows) else rows @ matrix
    out = rows.new_empty(len(rows), matrix.shape[1])
    for start, stop in _spans(len(rows)):
        out[start:stop] = (_filled(rows[start:stop]) @ matrix)[: stop - start]
    return out


def outer(left: Tensor, right: Tensor) -> Tensor:
    """(n, O) and (n, C) -> (O, C): the sum of the rows' outer products, float32 where blocks are added; no autograd."""
    if not compiled_by_shape(left):
        return left.t() @ right
    total = torch.zeros(left.shape[1], right.shape[1], dtype=torch.float32, device=left.device)  # many blocks are added
    for start, stop in _spans(len(left)):
        total += _filled(left[start:stop]).t() @ _filled(right[start:stop])
    return total


class Linear(torch.autograd.Function):
    """(n, C) features and an (O, C) weight -> (n, O), like `F.linear`, forward and backward in blocks."""

    @staticmethod
    def forward(ctx, features: Tensor, weight: Tensor) -> Tensor:  # type: ignore[no-untyped-def, override]
        ctx.save_for_backward(features, weight)
        return times(features, weight.t())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:  # type: ignore[no-untyped-def, override]
        features, weight = ctx.saved_tensors
        to_features = times(grad, weight) if ctx.needs_input_grad[0] else None
        to_weight = outer(grad, features).to(weight.dtype) if ctx.needs_input_grad[1] else None
        return to_features, to_weight


class Product:
    """(n, C) rows times a (C, O) matrix, plus bias: a library's product of ragged rows.

    On a CPU, 16-bit rows are filled up to a multiple of `ROUND` and multiplied by oneDNN with the matrix laid out for
    it once: it compiles a product for each length, a megabyte each, and so meets a dozen lengths only.

    Args:
        weight: (O, C).
        bias: (O,), or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = weight.contiguous(), bias
        self.packed = _prepacked(self.weight) if compiled_by_shape(self.weight) else None

    def __call__(self, rows: Tensor) -> Tensor:
        """(n, C) -> (n, O)."""
        if self.packed is not None:
            whole = _filled(rows.contiguous(), ROUND)
            return torch.ops.mkldnn._linear_pointwise(whole, self.packed, self.bias, "none", [], "")[: len(rows)]
        if compiled_by_shape(rows) or better_convolved(rows):
            product = times(rows, self.weight.t())
            return product if self.bias is None else product.add_(self.bias)
        return rows @ self.weight.t() if self.bias is None else torch.addmm(self.bias, rows, self.weight.t())


ROUND = 256
"""Rows that oneDNN multiplies are filled up to a multiple of it. Half of it wastes less, and keeps more compiled."""


def _prepacked(weight: Tensor) -> Tensor | None:
    """The (O, C) matrix as oneDNN likes it, or None where there is no such thing."""
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return None
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight)
        torch.ops.mkldnn._linear_pointwise(weight.new_zeros(1, weight.shape[1]), packed, None, "none", [], "")
    except (AttributeError, RuntimeError, NotImplementedError):  # another version of torch, or another processor
        return None
    return packed


def _spans(rows: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of the blocks: their lengths are few, and only the last is no multiple of `STEP`."""
    blocks, steps = rows // BLOCK * BLOCK, rows // STEP * STEP
    cuts = [*range(0, blocks + 1, BLOCK), steps, rows]
    return ((a, b) for a, b in itertools.pairwise(cuts) if a < b)


def _filled(part: Tensor, step: int = STEP) -> Tensor:
    """The rows, and zeros up to a multiple of `step`."""
    missing = -len(part) % step
    return part if missing == 0 else torch.cat([part, part.new_zeros(missing, part.shape[1])])
