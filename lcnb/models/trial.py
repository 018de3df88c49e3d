"""Does a module run on a region? It is tried, on a small map: densely, on all cells, and on half of them.

Shape letters: B images, C channels, H, W grid.

What a module does cannot be read off its name: a block may stride, pool over the whole map or reshape in the
middle of its `forward`. So nothing here knows any module by name.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lcnb.errors import first_line
from lcnb.regions import Region, RegionOpError, RegionTensor

TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3}
"""Largest difference between dense and region, as a fraction of the largest value; .05 for shorter numbers."""


HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


@contextmanager
def evaluating(model: nn.Module, training: bool = False) -> Iterator[None]:
    """Eval mode, or train mode, and no gradients inside the `with` block.

    Afterwards each module is in the mode it was in; statistics and random numbers are those of before.
    """
    modes = {module: module.training for module in model.modules()}
    buffers = [(b, b.clone()) for b in model.buffers() if training and not b.is_inference()]
    gpus = {p.device for p in model.parameters() if p.device.type == "cuda"}
    try:
        with torch.inference_mode(False), torch.no_grad(), torch.random.fork_rng(gpus, enabled=training):
            model.train(training)
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)


@contextmanager
def unhooked(model: nn.Module) -> Iterator[None]:
    """Hooks do not run inside the `with` block: a trial is no run that they should see."""
    kept = [(module.__dict__, name, module.__dict__[name]) for module in model.modules() for name in HOOKS]
    try:
        for own, name, _ in kept:
            own[name] = OrderedDict()
        yield
    finally:
        for own, name, hooks in kept:
            own[name] = hooks


def refusal(
    module: nn.Module, args: tuple, kwargs: Mapping[str, Any] | None = None, *, pools: bool = False
) -> str | None:
    """Why a module cannot run on a region.

    Args:
        module: in eval mode, or in train mode, in which results are random and so not compared.
        args, kwargs: of its `forward`, dense; the maps (B, C, H, W) among them are packed for the trial.
        pools: as for `Region`.

    Returns:
        The operation that refuses and the way out, on one line; None if the module runs and, on all cells, gives
        what it gives on the dense map, or if it does not even run densely in training.
    """
    given = (args, dict(kwargs or {}))
    grid = _grid(given)
    if grid is None:
        return f"takes {_shapes(given)}, not a map (B, C, H, W); a region is a part of a map"
    part, dense = _half(grid), None
    grid.pools = part.pools = pools
    try:
        args, kwargs = clone(given)
        dense = module(*args, **kwargs)
        args, kwargs = packed(given, grid)
        whole = module(*args, **kwargs)
        args, kwargs = packed(given, part)
        half = module(*args, **kwargs)
    except RegionOpError as error:
        return f"{error.operation}: {error.reason}" if error.reason else str(error)
    except Exception as error:  # whatever foreign code does with a tensor that is none
        if dense is None and module.training:
            return None
        return f"{type(error).__name__}: {first_line(error):.160}; run it on `x.to_dense()`"
    return _difference(whole if module.training else dense, whole) or _difference(half, half)


def _grid(values: Any) -> Region | None:
    """All cells of the first map among the values."""
    maps = [v for v in tensors(values) if v.dim() == 4 and v.is_floating_point()]
    if not maps:
        return None
    batch, _, height, width = maps[0].shape
    return Region.full(batch, height, width, maps[0].device)


def _half(full: Region) -> Region:
    """Every other cell, as on a chess board."""
    _, height, width = full.shape
    rows, columns = torch.arange(height, device=full.device), torch.arange(width, device=full.device)
    return Region(((rows[:, None] + columns) % 2 == 0).expand(full.shape))


def packed(values: Any, region: Region) -> Any:
    """The maps that lie on the region's grid, packed; everything else as it is."""

    def one(value: Tensor) -> Any:
        on_grid = value.dim() == 4 and value.is_floating_point()
        if on_grid and (value.shape[0], *value.shape[2:]) == tuple(region.shape):
            return RegionTensor.from_dense(value, region)
        return value

    return map_tensors(one, values)


def clone(values: Any) -> Any:
    """Copies, since a module may write into what it is given."""
    return map_tensors(lambda v: v.clone(), values)


def _shapes(values: Any) -> str:
    return " and ".join(str(tuple(v.shape)) for v in tensors(values)) or "no tensor"


def _difference(expected: Any, got: Any) -> str | None:
    """How a result on a region differs from the expected one, which is dense or itself on a region."""
    pairs = list(zip(leaves(expected), leaves(got), strict=False))
    if len(leaves(expected)) != len(leaves(got)):
        return "its result on a region has another structure than the dense one"
    for dense, packed in pairs:
        if not isinstance(dense, (Tensor, RegionTensor)):
            continue
        if not isinstance(packed, RegionTensor):
            return "its result is no longer on the region"
        if packed.shape != dense.shape:
            return f"its result is {tuple(packed.shape)} on a region and {tuple(dense.shape)} on the dense map"
        if isinstance(dense, Tensor) and not _close(packed.to_dense(), dense):
            return "its result on all cells is not that on the dense map; does it look at the memory or at the class?"
    return None


def _close(a: Tensor, b: Tensor) -> bool:
    known = b.isfinite()
    scale = float(b[known].abs().max()) if bool(known.any()) else 0.0
    limit = TOLERANCE.get(b.dtype, 0.05) * max(scale, 1e-12)
    return bool(((a - b).abs() <= limit)[known].all())


def tensors(values: Any) -> list[Tensor]:
    """The tensors in nested tuples, lists and dicts."""
    return [v for v in leaves(values) if isinstance(v, Tensor)]


def leaves(values: Any) -> list[Any]:
    """Whatever is in nested tuples, lists and dicts, in order."""
    if isinstance(values, dict):
        values = list(values.values())
    return [leaf for v in values for leaf in leaves(v)] if isinstance(values, (tuple, list)) else [values]


def map_tensors(function: Callable[[Tensor], Any], values: Any) -> Any:
    """The same nesting with a function applied to each tensor."""
    if type(values) in (tuple, list):
        return type(values)(map_tensors(function, v) for v in values)
    if isinstance(values, dict):
        return {k: map_tensors(function, v) for k, v in values.items()}
    return function(values) if isinstance(values, Tensor) else values
