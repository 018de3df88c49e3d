"""Programs on packed rows: what a stage is in inference, a list of jobs that read and write columns of buffers.

Shape letters: B images, h, w the grid, N active cells, C input and O output channels, P kernel positions.

A buffer is (N + 1, width); its last row is zero, the row that a neighbour table's value N points to, so a gather needs
no test for the border. A `Slot` is some columns of a buffer, so concatenated results are written where they belong.

A convolution or pool runs by a kernel of ours in C, which only writes down what is to be done until `Workspace.finish`,
or by torch's operations (Triton's fused kernel on a GPU). Both have the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lcnb.regions import native
from lcnb.regions.backends import fused_kernel
from lcnb.regions.products import ROUND, Product
from lcnb.regions.region import Pair
from lcnb.regions.tensor import RegionTensor
from lcnb.regions.workspace import Workspace

OPERAND_BYTES = 2 << 20
"""Of gathered rows at a time: an operand that stays in the caches of a few cores."""
NARROW = 4
"""A convolution multiplies before it gathers where it has this many times fewer outputs than inputs."""
ACTIVATIONS: dict[str | None, Callable[[Tensor], Tensor]] = {None: lambda t: t, "relu": F.relu_, "relu6": F.relu6}


@dataclass(frozen=True)
class Slot:
    """Columns `start` to `start + channels` of a buffer."""

    buffer: str
    start: int
    channels: int


class Frame:
    """The buffers of a run of a program.

    Args:
        work: the region, and memory.
        widths: columns by buffer.
        given: buffers that are there already.
    """

    def __init__(self, work: Workspace, widths: Mapping[str, int], given: Mapping[str, Tensor]) -> None:
        self.work, self.widths, self.given = work, widths, given
        self.values: dict[str, Any] = {}

    def rows(self, slot: Slot) -> Tensor:
        """(N + 1, channels)."""
        if slot.buffer in self.given:
            return self.given[slot.buffer][:, slot.start : slot.start + slot.channels]
        return self.work.kept(slot, lambda: self._columns(slot)[0])

    def cells(self, slot: Slot) -> Tensor:
        """(N, channels): without the last row."""
        if slot.buffer in self.given:
            return self.rows(slot)[:-1]
        return self.work.kept((slot, "cells"), lambda: self._columns(slot)[1])

    def _columns(self, slot: Slot) -> tuple[Tensor, Tensor]:
        rows, _ = self.work.rows(slot.buffer, self.widths[slot.buffer])
        part = rows[:, slot.start : slot.start + slot.channels]
        return part, part[:-1]


class Job:
    """One step of a program."""

    def run(self, frame: Frame) -> None:
        """Write the result."""
        raise NotImplementedError


class Layer(Job):
    """A job of one source, by a kernel of ours or by torch's operations.

    Args:
        source: what it reads.
        targets: what it writes, side by side.

    Attributes:
        native: whether it runs by a kernel of ours, where the rows are float32 on a CPU.
    """

    native = False

    def __init__(self, source: Slot, targets: Sequence[Slot]) -> None:
        self.source, self.targets = source, list(targets)

    def use_kernels(self, wanted: bool) -> None:
        """Run by a kernel of ours, where there is one, or not."""
        self.native = wanted

    def run(self, frame: Frame) -> None:
        work = frame.work
        if len(work.region) == 0:
            return
        rows, outs = frame.rows(self.source), [frame.cells(t) for t in self.targets]
        if self.native and work.program is not None:
            self.in_c(rows, work, outs)
        else:
            work.finish()
            self.in_torch(rows, work, outs)

    def in_c(self, rows: Tensor, work: Workspace, outs: Sequence[Tensor]) -> None:
        """By a kernel of ours: (N + 1, C) rows -> (N, .) columns."""
        raise NotImplementedError

    def in_torch(self, rows: Tensor, work: Workspace, outs: Sequence[Tensor]) -> None:
        """By torch's operations."""
        raise NotImplementedError


class Convolution(Layer):
    """A convolution of stride 1, or several 1x1 convolutions of one input; its bias, a sum, an activation.

    Args:
        source, targets: as of any; the outputs are split over the targets.
        weight: (O, C, kh, kw), or (C, 1, kh, kw): depthwise.
        bias: (O,).
        dilation: (dh, dw).
        after: the activation: None, "relu" or "relu6".
        add: add to what the target holds, before the activation.
    """

    def __init__(
        self, source: Slot, targets: Sequence[Slot], weight: Tensor, bias: Tensor, dilation: Pair = (1, 1),
        after: str | None = None, add: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(source, targets)
        self.weight, self.bias, self.dilation = weight.contiguous(memory_format=torch.channels_last), bias, dilation
        self.after, self.add = after, add
        self.kernel: Pair = (weight.shape[2], weight.shape[3])
        self.positions = self.kernel[0] * self.kernel[1]
        self.depthwise = weight.shape[1] == 1 < source.channels
        self._native: list[native.NativeConvolution] = []
        self._product = None if self.depthwise else Product(*self._matrix())

    @property
    def _projects(self) -> bool:
        return not self.depthwise and self.positions > 1 and NARROW * len(self.weight) <= self.source.channels

    def _matrix(self) -> tuple[Tensor, Tensor | None]:
        """What a library multiplies rows with, (., .), and the bias if it can add it."""
        if self._projects:  # (P O, C): one result for each kernel position, which are gathered then
            return self.weight.permute(2, 3, 0, 1).reshape(-1, self.source.channels), None
        return self._by_position, self.bias

    @property
    def _by_position(self) -> Tensor:
        """(O, P C)."""
        return self.weight.permute(0, 2, 3, 1).reshape(len(self.weight), -1)

    def use_kernels(self, wanted: bool) -> None:
        fits = self.weight.device.type == "cpu" and self.weight.dtype == torch.float32
        found = native.kernels() if wanted and fits else None
        self._native = []
        if found is not None and self.depthwise:
            kernels = self.weight.flatten(1).t()
            self._native = [native.NativeDepthwise(kernels, self.bias, self.after, self.add, found)]
        elif found is not None:
            sizes = [t.channels for t in self.targets]
            parts = zip(self._by_position.split(sizes), self.bias.split(sizes), strict=True)
            self._native = [
                native.NativeConvolution(matrix, bias, self.positions, self.after, self.add, found)
                for matrix, bias in parts
            ]
        self.native = bool(self._native)

    def _table(self, work: Workspace) -> Tensor | None:
        return work.region.neighbours(self.kernel, self.dilation) if self.positions > 1 or self.depthwise else None

    def in_c(self, rows: Tensor, work: Workspace, outs: Sequence[Tensor]) -> None:
        for kept, out in zip(self._native, outs, strict=True):
            kept.write(work.program, rows, self._table(work), out)  # type: ignore[arg-type]

    def in_torch(self, rows: Tensor, work: Workspace, outs: Sequence[Tensor]) -> None:
        table, fits = self._table(work), self.after in (None, "relu") and not (self.add or self.depthwise)
        if table is not None and fits and len(outs) == 1 and fused_kernel(rows):
            torch.ops.lcnb.region_conv_into(outs[0], rows[:-1], self.weight, table, self.bias, None, bool(self.after))
        elif self.depthwise:
            self._finish(self._sum_of_channels(rows, table), outs)  # type: ignore[arg-type]
        elif table is None:
            self._finish(self._product(rows[:-1]), outs)  # type: ignore[misc]
        elif self._projects:
            self._finish(self._sum_of_products(rows, table), outs)
        else:
            self._by_blocks(rows, table, work, outs)

    def _finish(self, result: Tensor, outs: Sequence[Tensor]) -> None:
        """Sum, activation and the way to the targets of (N, O) new values."""
        for part, out in zip(result.split([out.shape[1] for out in outs], dim=1), outs, strict=True):
            out.copy_(ACTIVATIONS[self.after](part + out if self.add else part))

    def _by_blocks(self, rows: Tensor, table: Tensor, work: Workspace, outs: Sequence[Tensor]) -> None:
        """Gather the neighbours of some rows, and multiply."""
        channels = self.source.channels
        fit = OPERAND_BYTES // (self.positions * channels * rows.element_size())
        step = max(1, fit // ROUND) * ROUND
        operand = work.buffer("operand", min(step, len(table)) * self.positions, channels)
        for start in range(0, len(table), step):
            block = table[start : start + step]
            columns = operand[: block.numel()]
            torch.index_select(rows, 0, block.flatten(), out=columns)
            product = self._product(columns.view(len(block), -1))  # type: ignore[misc]
            self._finish(product, [out[start : start + step] for out in outs])

    def _sum_of_products(self, rows: Tensor, table: Tensor) -> Tensor:
        """Multiply, then gather and add the (narrow) results: the same sum in another order."""
        narrow = self._product(rows).view(-1, len(self.weight))  # type: ignore[misc]  # ((N + 1) P, O); row N is zero
        places = table * self.positions + torch.arange(self.positions, device=table.device)
        return F.embedding_bag(places, narrow, mode="sum").add_(self.bias)

    def _sum_of_channels(self, rows: Tensor, table: Tensor) -> Tensor:
        """Depthwise, one kernel position after the other; 16-bit features are summed in float32."""
        dtype = torch.promote_types(rows.dtype, torch.float32)
        kernels, total = self.weight.flatten(1).t().to(dtype), self.bias.to(dtype).expand(len(table), -1).clone()
        for kernel, neighbour in zip(kernels, table.unbind(1), strict=True):
            total.addcmul_(rows.index_select(0, neighbour).to(dtype), kernel)
        return total.to(rows.dtype)


class MaxPool(Layer):
    """A max-pool of stride 1 over the active neighbours.

    Args:
        source, target: of C channels each.
        kernel, dilation: of the pool.
    """

    def __init__(self, source: Slot, target: Slot, kernel: Pair, dilation: Pair) -> None:
        super().__init__(source, [target])
        self.kernel, self.dilation = kernel, dilation

    def in_c(self, rows: Tensor, work: Workspace, outs: Sequence[Tensor]) -> None:
        table = work.region.neighbours(self.kernel, self.dilation)
        native.write_pool(work.program, rows, table, outs[0])  # type: ignore[arg-type]

    def in_torch(self, rows: Tensor, work: Workspace, outs: Sequence[Tensor]) -> None:
        table = work.region.neighbours(self.kernel, self.dilation)
        low = work.buffer("pool", len(rows), rows.shape[1])
        low.copy_(rows)[-1] = float("-inf")
        best = low.index_select(0, table[:, 0])
        for neighbour in table.unbind(1)[1:]:
            torch.maximum(best, low.index_select(0, neighbour), out=best)
        outs[0].copy_(best)


class Copy(Job):
    """Columns to other columns."""

    def __init__(self, source: Slot, target: Slot) -> None:
        self.source, self.target = source, target

    def run(self, frame: Frame) -> None:
        frame.work.finish()
        frame.cells(self.target).copy_(frame.cells(self.source))


@dataclass(frozen=True)
class Value:
    """A result of an `AsIs` that is no tensor of features: a size, a tuple."""

    name: str


class AsIs(Job):
    """What has no implementation of ours: a function or module on `RegionTensor`s.

    Args:
        function: what is called.
        args, kwargs: its arguments; a `Slot` stands for a `RegionTensor` of its columns, a `Value` for what it names.
        target: where its features go; a `Value` where it gives something else.
    """

    def __init__(self, function: Callable, args: Any, kwargs: Any, target: Slot | Value) -> None:
        self.function, self.args, self.kwargs, self.target = function, args, kwargs, target

    def run(self, frame: Frame) -> None:
        frame.work.finish()
        args, kwargs = torch.fx.node.map_aggregate(  # type: ignore[misc]
            (tuple(self.args), dict(self.kwargs)), lambda a: self._given(a, frame)
        )
        found = self.function(*args, **kwargs)  # type: ignore[misc]
        if isinstance(self.target, Value):
            frame.values[self.target.name] = found
        else:
            frame.cells(self.target).copy_(found.features)

    def _given(self, argument: Any, frame: Frame) -> Any:
        if isinstance(argument, Slot):  # its own copy: a function in place must not write over other columns
            return RegionTensor(frame.cells(argument).clone(), frame.work.region)
        return frame.values[argument.name] if isinstance(argument, Value) else argument


class Program:
    """Jobs in order.

    Args:
        jobs: of which none reads what was not written.
        widths: columns by buffer.
        inputs: the buffers that a call brings.
        output: what a call returns.
    """

    def __init__(self, jobs: Sequence[Job], widths: Mapping[str, int], inputs: Sequence[str], output: Slot) -> None:
        self.jobs, self.widths, self.inputs, self.output = list(jobs), dict(widths), list(inputs), output

    def __call__(self, rows: Sequence[Tensor], work: Workspace) -> Tensor:
        """(N + 1, C) for each input, which may be overwritten -> (N + 1, O), good until the program runs again."""
        frame = Frame(work, self.widths, dict(zip(self.inputs, rows, strict=True)))
        for job in self.jobs:
            job.run(frame)
        work.finish()
        return frame.rows(self.output)

    def layers(self) -> Iterator[Layer]:
        """Its convolutions and pools."""
        return (job for job in self.jobs if isinstance(job, Layer))


def pack(cells: Tensor, index: Tensor) -> Tensor:
    """Rows of the cells numbered `index`, then one of zeros: (M, C) and (N,) -> (N + 1, C)."""
    return torch.cat([cells.index_select(0, index), cells.new_zeros(1, cells.shape[1])])
