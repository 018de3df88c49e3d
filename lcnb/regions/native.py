"""Region convolution and max-pooling by the kernels of native.c: float32, on a CPU, without autograd.

Shape letters: N active cells, C channels, P kernel positions, O outputs.

The operand of a product is never written: neighbours are read where they lie (an implicit product), bias, sum and ReLU
happen while the results are still in registers, and results go to where they belong, slices of columns included.
Layers are written down in a `Program` and run together, for which threads are started once.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lcnb.errors import printable
from lcnb.regions.native_build import NativeError, library, threads_of_torch

CONVOLVE, POOL, DEPTHWISE = 0, 1, 2
ADD = 2
AFTER = {None: 0, "relu": 1, "relu6": 4}
"""What may follow a convolution, by the flag that native.c has for it."""
JOB = struct.Struct("@17q")
"""As native.c has it: kind, flags, five addresses, N, P, C, O, two pitches, absent; and three of its own."""
ROOM = 128
"""Jobs that a program has room for; then those are run."""


@dataclass(frozen=True)
class Kernels:
    """The functions, and how they want weights laid out.

    Attributes:
        run: of a list of jobs.
        table: builds a neighbour table.
        gradient: of a depthwise convolution's weights.
        lanes: outputs in a vector.
        panel: outputs that are summed at a time.
    """

    run: Any
    table: Any
    gradient: Any
    lanes: int
    panel: int


def kernels() -> Kernels | None:
    """None where there are none; `why_not` says why. They have been tried: what they give is right."""
    return _found()[0]


def ready() -> Kernels | None:
    """Those that this process has already; who only wants a table does not start a compiler."""
    return kernels() if _found.cache_info().currsize else None


def why_not() -> str | None:
    """Why there are no native kernels here; None if there are."""
    return _found()[1]


@functools.cache
def _found() -> tuple[Kernels | None, str | None]:
    try:
        found = _declared(library())
        with torch.autocast("cpu", enabled=False):  # the first use may be under it, and torch's side would be rounded
            _try(found)
    except NativeError as error:
        return None, printable(str(error))
    except OSError as error:
        return None, printable(f"they cannot be compiled ({error!s:.200})")
    return found, None


def _declared(built: ctypes.CDLL) -> Kernels:
    try:
        run, table, gradient = built.lcnb_run, built.lcnb_table, built.lcnb_depthwise_gradient
        size = built.lcnb_job_bytes()
        lanes, panel = built.lcnb_lanes(), built.lcnb_panel()
    except AttributeError as error:
        raise NativeError(f"what was compiled lacks a function ({error})") from None
    if size != JOB.size:
        raise NativeError(f"a job takes {size} bytes there and {JOB.size} here")
    run.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64]
    table.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 7
    gradient.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int64] * 4 + [ctypes.c_void_p, ctypes.c_int64]
    run.restype = table.restype = gradient.restype = None
    return Kernels(run, table, gradient, lanes, panel)


class Program:
    """Layers to run one after the other.

    Nothing has happened to the results of a layer before `run`. Who writes one down sees to it that its tensors'
    memory stays until then; the buffers of a workspace do.

    Args:
        found: the kernels.
    """

    def __init__(self, found: Kernels) -> None:
        self._kernels, self._count = found, 0
        self._jobs = bytearray(ROOM * JOB.size)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._jobs))

    def write(self, *fields: int) -> None:
        """Add a job: its fields up to `absent`."""
        if self._count == ROOM:
            self.run()
        JOB.pack_into(self._jobs, self._count * JOB.size, *fields, 0, 0, 0)
        self._count += 1

    def run(self) -> None:
        """Run what was written down, and begin anew."""
        if self._count:
            self._kernels.run(self._address, self._count, threads_of_torch(), torch.get_num_threads())
            self._count = 0


def program() -> Program | None:
    """A new one, or None where there are no kernels."""
    found = kernels()
    return None if found is None else Program(found)


class NativeConvolution:
    """A convolution's weights as the kernels of this processor read them.

    Args:
        matrix: (O, P * C) float32 on a CPU, position by position.
        bias: (O,), or None.
        positions: P.
        after: a key of `AFTER`: what follows.
        add: add to what is there, before that.
        found: the kernels.
    """

    kind = CONVOLVE

    def __init__(
        self, matrix: Tensor, bias: Tensor | None, positions: int, after: str | None, add: bool, found: Kernels
    ) -> None:
        self.outputs, depth = matrix.shape
        self.positions, self.channels = positions, depth // positions
        self.flags = AFTER[after] + ADD * add
        whole = self.outputs // found.panel * found.panel
        rest = self.outputs - whole
        last = 0 if rest == 0 else found.lanes if rest <= found.lanes else found.panel  # width of the narrower panel
        filled = matrix.new_zeros(whole + last, depth)
        filled[: self.outputs] = matrix
        panels = [*filled[:whole].split(found.panel)] if whole else []
        panels += [filled[whole:]] if last else []
        self._weights = torch.cat([panel.t().reshape(-1) for panel in panels])
        self._bias = matrix.new_zeros(whole + last)
        if bias is not None:
            self._bias[: self.outputs] = bias

    def write(self, to: Program, rows: Tensor, table: Tensor | None, out: Tensor, absent: int | None = None) -> None:
        """Write down that the (N, O) result is to be written, or added.

        Args:
            to: what it will run with.
            rows: (M, C), its columns next to each other.
            table: (N, P) int64 numbers of rows, contiguous; None: the first N rows themselves.
            out: (N, O), which may be a slice of columns.
            absent: the table's value for a neighbour that is not there, the last row if None, which is zero.
        """
        to.write(
            self.kind, self.flags, rows.data_ptr(), 0 if table is None else table.data_ptr(), self._weights.data_ptr(),
            self._bias.data_ptr(), out.data_ptr(), len(out), self.positions, self.channels, self.outputs,
            rows.stride(0), out.stride(0), len(rows) - 1 if absent is None else absent,
        )  # fmt: skip


class NativeDepthwise(NativeConvolution):
    """The same of a depthwise convolution; the last of the rows that it reads stands for zeros.

    Args:
        weights: (P, C) float32 on a CPU.
        bias, after, add, found: as of any convolution.
    """

    kind = DEPTHWISE

    def __init__(self, weights: Tensor, bias: Tensor | None, after: str | None, add: bool, found: Kernels) -> None:
        (self.positions, self.channels), self.outputs = weights.shape, weights.shape[1]
        self.flags = AFTER[after] + ADD * add
        self._weights = weights.contiguous()
        self._bias = weights.new_zeros(self.channels) if bias is None else bias.contiguous()


def write_pool(to: Program, rows: Tensor, table: Tensor, out: Tensor) -> None:
    """Write down a max-pool over the neighbours that are there: (N + 1, C) rows -> (N, C).

    Args:
        to: what it will run with.
        rows: float32 on a CPU; the last row stands for nothing.
        table: (N, P) int64, contiguous.
        out: may be a slice of columns.
    """
    to.write(
        POOL, 0, rows.data_ptr(), table.data_ptr(), 0, 0, out.data_ptr(), len(out), table.shape[1], rows.shape[1],
        rows.shape[1], rows.stride(0), out.stride(0), len(rows) - 1,
    )  # fmt: skip


def table_of(found: Kernels, rank: Tensor, index: Tensor, kernel: tuple[int, int], dilation: tuple[int, int]) -> Tensor:
    """`Region.neighbours`, of a region on a CPU: (B, H, W) rank and (N,) index, int64 -> (N, P)."""
    table = index.new_empty(len(index), kernel[0] * kernel[1])
    found.table(rank.data_ptr(), index.data_ptr(), table.data_ptr(), len(index), *rank.shape[1:], *kernel, *dilation)
    return table


def depthwise(found: Kernels, rows: Tensor, weights: Tensor, table: Tensor) -> Tensor:
    """A depthwise convolution: row n is the sum over p of rows[table[n, p]] * weights[p].

    Args:
        rows: (M, C) float32 on a CPU.
        weights: (P, C).
        table: (N, P) int64; a value of M stands for zeros.

    Returns:
        (N, C).
    """
    rows, table, out = rows.contiguous(), table.contiguous(), rows.new_empty(len(table), rows.shape[1])
    if len(table):  # an empty tensor has no address
        one = Program(found)
        kept = NativeDepthwise(weights, None, None, False, found)
        kept.write(one, rows, table, out, absent=len(rows))
        one.run()
    return out


def depthwise_gradient(found: Kernels, rows: Tensor, grad: Tensor, table: Tensor) -> Tensor:
    """The gradient of `depthwise` with respect to its weights, (P, C), given that of its (N, C) result."""
    rows, grad, out = rows.contiguous(), grad.contiguous(), rows.new_zeros(table.shape[1], rows.shape[1])
    if len(table):
        found.gradient(
            rows.data_ptr(), grad.data_ptr(), table.data_ptr(), out.data_ptr(), *table.shape, rows.shape[1], len(rows),
            threads_of_torch(), torch.get_num_threads(),
        )  # fmt: skip
    return out


def _try(found: Kernels) -> None:
    """A neighbour table, a pool, a depthwise convolution with its gradient, and a small convolution of each kind of
    panel, of short and long sums, against torch.

    Raises:
        NativeError: the results differ: a compiler or processor that the kernels are not right on.
    """
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device="cpu", dtype=torch.float32) - 0.5

    trial, cells = Program(found), torch.tensor([0, 1, 3], device="cpu")  # of a grid of 2 x 2
    rank = torch.tensor([[[0, 1], [-1, 2]]], device="cpu")
    rows, largest = random(4, 5), random(3, 5)
    table, right = table_of(found, rank, cells, (1, 3), (1, 1)), [[3, 0, 1], [0, 1, 3], [3, 2, 3]]
    write_pool(trial, rows, table, largest)
    pairs = [(table, torch.tensor(right, device="cpu"))]
    pairs.append((largest, torch.stack([rows[[k for k in line if k < 3]].amax(0) for line in right])))
    kept: list[object] = [rows]  # what jobs read, until they have run
    table = torch.randint(0, 41, (40, 9), generator=generator, device="cpu")
    for channels, positions in ((5, 3), (130, 9), (1100, 1)):
        rows, places = random(41, channels), table[:, :positions].contiguous()
        rows[-1] = 0
        for outputs in (3, found.panel + 1, 2 * found.panel - 1):
            matrix, bias, out = random(outputs, positions * channels), random(outputs), random(40, outputs)
            pairs.append((out, (out + rows[places].flatten(1) @ matrix.t() + bias).relu()))
            layer = NativeConvolution(matrix, bias, positions, "relu", True, found)
            layer.write(trial, rows, places, out)
            kept += [rows, places, layer]
    for channels in (3, 8 * found.lanes + 5):
        rows, weights, grad = random(40, channels), random(9, channels), random(40, channels)
        bias, out = 6 + random(channels), random(40, channels)
        columns = torch.cat([rows, rows.new_zeros(1, channels)])[table]
        sums = (columns * weights).sum(1)
        pairs.append((out, (out + sums + bias).clamp(0, 6)))
        alone = NativeDepthwise(weights, bias, "relu6", True, found)
        alone.write(trial, rows, table, out, absent=40)
        kept += [rows, alone]
        pairs.append((depthwise(found, rows, weights, table), sums))
        pairs.append((depthwise_gradient(found, rows, grad, table), (columns * grad[:, None]).sum(0)))
    trial.run()
    if not all(torch.allclose(given, wanted, atol=1e-4) for given, wanted in pairs):
        raise NativeError("what was compiled gives wrong results")
