"""Watch a network run once: what each module costs, what it feeds on, and whether it could run on a region.

Shape letters: B images, C channels, H, W pixels or cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from lcnb.models.trial import clone, evaluating, refusal, tensors, unhooked

_MARK, _BEHIND = "_lcnb_made_by", "_lcnb_behind"
"""What is noted at a tensor: the modules that made it, and all behind which it was made."""


@dataclass
class Call:
    """A module as it was seen running.

    Attributes:
        name: qualified, as `model.get_submodule` takes it.
        kind: name of its class.
        parent: name of the nearest module around it that is in the list; None for the outermost ones.
        macs: multiply-accumulates of all its calls, those of its submodules included.
        refusal: why it cannot run on a region, or None.
        sources: names of the modules whose result is, unchanged, its first input.
        made: names of the modules whose result is, unchanged, its result; itself among them.
        calls: how often it was called.
        bypassed: whether something from before it is used behind it (a skip connection, parallel branches), so that the
            network cannot be cut there.
        given: (args, kwargs) of each call, copied.
    """

    name: str
    kind: str
    parent: str | None
    macs: int = 0
    refusal: str | None = None
    sources: frozenset[str] = frozenset()
    made: frozenset[str] = frozenset()
    calls: int = 0
    bypassed: bool = False
    given: list[tuple[tuple, dict[str, Any]]] = field(default_factory=list, repr=False)

    @property
    def cells(self) -> tuple[int, int] | None:
        """(h, w) of the first map that it takes; None if it takes none."""
        return next(((int(v.shape[2]), int(v.shape[3])) for v in tensors(self.given) if v.dim() == 4), None)


class _Watch(TorchFunctionMode):
    """What a run is watched with: hooks around every module, and a look at every operation.

    Where an operation takes one tensor that was made behind a module and another that was not, that module is
    bypassed. Weights do not count, since only what comes of the example is noted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, Call] = {}
        self.running: list[tuple[str, int]] = []  # names, and what was counted when they began
        self.bypassed: set[str] = set()
        self.counter = FlopCounterMode(display=False)

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        given = [getattr(v, _BEHIND) for v in tensors((args, kwargs or {})) if hasattr(v, _BEHIND)]
        result = func(*args, **(kwargs or {}))
        if given:
            behind = frozenset().union(*given)
            self.bypassed |= behind.difference(frozenset.intersection(*given))
            for value in tensors(result):
                setattr(value, _BEHIND, behind)
        return result

    def enter(self, name: str, module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        """Before a module runs, while its input is still what it was given."""
        if name not in self.calls:
            parent = self.running[-1][0] if self.running else None
            self.calls[name] = Call(name, type(module).__name__, parent, sources=frozenset(_marks(args)))
        self.calls[name].calls += 1
        self.calls[name].given.append(clone((args, kwargs)))
        self.running.append((name, self.counter.get_total_flops()))

    def leave(self, name: str, result: Any) -> None:
        """After a module has run."""
        self.calls[name].macs += (self.counter.get_total_flops() - self.running.pop()[1]) // 2
        for value in tensors(result):
            setattr(value, _BEHIND, getattr(value, _BEHIND, frozenset()) | {name})
        if isinstance(result, Tensor):
            marks = dict.fromkeys([*_marks([result]), name], _version(result))
            setattr(result, _MARK, marks)
            self.calls[name].made = frozenset(marks)


def _marks(values: Any) -> list[str]:
    """Names of the modules that made the first value; none of those behind which it was written into."""
    first = next(iter(values), None)
    if not isinstance(first, Tensor):
        return []
    return [name for name, version in getattr(first, _MARK, {}).items() if version == _version(first)]


def _version(x: Tensor) -> int:
    return 0 if x.is_inference() else x._version


def probe(
    model: nn.Module,
    example: Any,
    run: Callable[[Any], Any] | None = None,
    *,
    training: bool = False,
    pools: bool = False,
) -> tuple[list[Call], int]:
    """Watch one run, then try each module alone on what it was given, without the network's own hooks.

    Args:
        model: any network; its weights and modes are left as they are.
        example: what it is called with.
        run: called with `example` in place of `model`.
        training: watch it in train mode.
        pools: as for `Region`.

    Returns:
        Every module that runs, in the order of its first call, without the model itself; and the multiply-accumulates
        of the whole, those outside of all modules included.
    """
    watch = _Watch()
    with evaluating(model, training):
        start = clone(example)
        for value in tensors(start):
            setattr(value, _BEHIND, frozenset())
        with watch.counter, _hooked(model, watch), watch:
            (run or model)(start)
        with unhooked(model):
            for name, call in watch.calls.items():
                call.bypassed = name in watch.bypassed
                around = watch.calls.get(call.parent or "")
                if name and (around is None or not around.name or around.refusal is not None):  # else it has just run
                    module = model.get_submodule(name)
                    tried = (refusal(module, *given, pools=pools) for given in call.given)
                    call.refusal = next((why for why in tried if why is not None), None)
    for call in watch.calls.values():
        call.parent = call.parent or None  # the model itself has no name
    return [call for name, call in watch.calls.items() if name], watch.counter.get_total_flops() // 2


@contextmanager
def _hooked(model: nn.Module, watch: _Watch) -> Iterator[None]:
    handles = []
    for name, module in model.named_modules():
        before = module.register_forward_pre_hook(
            lambda m, a, k, name=name: watch.enter(name, m, a, k), with_kwargs=True
        )
        handles += [before, module.register_forward_hook(lambda m, a, result, name=name: watch.leave(name, result))]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
