"""Fused layers that look at neighbours, on packed rows, each in two ways: by gathering, or through a dense map.

Shape letters: B images, h, w the grid, N active cells, C channels, K kernel positions, O output channels.

Both ways see zeros (a pool: -inf) where no cell is active, so the choice between them is one of time alone. Gathering
costs what the active cells cost. A map costs what all cells cost, at the rate of the machine's own convolution, plus
the way there and back. `dense_from` is the share of active cells from which on the map is sooner;
`lcnb.models.breakeven` measures what it is on a machine.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.regions.backends import fused_kernel
from lcnb.regions.native import NativeConvolution, convolution, kernels, write_pool
from lcnb.regions.products import ROUND, STEP, Multiply
from lcnb.regions.region import Pair
from lcnb.regions.workspace import Workspace

OPERAND_BYTES = 2 << 20
"""Of gathered rows at a time: an operand that stays in the caches of a few cores."""
CONVOLUTION_FROM, POOL_FROM = 0.9, 0.15
"""Shares of active cells from which a map is taken where nothing was measured."""


class Spatial:
    """A stride-1 layer with a centred kernel.

    Args:
        kernel, dilation: of the layer.
        channels, outputs: C and O.
        dense_from: share of active cells from which it runs on a map: 0 always, infinity never.

    Attributes:
        native: whether the sparse way is a kernel of ours (`take_native`).
    """

    def __init__(self, kernel: Pair, dilation: Pair, channels: int, outputs: int, dense_from: float) -> None:
        self.kernel, self.dilation, self.dense_from = kernel, dilation, dense_from
        self.channels, self.outputs = channels, outputs
        self.native = False

    @property
    def key(self) -> str:
        """What its time depends on, besides the region, the dtype and the machine."""
        size, apart = "x".join(map(str, self.kernel)), "x".join(map(str, self.dilation))
        return f"{type(self).__name__.lower()} {size} {self.channels}>{self.outputs} dilation {apart}"

    def into(self, rows: Tensor, work: Workspace, out: Tensor) -> None:
        """(N + 1, C) rows whose last is zero -> the (N, O) `out`, which may be a slice of columns."""
        region = work.region
        if len(region) == 0:
            return
        if len(region) >= self.dense_from * region.mask.numel():
            work.finish()
            self.by_map(rows, work, out)
        else:
            self.by_gathering(rows, work, out)

    def take_native(self, wanted: bool, like: Tensor) -> bool:
        """Gather by a kernel of ours, or by torch's; where there is no such kernel, by torch's. Whether the way exists.

        Args:
            wanted: a kernel of ours; only then is one looked for.
            like: of the dtype and device of the rows.
        """
        exists = not wanted or (like.device.type == "cpu" and like.dtype == torch.float32 and kernels() is not None)
        self.native = wanted and exists
        return exists

    def by_map(self, rows: Tensor, work: Workspace, out: Tensor) -> None:
        """The dense way."""
        raise NotImplementedError

    def by_gathering(self, rows: Tensor, work: Workspace, out: Tensor) -> None:
        """The sparse way."""
        raise NotImplementedError

    @property
    def _margin(self) -> Pair:
        return self.dilation[0] * (self.kernel[0] // 2), self.dilation[1] * (self.kernel[1] // 2)


class Convolution(Spatial):
    """A k x k convolution, its bias, and perhaps a ReLU.

    Args:
        weight: (O, C, kh, kw).
        bias: (O,).
        dilation: (dh, dw).
        relu: whether a ReLU follows.
    """

    def __init__(self, weight: Tensor, bias: Tensor, dilation: Pair, relu: bool) -> None:
        outputs, channels, height, width = weight.shape
        super().__init__((height, width), dilation, channels, outputs, CONVOLUTION_FROM)
        self.weight, self.bias, self.relu = weight.contiguous(memory_format=torch.channels_last), bias, relu
        self._native: NativeConvolution | None = None

    @property
    def by_position(self) -> Tensor:
        """(O, K * C): the weight, position by position; stored channels-last, it is a view."""
        return self.weight.permute(0, 2, 3, 1).reshape(self.outputs, -1)

    def take_native(self, wanted: bool, like: Tensor) -> bool:
        """As of any layer; the weights are laid out for the kernel here."""
        exists = super().take_native(wanted, like)
        positions = self.kernel[0] * self.kernel[1]
        self._native = convolution(self.by_position, self.bias, positions, self.relu) if self.native else None
        return exists

    def by_gathering(self, rows: Tensor, work: Workspace, out: Tensor) -> None:
        """The sparse way: our kernel reads neighbours where they lie; torch's products want them gathered."""
        table = work.region.neighbours(self.kernel, self.dilation)
        if self._native is not None and work.program is not None:
            self._native.write(work.program, rows, table, out)
        else:
            work.finish()
            self.by_torch(rows, table, work, out)

    def by_torch(self, rows: Tensor, table: Tensor, work: Workspace, out: Tensor) -> None:
        """The sparse way in torch's operations, given the (N, K) table."""
        raise NotImplementedError

    def by_map(self, rows: Tensor, work: Workspace, out: Tensor) -> None:
        """The library's own convolution; outside the region its input is zero."""
        dense = work.spread(rows[:-1]).permute(0, 3, 1, 2)
        found = F.conv2d(dense, self.weight, self.bias, 1, self._margin, self.dilation)
        work.collect((found.relu_() if self.relu else found).permute(0, 2, 3, 1), out)


class Gathered(Convolution):
    """One whose sparse way gathers the neighbours of a block of rows into the product's operand."""

    def __init__(self, weight: Tensor, bias: Tensor, dilation: Pair, relu: bool) -> None:
        super().__init__(weight, bias, dilation, relu)
        self._place = (self.kernel, self.dilation, self.channels)
        self.multiply = Multiply(self.by_position, bias, relu)

    def by_torch(self, rows: Tensor, table: Tensor, work: Workspace, out: Tensor) -> None:
        """Gather and multiply, block by block; on a GPU in one kernel of ours."""
        if fused_kernel(rows):
            torch.ops.lcnb.region_conv_into(out, rows[:-1], self.weight, table, self.bias, None, self.relu)
            return
        for part, neighbours, columns, operand in work.kept(self._place, lambda: self._blocks(table, work)):
            torch.index_select(rows, 0, neighbours, out=columns)
            self.multiply.into(operand, out[part], work)
            work.finish()  # the operand is used again

    def _blocks(self, table: Tensor, work: Workspace) -> list[tuple[slice, Tensor, Tensor, Tensor]]:
        """Of each block of rows: where it lies, its neighbours, and the operand as what is gathered and multiplied."""
        positions = table.shape[1]
        fit = OPERAND_BYTES // (positions * self.channels * work.like.element_size())
        step = max(1, fit // STEP) * STEP
        longest = -(-min(step, len(table)) // ROUND) * ROUND  # products of ragged rows read on, as far as that
        whole = work.buffer("operand", longest * positions, self.channels)
        blocks = []
        for start in range(0, len(table), step):
            block = table[start : start + step]
            columns = whole[: block.numel()]
            part = slice(start, start + len(block))
            blocks.append((part, block.flatten(), columns, columns.view(len(block), -1)))
        return blocks


class Projected(Convolution):
    """One to few channels, whose sparse way multiplies first, then gathers and adds the (narrow) results.

    The same sum in another order. It pays where O is much smaller than C, as in the classifiers.
    """

    def __init__(self, weight: Tensor, bias: Tensor, dilation: Pair, relu: bool) -> None:
        super().__init__(weight, bias, dilation, relu)
        self.positions = self.kernel[0] * self.kernel[1]
        narrow = weight.permute(2, 3, 0, 1).reshape(-1, self.channels)  # (K * O, C)
        self.multiply = Multiply(narrow, None, relu=False)

    def by_torch(self, rows: Tensor, table: Tensor, work: Workspace, out: Tensor) -> None:
        """Multiply, gather, add."""
        narrow = work.buffer("operand", len(rows), self.positions * self.outputs)
        self.multiply.into(rows, narrow, work)
        work.finish()
        narrow = narrow.view(-1, self.outputs)  # ((N + 1) * K, O); row N stays zero
        places = table * self.positions + torch.arange(self.positions, device=table.device)
        done = F.embedding_bag(places, narrow, mode="sum").add_(self.bias)
        out.copy_(done.relu_() if self.relu else done)


class Maximum(Spatial):
    """A stride-1 max-pool over the active neighbours.

    Args:
        kernel, dilation: of the pool.
        channels: C.
    """

    def __init__(self, kernel: Pair, dilation: Pair, channels: int) -> None:
        super().__init__(kernel, dilation, channels, channels, POOL_FROM)

    def by_map(self, rows: Tensor, work: Workspace, out: Tensor) -> None:
        """The larger of shifted copies of a map, along rows and then along columns."""
        best = work.spread(rows[:-1], float("-inf"), self._margin)
        for axis in (2, 1):
            best = self._along(best, axis, work)
        work.collect(best, out)

    def _along(self, dense: Tensor, axis: int, work: Workspace) -> Tensor:
        """(B, h', w', C) -> the maximum along one axis, which loses its margin."""
        size, apart = self.kernel[axis - 1], self.dilation[axis - 1]
        length = dense.shape[axis] - (size - 1) * apart
        shifted = [dense.narrow(axis, i * apart, length) for i in range(size)]
        flat = work.buffer(f"maximum {axis}", shifted[0].numel() // self.channels, self.channels)
        best = flat.view(shifted[0].shape)
        torch.maximum(shifted[0], shifted[min(1, size - 1)], out=best)
        for other in shifted[2:]:
            torch.maximum(best, other, out=best)
        return best

    def by_gathering(self, rows: Tensor, work: Workspace, out: Tensor) -> None:
        """The larger of each neighbour in turn."""
        table = work.region.neighbours(self.kernel, self.dilation)
        if self.native and work.program is not None:
            write_pool(work.program, rows, table, out)
            return
        work.finish()
        low = work.buffer("pool", len(rows), self.channels)
        low.copy_(rows)[-1] = float("-inf")
        best, seen = (work.buffer(name, len(table), self.channels) for name in ("best", "operand"))
        torch.index_select(low, 0, table[:, 0], out=best)
        for neighbour in table.unbind(1)[1:]:
            torch.maximum(best, torch.index_select(low, 0, neighbour, out=seen), out=best)
        out.copy_(best)
