"""Fused layers on packed rows, for inference: what a stage is made of once its weights are known to stay.

Shape letters: N active cells, C channels, O output channels, J joined channels.

Rows are an (N + 1, C) buffer whose last row is zero: the row that a neighbour table's value N points to, so
that a gather needs no test for the border. Every layer takes such a buffer and returns one. Batch-norm is
folded into the weights, ReLU happens in place, and the 1x1 convolutions that share an input are one product.
Layers that run by kernels of ours only write down what is to be done, until somebody needs it (`Workspace.finish`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lcnb.regions.products import NATIVE, ROUND, Multiply
from lcnb.regions.spatial import Gathered, Maximum, Projected, Spatial
from lcnb.regions.workspace import Workspace


def with_tail(rows: int, channels: int, like: Tensor) -> Tensor:
    """An (rows + 1, channels) buffer; only its last row is set, to zero. Its memory goes on: products read further."""
    buffer = like.new_empty(rows + 1 + ROUND, channels)[: rows + 1]
    buffer[rows] = 0
    return buffer


def pack(cells: Tensor, index: Tensor) -> Tensor:
    """Rows of the cells numbered `index`: (M, C) and (N,) -> (N + 1, C)."""
    buffer = with_tail(index.numel(), cells.shape[1], cells)
    torch.index_select(cells, 0, index, out=buffer[:-1])
    return buffer


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

    def into(self, rows: Tensor, work: Workspace, out: Tensor) -> None:
        """Write the (N, O) result; `out` may be a slice of columns."""
        self.multiply.into(rows[:-1], out, work)


BETWEEN = ("between 0", "between 1")
"""Layers of a chain take turns with them."""
Layer = Product | Gathered | Projected | Maximum


class Chain:
    """Layers one after the other."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = list(layers)
        self.outputs = self.layers[-1].outputs

    def into(self, rows: Tensor, work: Workspace, out: Tensor) -> None:
        """Write the (N, O) result of the last layer; `out` may be a slice of columns."""
        for i, layer in enumerate(self.layers[:-1]):
            between, cells = work.rows(BETWEEN[i % 2], layer.outputs)
            layer.into(rows, work, cells)
            rows = between
        self.layers[-1].into(rows, work, out)

    def __call__(self, rows: Tensor, work: Workspace) -> Tensor:
        """(N + 1, C) -> (N + 1, O), in memory of its own."""
        out = with_tail(len(work.region), self.outputs, rows)
        self.into(rows, work, out[:-1])
        work.finish()
        return out

    def spatial(self) -> Iterator[Spatial]:
        """Its layers that look at neighbours."""
        return (layer for layer in self.layers if isinstance(layer, Spatial))

    def products(self) -> Iterator[Multiply]:
        """Its matrix products."""
        return (layer.multiply for layer in self.layers if not isinstance(layer, Maximum))


class Fork:
    """Parallel chains over one input, joined along channels; first layers that are products are one product.

    Args:
        chains: of at least one layer each.
    """

    def __init__(self, chains: Sequence[Chain]) -> None:
        self.chains = list(chains)
        self.outputs = sum(c.outputs for c in self.chains)
        products = [c.layers[0].multiply for c in self.chains if isinstance(c.layers[0], Product)]
        self.shared: Multiply | None = None
        if len(products) > 1 and len({p.relu for p in products}) == 1:
            weight = torch.cat([p.weight for p in products])
            bias = torch.cat([p.bias for p in products if p.bias is not None])
            self.shared = Multiply(weight, bias, products[0].relu)
        # Of each chain, what is left to do behind the shared product.
        self.rests = [Chain(c.layers[1:]) if len(c.layers) > 1 else None for c in self.chains]

    def __call__(self, rows: Tensor, work: Workspace) -> Tensor:
        """(N + 1, C) -> (N + 1, J), good until the next fork of as many channels runs."""
        joined, cells = work.rows("fork", self.outputs)
        self.into(rows, work, cells)
        return joined

    def into(self, rows: Tensor, work: Workspace, joined: Tensor) -> None:
        """Write the (N, J) result; `joined` may be a slice of columns."""
        first = self._first(rows, work)
        column, place = 0, 0
        for chain, rest in zip(self.chains, self.rests, strict=True):
            out = joined[:, column : column + chain.outputs]
            column += chain.outputs
            head = chain.layers[0]
            if first is None or not isinstance(head, Product):
                chain.into(rows, work, out)
                continue
            mine = first[:, place : place + head.outputs]
            place += head.outputs
            if rest is None:
                out.copy_(mine)
            else:
                begun, cells = work.rows("begun", head.outputs)
                work.finish()  # of the chain before, which read what lay there
                cells.copy_(mine)
                rest.into(begun, work, out)

    def _first(self, rows: Tensor, work: Workspace) -> Tensor | None:
        """(N, outputs of all first products), where they are one: a kernel of ours writes each to its place at once."""
        if self.shared is None or self.shared.way == NATIVE:
            return None
        first = work.buffer("first", len(work.region), len(self.shared.weight))
        self.shared.into(rows[:-1], first, work)
        work.finish()
        return first

    def spatial(self) -> Iterator[Spatial]:
        """Its layers that look at neighbours."""
        return (layer for chain in self.chains for layer in chain.spatial())

    def products(self) -> Iterator[Multiply]:
        """Its matrix products."""
        if self.shared is not None:
            yield self.shared
        for chain in self.chains:
            yield from chain.products()


class ResidualSum:
    """relu(x + up(fork(x))), in place.

    Args:
        fork: the branches.
        weight: (C, J) of `up`, with the residual's scale in it.
        bias: (C,), likewise.
        relu: whether a ReLU follows.
    """

    def __init__(self, fork: Fork, weight: Tensor, bias: Tensor, relu: bool) -> None:
        self.fork, self.up = fork, Multiply(weight, bias, relu, add=True)

    def __call__(self, rows: Tensor, work: Workspace) -> Tensor:
        """(N + 1, C), overwritten and returned."""
        joined = work.buffer("joined", len(work.region), self.fork.outputs)
        self.fork.into(rows, work, joined)
        self.up.into(joined, rows[:-1], work)
        return rows

    def spatial(self) -> Iterator[Spatial]:
        """Its layers that look at neighbours."""
        return self.fork.spatial()

    def products(self) -> Iterator[Multiply]:
        """Its matrix products."""
        yield from self.fork.products()
        yield self.up
