"""What a cascade made of another network could save, looked up module by module before any work.

Shape letters: B images, H, W pixels, S stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from lcnb.errors import LcnbError
from lcnb.models.cascade import LayerCascade
from lcnb.models.chain import costliest_chain, reached, remaining, suggested_ends
from lcnb.models.cut import cut
from lcnb.models.probe import Call, probe
from lcnb.models.report import markdown, text

EXITS = (0.23, 0.29, 0.48)
"""The paper's shares of cells that leave at stages 1, 2 and 3 (section 4, rho = .985)."""


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found. Print it, or let it be the last line of a notebook's cell.

    Attributes:
        calls: every module that ran, in the order of its first call, with name, kind, macs and refusal (why it cannot
            run on a region and the way out; None if it can).
        macs: multiply-accumulates of the whole network on the example.
        exits: (S,) share of the cells that leave at each stage.
        ends: names to give to `lcnb.split`, the last module of each stage; empty where there is nothing to cut.
        obstacle: why `split` would refuse them, or None.
        shares: by name, the share of the cells that reach a module of a later stage at these exits.
        unused: names of the modules that did not run.
    """

    calls: tuple[Call, ...]
    macs: int
    exits: tuple[float, ...]
    ends: tuple[str, ...]
    obstacle: str | None
    shares: dict[str, float]
    unused: tuple[str, ...]

    def __getitem__(self, name: str) -> Call:
        """The module of that name.

        Raises:
            KeyError: no such module ran.
        """
        for call in self.calls:
            if call.name == name:
                return call
        raise KeyError(f"no module named {name!r} ran; there are {', '.join(c.name for c in self.calls[:5])}, ...")

    def runs(self, name: str) -> bool:
        """Whether the module can run on a region."""
        return self[name].refusal is None

    def share(self, name: str) -> float:
        """The module's share of the multiply-adds, in [0, 1]."""
        return self[name].macs / max(1, self.macs)

    @property
    def speedup(self) -> float:
        """Multiply-adds of the dense network over those left at these exits; time can follow them, at best.

        The classifiers that `split` adds are not counted; those of a cascade are.
        """
        left = remaining(self.calls, self.shares)
        saved = sum(c.macs - left[c.name] for c in self.calls if c.parent is None)
        return self.macs / max(1.0, self.macs - saved)

    def __str__(self) -> str:
        return text(self)

    def _repr_markdown_(self) -> str:
        return markdown(self)


def inspect(model: nn.Module, example: Any, exits: Sequence[float] = EXITS) -> Inspection:
    """Find out which modules of a network can run on a region, and what a cascade of it could save.

    Every module is tried: densely, on all cells of a region and on half of them, on what it is given when the model
    runs on the example. A module inside one that can is not tried alone.

    Args:
        model: any network, or a `LayerCascade`; nothing in it is changed.
        example: what it takes, for most (B, 3, H, W); a small image is enough (64x64), on the model's device.
        exits: (S,) share of the cells that leave at each stage, S >= 2, for the speed-up; they add up to 1.

    Raises:
        ValueError: `exits` are not at least two shares that add up to 1, or not one for each stage of a cascade.

    Example:
        >>> from torchvision.models import resnet18
        >>> report = inspect(resnet18(weights=None), torch.rand(1, 3, 64, 64), exits=(0.5, 0.5))
        >>> report.runs("layer1"), report["conv1"].refusal
        (True, 'conv2d: stride (2, 2) changes the grid; run it on `x.to_dense()`, or cut the network behind it')
    """
    shares = tuple(float(e) for e in exits)
    if not isinstance(model, nn.Module):
        raise TypeError(f"inspect takes a network (torch.nn.Module), got {type(model).__name__}")
    if len(shares) < 2 or not min(shares) >= 0 or not abs(sum(shares) - 1) <= 1e-3:  # so that NaN is none
        raise ValueError(f"exits are the shares of cells that leave at each of two or more stages, sum 1; got {exits}")
    if isinstance(model, LayerCascade):
        return _of_cascade(model, example, shares)
    calls, macs = probe(model, example)
    chain = costliest_chain(calls)
    ends = suggested_ends(chain, calls, len(shares))
    found = reached(chain, calls, ends, shares)
    return Inspection(tuple(calls), macs, shares, tuple(ends), _obstacle(model, ends), found, _unused(model, calls))


def _of_cascade(model: LayerCascade, example: Any, exits: tuple[float, ...]) -> Inspection:
    """Its stages are known, so the shares are too."""
    if len(exits) != model.stage_count:
        raise ValueError(f"this cascade has {model.stage_count} stages, so as many exits; got {exits}")
    calls, macs = probe(model, example, model.all_stages)
    found = {f"{part}.{s}": sum(exits[s:]) for part in ("stages", "heads") for s in range(len(exits))}
    return Inspection(tuple(calls), macs, exits, (), None, found, _unused(model, calls))


def _obstacle(model: nn.Module, ends: Sequence[str]) -> str | None:
    if not ends:
        return "no module of it can run on a region"
    try:
        cut(model, ends)
    except LcnbError as error:
        return str(error)
    return None


def _unused(model: nn.Module, calls: Sequence[Call]) -> tuple[str, ...]:
    ran = {c.name for c in calls}
    around = {p for name in ran for p in _around(name)}
    return tuple(n for n, _ in model.named_modules() if n and n not in ran and n not in around)


def _around(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]
