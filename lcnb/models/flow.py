"""Measure a network while it runs: what each module costs, and which results other results go around.

Shape letters: none; nothing here looks at shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

_BEHIND = "_lcnb_behind"


@dataclass
class Measured:
    """One run.

    Attributes:
        total: multiply-accumulates.
        macs: of each module, its submodules included, by name.
        bypassed: names of the modules behind which a result from before is used again (a skip connection, parallel
            branches): the network cannot be cut there.
    """

    total: int = 0
    macs: dict[str, int] = field(default_factory=dict)
    bypassed: set[str] = field(default_factory=set)


class _Flow(TorchFunctionMode):
    """Notes for every tensor behind which modules it was made.

    Where an operation takes one tensor that was made behind a module and another that was not, that module is
    bypassed. Weights do not count, since only what comes of the example is noted.
    """

    def __init__(self, bypassed: set[str]) -> None:
        super().__init__()
        self.bypassed = bypassed

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        given = [getattr(v, _BEHIND) for v in tensors((args, kwargs or {})) if hasattr(v, _BEHIND)]
        result = func(*args, **(kwargs or {}))
        if given:
            behind = frozenset().union(*given)
            self.bypassed |= behind.difference(frozenset.intersection(*given))
            for value in tensors(result):
                setattr(value, _BEHIND, behind)
        return result


def measure(model: nn.Module, example: Any, run: Callable[[Any], Any]) -> Measured:
    """Run the model once.

    Args:
        model: in eval mode.
        example: what `run` takes.
        run: the model, or a method of it.
    """
    found, begun = Measured(), []
    flow, counter = _Flow(found.bypassed), FlopCounterMode(display=False)

    def enter(name: str, module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        begun.append(counter.get_total_flops())

    def leave(name: str, result: Any) -> None:
        found.macs[name] = found.macs.get(name, 0) + (counter.get_total_flops() - begun.pop()) // 2
        for value in tensors(result):
            setattr(value, _BEHIND, getattr(value, _BEHIND, frozenset()) | {name})

    start = map_tensors(lambda v: v.clone(), example)
    for value in tensors(start):
        setattr(value, _BEHIND, frozenset())
    with counter, hooked(model, enter, leave), flow:
        run(start)
    found.total = counter.get_total_flops() // 2
    return found


@contextmanager
def hooked(model: nn.Module, enter: Callable, leave: Callable) -> Iterator[None]:
    """Call `enter(name, module, args, kwargs)` before and `leave(name, result)` behind every module's forward."""
    handles = []
    for name, module in model.named_modules():
        before = module.register_forward_pre_hook(lambda m, a, k, name=name: enter(name, m, a, k), with_kwargs=True)
        handles += [before, module.register_forward_hook(lambda m, a, result, name=name: leave(name, result))]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


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
