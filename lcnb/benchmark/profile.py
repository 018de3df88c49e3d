"""Where a cascade's time goes: mask, table, gather, product, scatter, head.

Timing every operation costs time itself, so this is a pass of its own beside the timed rounds: each operation runs
alone, with the device waited for, and only the time inside it is counted. The sum therefore leaves out what Python
does in between, and is shown next to the time of an undisturbed run.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from lcnb.clock import Stopwatch
from lcnb.models import CascadeRuns, FusedCascade
from lcnb.models.exits import ExitLedger
from lcnb.regions import Region
from lcnb.regions.native import Program

PARTS = ("stem", "mask", "table", "gather", "product", "scatter", "head", "labels", "other")
"""stem: the strided, dense beginning. mask: confidence, exit decisions, the regions' indices. table: neighbour tables.
gather: rows picked for a product or a pool. product: convolutions and matrix products of blocks, and all that our own
kernels do, which gather and pool while they are at it. scatter: rows put back into maps. head: all of the classifiers.
labels: upsampling and argmax. other: pooling, joining, adding, ReLU."""

OPERATIONS = {
    "gather": ("index_select", "index.", "gather", "embedding_bag", "take"),
    "product": ("convolution", "linear", "addmm", "mm", "matmul", "conv2d"),
    "scatter": ("index_copy", "index_put", "scatter"),
}
PLACES: tuple[tuple[type, str, str], ...] = (
    (Region, "__init__", "mask"),
    (Region, "grow", "mask"),
    (Region, "rows_of", "mask"),
    (Region, "counts", "mask"),
    (Region, "_build_table", "table"),
    (ExitLedger, "accept", "mask"),
    (ExitLedger, "pass_on", "mask"),
    (ExitLedger, "close", "labels"),
)
"""Methods whose operations belong to one part, whatever they are."""


def part_of(operation: str) -> str:
    """The part of an operation by its name, such as "aten::index_select.out"."""
    name = operation.split("::")[-1].lstrip("_")
    for part, starts in OPERATIONS.items():
        if any(name == s or name.startswith(s) for s in starts):
            return part
    if "lcnb::" in operation:  # a kernel of ours that does gather, product and epilogue in one
        return "product"
    return "other"


class Recorder(TorchDispatchMode):
    """Adds up the time inside each operation by part.

    Args:
        watch: the clock.
    """

    def __init__(self, watch: Stopwatch) -> None:
        super().__init__()
        self.watch, self.inside = watch, list[str]()
        self.seconds = dict.fromkeys(PARTS, 0.0)

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        self.watch.mark()
        out = func(*args, **(kwargs or {}))
        self.watch.mark()
        part = self.inside[-1] if self.inside else part_of(f"{func._schema.name}.{func._overloadname}")
        self.seconds[part] += self.watch.laps()[0]
        return out

    def timed(self, function: Callable) -> Callable:
        """A function that is no operation of torch's, as a product where nothing else is known of it."""

        def run(*args: Any) -> None:
            self.watch.mark()
            function(*args)
            self.watch.mark()
            self.seconds[self.inside[-1] if self.inside else "product"] += self.watch.laps()[0]

        return run

    def within(self, part: str, function: Callable) -> Callable:
        """The function with all its operations given to one part, but for parts inside of it."""

        def run(*args: Any, **kwargs: Any) -> Any:
            self.inside.append(part)
            try:
                return function(*args, **kwargs)
            finally:
                self.inside.pop()

        return run


def time_parts(cascade: CascadeRuns, run: Callable[[int], Any], watch: Stopwatch, repeats: int = 3) -> dict[str, float]:
    """Median milliseconds of each part over several runs, after one to warm up.

    Args:
        cascade: that `run` runs.
        run: takes the number of the run.
        watch: the clock.
        repeats: runs that count.
    """
    found = []
    for turn in range(repeats + 1):
        recorder = Recorder(watch)
        with watched(cascade, recorder), recorder:
            run(turn)
        found.append(recorder.seconds)
    return {part: round(1e3 * statistics.median(f[part] for f in found[1:]), 4) for part in PARTS}


@contextlib.contextmanager
def watched(cascade: CascadeRuns, recorder: Recorder) -> Iterator[None]:
    """Inside the block, operations of the places, the stem and the heads know which part they belong to."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(Program, "run", recorder.timed(Program.run)))
        for owner, name, part in PLACES:
            stack.enter_context(mock.patch.object(owner, name, recorder.within(part, getattr(owner, name))))
        for module, part in _modules(cascade):
            stack.enter_context(mock.patch.object(module, "forward", recorder.within(part, module.forward)))
        if isinstance(cascade, FusedCascade):
            stack.enter_context(mock.patch.object(cascade, "classified", recorder.within("head", cascade.classified)))
        yield


def _modules(cascade: CascadeRuns) -> list[tuple[nn.Module, str]]:
    """Stem and heads where they are modules."""
    if isinstance(cascade, FusedCascade):
        return [(cascade.stem, "stem")]
    first = cascade.network.stages[0]
    stem = [(first[0], "stem")] if isinstance(first, nn.Sequential) else []
    return [*stem, *((head, "head") for head in cascade.network.heads)]
