"""Watch a network run once: what each module costs, what it feeds on, and whether it could run on a region.

Shape letters: B images, C channels, H, W pixels or cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from lcnb.models.flow import hooked, measure
from lcnb.models.trial import evaluating, refusal

_MARK = "_lcnb_made_by"


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
        bypassed: whether something from before it is used behind it, so that the network cannot be cut there.
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


@dataclass
class _Watch:
    """The hooks of one pass, and what they note."""

    calls: dict[str, Call] = field(default_factory=dict)
    stack: list[str] = field(default_factory=list)
    """Names of the modules that are running now."""
    quiet: bool = False

    def enter(self, name: str, module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        """Before a module runs, while its input is still what it was given."""
        if self.quiet:
            return
        call = self.calls.get(name)
        if call is None:
            parent = self.stack[-1] if self.stack else None
            call = self.calls[name] = Call(name, type(module).__name__, parent, sources=frozenset(_marks(args)))
        call.calls += 1
        self.stack.append(name)
        if self._inherits(call):
            return
        self.quiet = True  # the trial runs the same modules
        try:
            call.refusal = call.refusal or refusal(module, *args, **kwargs)
        finally:
            self.quiet = False

    def _inherits(self, call: Call) -> bool:
        """What runs inside a module that runs on a region has just run on it too."""
        return call.parent is not None and self.calls[call.parent].refusal is None

    def leave(self, name: str, result: Any) -> None:
        """After a module has run."""
        if self.quiet:
            return
        self.stack.pop()
        if isinstance(result, Tensor):
            marks = dict.fromkeys([*_marks([result]), name], result._version)
            setattr(result, _MARK, marks)
            self.calls[name].made = frozenset(marks)


def _marks(values: Any) -> list[str]:
    """Names of the modules that made the first value; none of those behind which it was written into."""
    first = next(iter(values), None)
    if not isinstance(first, Tensor):
        return []
    return [name for name, version in getattr(first, _MARK, {}).items() if version == first._version]


def probe(model: nn.Module, example: Any, run: Callable[[Any], Any] | None = None) -> tuple[list[Call], int]:
    """Watch one run.

    Args:
        model: any network; its weights and modes are left as they are.
        example: what it is called with.
        run: called with `example` in place of `model`.

    Returns:
        Every module that runs, in the order of its first call, without the model itself; and the multiply-accumulates
        of the whole, those outside of all modules included.
    """
    start = run or model
    with evaluating(model):
        watch = _Watch()
        with hooked(model, watch.enter, watch.leave):
            start(example)
        measured = measure(model, example, start)
    for name, call in watch.calls.items():
        call.macs, call.bypassed = measured.macs[name], name in measured.bypassed
        call.parent = call.parent or None  # the model itself has no name
    return [call for name, call in watch.calls.items() if name], measured.total
