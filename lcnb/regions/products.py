"""Matrix products of ragged rows.

Shape letters: n rows, C channels, O outputs.

A region has another number of cells in every picture. On a CPU oneDNN multiplies the 16-bit types: it compiles a
product for every shape that it has not met and keeps it, which costs time and memory again in every picture. So
there ragged rows are multiplied in blocks of a few fixed lengths. MKL, which multiplies float32, does not care; but on
processors that are not Intel's it may run at half of oneDNN's rate, so which of them multiplies is measured.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.machine import cpu_is_intels
from lcnb.regions.native import NativeConvolution, convolution

if TYPE_CHECKING:
    from lcnb.regions.workspace import Workspace

BLOCK, STEP = 4096, 512
"""Rows are taken in blocks of `BLOCK`, then in one of a multiple of `STEP`; the last few are filled up with zeros."""


def compiled_by_shape(rows: Tensor) -> bool:
    """Whether a product of these rows is compiled for its shape."""
    return rows.device.type == "cpu" and rows.dtype in (torch.bfloat16, torch.float16)


LONG = 1 << 23
"""Multiply-adds from which it pays that oneDNN lays out the matrix anew in every call."""


def better_convolved(rows: Tensor) -> bool:
    """Whether a long product of these rows is sooner as a 1x1 convolution, which oneDNN multiplies."""
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


BLOCKS, WHOLE, NATIVE = "blocks", "whole", "native"
"""The ways of a product."""


class Multiply:
    """(n, C) rows times a (C, O) matrix, plus bias, then perhaps ReLU, straight to where the result belongs.

    On a CPU there are three ways. In *blocks*: `LENGTHS` rows at a time are multiplied by oneDNN with the matrix laid
    out for it once; it compiles for these lengths only. Of float32 this is done with wide matrices, and the rest is
    `addmm`'s, which takes any length; of 16-bit rows with all matrices, the rest filled up. *Whole*: nearly all rows at
    once, and the last few filled up to a multiple of `ROUND`, so that it compiles for a dozen lengths and no more: each
    takes about a megabyte. *Native*: by a kernel of ours (`lcnb.regions.native`), where there is a C compiler.

    Attributes:
        way: one of these; `lcnb.models.breakeven` measures which is soonest.

    Args:
        weight: (O, C).
        bias: (O,), or None.
        relu: whether a ReLU follows.
        add: add the product to what is there, before the ReLU.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, relu: bool, add: bool = False) -> None:
        self.weight, self.bias, self.relu, self.add = weight.contiguous(), bias, relu, add
        self.matrix, self.by_shape = self.weight.t(), compiled_by_shape(self.weight)
        narrow_type = self.weight.dtype != torch.float32
        self.packed = _prepacked(self.weight) if narrow_type or self.weight.numel() >= WIDE else None
        self.lengths = LENGTHS if narrow_type else LENGTHS[1:]  # long blocks of float32 only cost memory
        self.way = BLOCKS
        self._native: NativeConvolution | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # What oneDNN has laid out cannot be copied.
        return Multiply, (self.weight, self.bias, self.relu, self.add), self.way

    def __setstate__(self, way: str) -> None:
        self.take(way)

    @property
    def key(self) -> str:
        """What its time depends on, besides the rows, the dtype and the machine."""
        return f"product {self.weight.shape[1]}>{self.weight.shape[0]}{' added' if self.add else ''}"

    def take(self, way: str) -> bool:
        """Choose the way; where it does not exist, rows are multiplied in blocks. Whether it exists."""
        self.way, self._native = BLOCKS, None
        if way == WHOLE:
            self.packed = _prepacked(self.weight) if self.packed is None else self.packed
            exists = self.packed is not None
        elif way == NATIVE:
            self._native = convolution(self.weight, self.bias, 1, self.relu, self.add)
            exists = self._native is not None
        else:
            exists = way == BLOCKS
        self.way = way if exists else BLOCKS
        return exists

    def into(self, rows: Tensor, out: Tensor, work: Workspace) -> None:
        """Write the (n, O) result, or add it; `out` may be a slice of columns. Our kernels do so at `work.finish()`."""
        if self._native is not None and work.program is not None:
            self._native.write(work.program, rows, None, out)
            return
        work.finish()
        if self.way == WHOLE:
            rows = rows.contiguous()
            for start, stop in _spans(len(rows)):
                self._compiled(rows[start:stop], out[start:stop])
        else:
            self._in_blocks(rows, out)

    def _in_blocks(self, rows: Tensor, out: Tensor) -> None:
        done = 0
        if self.packed is not None:
            rows = rows.contiguous()
            for length in self.lengths:
                while done + length <= len(rows):
                    self._compiled(rows[done : done + length], out[done : done + length])
                    done += length
        if done < len(rows):
            rest = self._compiled if self.packed is not None and self.by_shape else self._ragged
            rest(rows[done:], out[done:])

    def _compiled(self, rows: Tensor, out: Tensor) -> None:
        after = "relu" if self.relu and not self.add else "none"
        whole = _lengthened(rows, ROUND if self.way == WHOLE else LENGTHS[-1])
        product = torch.ops.mkldnn._linear_pointwise(whole, self.packed, self.bias, after, [], "")[: len(rows)]
        if not self.add:
            out.copy_(product)
        elif self.relu:
            out.add_(product).relu_()
        else:
            out.add_(product)

    def _ragged(self, rows: Tensor, out: Tensor) -> None:
        if self.by_shape:
            product = times(rows, self.matrix)
            out.add_(product) if self.add else out.copy_(product)
        elif self.add:
            out.addmm_(rows, self.matrix)
        elif self.bias is None:
            torch.mm(rows, self.matrix, out=out)
        else:
            torch.addmm(self.bias, rows, self.matrix, out=out)
        if self.bias is not None and (self.add or self.by_shape):
            out.add_(self.bias)
        if self.relu:
            out.relu_()


WIDE, LENGTHS = 1 << 16, (2048, 512, 128)
"""Elements of a float32 matrix from which oneDNN's products were seen to be the faster ones, and of how many rows."""
ROUND = 256
"""Rows that are multiplied whole are filled up to a multiple of it. Half of it wastes less, and keeps more compiled."""


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


def _lengthened(part: Tensor, step: int) -> Tensor:
    """The rows, and any others up to a multiple of `step`: whatever follows in their memory, if that is long enough."""
    n, columns = part.shape
    padded = -(-n // step) * step
    room = part.untyped_storage().nbytes() // part.element_size() - part.storage_offset()
    if padded == n or padded * columns > room or not part.is_contiguous():
        return _filled(part, step)
    return part.as_strided((padded, columns), (columns, 1))


def _filled(part: Tensor, step: int = STEP) -> Tensor:
    """The rows, and zeros up to a multiple of `step`."""
    missing = -len(part) % step
    return part if missing == 0 else torch.cat([part, part.new_zeros(missing, part.shape[1])])
