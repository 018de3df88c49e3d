"""Fused layers on packed rows, for inference: what a stage is made of once its weights are known to stay.

Shape letters: N active cells, C channels, K kernel positions, O output channels, J joined channels.

Rows are an (N + 1, C) buffer whose last row is zero: the row that a neighbour table's value N points to, so
that a gather needs no test for the border. Every layer takes such a buffer and returns one. Batch-norm is
folded into the weights, ReLU happens in place, and the 1x1 convolutions that share an input are one product.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.regions.products import compiled_by_shape, times
from lcnb.regions.region import Pair, Region

BLOCK_ROWS = 512
"""Rows gathered at a time: few enough for their operand to stay in a core's second-level cache."""


def with_tail(rows: int, channels: int, like: Tensor) -> Tensor:
    """An (rows + 1, channels) buffer; only its last row is set, to zero."""
    buffer = like.new_empty(rows + 1, channels)
    buffer[rows] = 0
    return buffer


def pack(cells: Tensor, index: Tensor) -> Tensor:
    """Rows of the cells numbered `index`: (M, C) and (N,) -> (N + 1, C)."""
    buffer = with_tail(index.numel(), cells.shape[1], cells)
    torch.index_select(cells, 0, index, out=buffer[:-1])
    return buffer


class Multiply:
    """(n, C) rows times a (C, O) matrix, plus bias, then perhaps ReLU; the matrix is laid out once.

    On a CPU, n that come again and again (a full map, a block) use oneDNN's product with a prepacked matrix, where
    torch offers that (its compiler uses the same operator). It is compiled for each n that it meets, and
    kept, so ragged n, another one in every picture, use `addmm`, straight to where the rows belong.

    Args:
        weight: (O, C).
        bias: (O,).
        relu: whether a ReLU follows.
    """

    def __init__(self, weight: Tensor, bias: Tensor, relu: bool) -> None:
        self.weight, self.bias, self.relu = weight.contiguous(), bias.contiguous(), relu
        self.packed = _prepacked(self.weight)

    def into(self, rows: Tensor, out: Tensor, steady: bool) -> None:
        """Write the (n, O) result; `out` may be a slice of columns. `steady`: this n comes again and again."""
        if steady and self.packed is not None and rows.is_contiguous():
            after = "relu" if self.relu else "none"
            out.copy_(torch.ops.mkldnn._linear_pointwise(rows, self.packed, self.bias, after, [], ""))
            return
        if compiled_by_shape(rows):
            out.copy_(times(rows, self.weight.t()).add_(self.bias))
        else:
            torch.addmm(self.bias, rows, self.weight.t(), out=out)
        if self.relu:
            out.relu_()


def _prepacked(weight: Tensor) -> Tensor | None:
    """The (O, C) matrix as oneDNN likes it, or None where there is no such thing."""
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return None
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight)
        torch.ops.mkldnn._linear_pointwise(weight[:1], packed, None, "none", [], "")
    except (AttributeError, RuntimeError, NotImplementedError):  # another version of torch, or a dtype it cannot do
        return None
    return packed


class Product:
    """A 1x1 convolution: one matrix product.

    Args:
        weight: (O, C).
        bias: (O,).
        relu: whether a ReLU follows.
    """

    def __init__(self, weight: Tensor, bias: Tensor, relu: bool) -> None:
        self.multiply = Multiply(weight, bias, relu)
        self.outputs = weight.shape[0]

    def into(self, rows: Tensor, region: Region, out: Tensor) -> None:
        """Write the (N, O) result; `out` may be a slice of columns."""
        self.multiply.into(rows[:-1], out, region.is_full)


class Gathered:
    """A k x k convolution: the neighbours of a block of rows are gathered into the product's operand.

    Args:
        weight: (O, C, kh, kw).
        bias: (O,).
        dilation: (dh, dw).
        relu: whether a ReLU follows.
    """

    def __init__(self, weight: Tensor, bias: Tensor, dilation: Pair, relu: bool) -> None:
        self.kernel, self.dilation = (weight.shape[2], weight.shape[3]), dilation
        self.outputs = weight.shape[0]
        self.multiply = Multiply(weight.permute(0, 2, 3, 1).reshape(self.outputs, -1), bias, relu)

    def into(self, rows: Tensor, region: Region, out: Tensor) -> None:
        """Write the (N, O) result; `out` may be a slice of columns."""
        table = region.neighbours(self.kernel, self.dilation)
        operand = rows.new_empty(min(BLOCK_ROWS, len(table)) * table.shape[1], rows.shape[1])
        for start in range(0, len(table), BLOCK_ROWS):
            block = table[start : start + BLOCK_ROWS]
            columns = operand[: block.numel()]
            torch.index_select(rows, 0, block.flatten(), out=columns)
            whole = region.is_full or len(block) == BLOCK_ROWS
            self.multiply.into(columns.view(len(block), -1), out[start : start + len(block)], whole)


class Projected:
    """A k x k convolution to few channels: multiply first, then gather and add the (narrow) results.

    The same sum in another order. It pays where O is much smaller than C, as in the classifiers.

    Args:
        weight, bias, dilation, relu: as for `Gathered`.
    """

    def __init__(self, weight: Tensor, bias: Tensor, dilation: Pair, relu: bool) -> None:
        self.kernel, self.dilation, self.relu = (weight.shape[2], weight.shape[3]), dilation, relu
        self.outputs, self.positions = weight.shape[0], weight.shape[2] * weight.shape[3]
        narrow = weight.permute(2, 3, 0, 1).reshape(-1, weight.shape[1])  # (K * O, C)
        self.multiply = Multiply(narrow, narrow.new_zeros(len(narrow)), relu=False)
        self.bias = bias.contiguous()

    def into(self, rows: Tensor, region: Region, out: Tensor) -> None:
        """Write the (N, O) result; `out` may be a slice of columns."""
        table = region.neighbours(self.kernel, self.dilation)
        narrow = rows.new_empty(len(rows), self.positions * self.outputs)
        self.multiply.into(rows, narrow, region.is_full)
        narrow = narrow.view(-1, self.outputs)  # ((N + 1) * K, O); row N stays zero
        places = table * self.positions + torch.arange(self.positions, device=table.device)
        done = F.embedding_bag(places, narrow, mode="sum").add_(self.bias)
        out.copy_(done.relu_() if self.relu else done)


class Maximum:
    """A stride-1 max-pool over the active neighbours.

    Args:
        kernel, dilation: of the pool.
        channels: C.
    """

    def __init__(self, kernel: Pair, dilation: Pair, channels: int) -> None:
        self.kernel, self.dilation, self.outputs = kernel, dilation, channels

    def into(self, rows: Tensor, region: Region, out: Tensor) -> None:
        """Write the (N, C) result; `out` may be a slice of columns."""
        table, last = region.neighbours(self.kernel, self.dilation), len(rows) - 1
        rows = rows.clone()
        rows[last] = float("-inf")
        for start in range(0, len(table), BLOCK_ROWS):
            block = table[start : start + BLOCK_ROWS]
            seen = rows.index_select(0, block.flatten()).view(*block.shape, rows.shape[1])
            out[start : start + len(block)] = seen.amax(1)


Layer = Product | Gathered | Projected | Maximum


class Chain:
    """Layers one after the other."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = list(layers)
        self.outputs = self.layers[-1].outputs

    def into(self, rows: Tensor, region: Region, out: Tensor) -> None:
        """Write the (N, O) result of the last layer; `out` may be a slice of columns."""
        for layer in self.layers[:-1]:
            between = with_tail(len(region), layer.outputs, rows)
            layer.into(rows, region, between[:-1])
            rows = between
        self.layers[-1].into(rows, region, out)

    def __call__(self, rows: Tensor, region: Region) -> Tensor:
        """(N + 1, C) -> (N + 1, O)."""
        out = with_tail(len(region), self.outputs, rows)
        self.into(rows, region, out[:-1])
        return out


class Fork:
    """Parallel chains over one input, joined along channels; first layers that are products are one product.

    Args:
        chains: of at least one layer each.
        spare: columns left behind the joined ones, for the caller.
    """

    def __init__(self, chains: Sequence[Chain], spare: int = 0) -> None:
        self.chains, self.spare = list(chains), spare
        self.outputs = sum(c.outputs for c in self.chains)
        products = [c.layers[0].multiply for c in self.chains if isinstance(c.layers[0], Product)]
        self.shared: Multiply | None = None
        if len(products) > 1 and len({p.relu for p in products}) == 1:
            weight, bias = torch.cat([p.weight for p in products]), torch.cat([p.bias for p in products])
            self.shared = Multiply(weight, bias, products[0].relu)

    def __call__(self, rows: Tensor, region: Region) -> Tensor:
        """(N + 1, C) -> (N + 1, J + spare); the spare columns are not set."""
        count = len(region)
        joined = with_tail(count, self.outputs + self.spare, rows)
        first = self._first(rows, region)
        column, place = 0, 0
        for chain in self.chains:
            out = joined[:-1, column : column + chain.outputs]
            column += chain.outputs
            head = chain.layers[0]
            if first is None or not isinstance(head, Product):
                chain.into(rows, region, out)
                continue
            mine = first[:, place : place + head.outputs]
            place += head.outputs
            if len(chain.layers) == 1:
                out.copy_(mine)
            else:
                begun = with_tail(count, head.outputs, rows)
                begun[:-1] = mine
                Chain(chain.layers[1:]).into(begun, region, out)
        return joined

    def _first(self, rows: Tensor, region: Region) -> Tensor | None:
        """(N, outputs of all first products), where they are one."""
        if self.shared is None:
            return None
        first = rows.new_empty(len(region), len(self.shared.bias))
        self.shared.into(rows[:-1], first, region.is_full)
        return first


class ResidualSum:
    """relu(x + up(fork(x))), in place; the bias rides along as one more column of ones.

    Args:
        fork: the branches; leaves one spare column.
        weight: (C, J) of `up`, with the residual's scale in it.
        bias: (C,), likewise.
        relu: whether a ReLU follows.
    """

    def __init__(self, fork: Fork, weight: Tensor, bias: Tensor, relu: bool) -> None:
        self.fork, self.relu = fork, relu
        self.weight = torch.cat([weight.t(), bias[None]]).contiguous()  # (J + 1, C)

    def __call__(self, rows: Tensor, region: Region) -> Tensor:
        """(N + 1, C), overwritten and returned."""
        joined = self.fork(rows, region)
        joined[:-1, -1] = 1
        if compiled_by_shape(rows):
            rows[:-1] += times(joined[:-1], self.weight)
        else:
            rows[:-1].addmm_(joined[:-1], self.weight)
        return rows.relu_() if self.relu else rows
