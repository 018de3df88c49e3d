"""What a cascade made of another network could save, looked up module by module before any work.

Shape letters: B images, H, W pixels, S stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from torch import nn

from lcnb.errors import LcnbError
from lcnb.models.cascade import LayerCascade
from lcnb.models.chain import costliest_chain, inside, is_covered, macs_of, reached, remaining, suggested_ends
from lcnb.models.cut import cut
from lcnb.models.probe import Call, probe

EXITS = (0.23, 0.29, 0.48)
"""The paper's fractions of cells that exit at stages 1, 2 and 3 (section 4, rho = .985)."""

HEAD = ("module", "class", "share", "left", "on a region")
RIGHT = (2, 3)
"""Columns of numbers."""
LARGE = 0.05
"""A module with this fraction of the multiply-adds has a row of its own."""


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found. Print it, or let it be the last line of a notebook's cell.

    Attributes:
        calls: every module that ran, in the order of its first call, with name, kind, macs and refusal (why it cannot
            run on a region and the way out; None if it can).
        macs: multiply-accumulates of the whole network on the example.
        exits: (S,) fraction of the cells that exit at each stage.
        ends: names to give to `lcnb.split`, the last module of each stage; empty where there is nothing to cut.
        obstacle: why `split` would refuse them, or None.
        shares: by name, the fraction of the cells that reach a module of a later stage at these exits.
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
        """The module's fraction of the multiply-adds, in [0, 1]."""
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
        return _text(self)

    def _repr_markdown_(self) -> str:
        return _markdown(self)


def inspect(model: nn.Module, example: Any, exits: Sequence[float] = EXITS) -> Inspection:
    """Find out which modules of a network can run on a region, and what a cascade of it could save.

    Every module is tried: densely, on all cells of a region and on half of them, on what it is given when the model
    runs on the example. A module inside one that can is not tried alone.

    Args:
        model: any network, or a `LayerCascade`; nothing in it is changed.
        example: what it takes, for most (B, 3, H, W); a small image is enough (64x64), on the model's device.
        exits: (S,) fraction of the cells that exit at each stage, S >= 2, for the speed-up; they add up to 1.

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
        raise ValueError(f"exits are the fractions of cells that exit at each stage, two or more, sum 1; got {exits}")
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


def _text(found: Inspection) -> str:
    """A table aligned with blanks, and what it comes to."""
    table = [HEAD, *_rows(found)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    table.insert(1, tuple("-" * w for w in widths))
    lines = ["  ".join(f"{c:{'>' if i in RIGHT else '<'}{widths[i]}}" for i, c in enumerate(row)) for row in table]
    return "\n".join([*(line.rstrip() for line in lines), "", *_summary(found)])


def _markdown(found: Inspection) -> str:
    """The same for a notebook."""
    rule = ["--:" if i in RIGHT else "---" for i in range(len(HEAD))]
    lines = [f"| {' | '.join(row)} |" for row in [HEAD, rule, *_rows(found)]]
    return "\n".join([*lines, "", *(f"{line}  " for line in _summary(found))])


def _rows(found: Inspection) -> list[tuple[str, ...]]:
    """One for each module as large as one answer holds for it; small neighbours that can run share one."""

    def together(call: Call) -> str:
        alone = call.refusal is not None or call.macs >= LARGE * found.macs
        return call.name if alone else f"{call.name.rpartition('.')[0]}."

    left = remaining(found.calls, found.shares)
    lines: list[tuple[str, ...]] = []
    shown = [c for c in found.calls if _is_shown(c, found.calls)]
    for _, group in groupby(shown, key=together):
        calls = list(group)
        macs = sum(_own(c, found.calls) for c in calls)
        kept = sum(left[c.name] if c.refusal is None else _own(c, found.calls) for c in calls)
        last = "" if len(calls) == 1 else f" .. {calls[-1].name.rpartition('.')[2]}"
        lines.append(
            (
                calls[0].name + last,
                " ".join(dict.fromkeys(c.kind for c in calls)),
                f"{macs / max(1, found.macs):.1%}",
                f"{kept / macs:.0%}" if macs else "",
                f"no: {calls[0].refusal}" if calls[0].refusal else "yes",
            )
        )
    return lines


def _is_shown(call: Call, calls: Sequence[Call]) -> bool:
    """Not if the module around it runs, nor if it is refused only for a module in it."""
    blamed = any(c.refusal is not None for c in inside(call, calls))
    return not is_covered(call, calls) and (call.refusal is None or not blamed)


def _own(call: Call, calls: Sequence[Call]) -> int:
    """Its multiply-adds, without the modules in it that have rows of their own."""
    return call.macs if call.refusal is None else call.macs - macs_of(inside(call, calls))


def _summary(found: Inspection) -> list[str]:
    """What can be in later stages, where to cut, and what that gives."""
    exits = " / ".join(f"{e:.0%}" for e in found.exits)
    lines = [f"{found.macs / 1e9:.2f} GMAC in all; left: the fraction of the work at exits of {exits}"]
    if found.obstacle is not None:
        return [*lines, f"no cascade of it: {found.obstacle}"]
    if found.ends:
        names = ", ".join(f'"{name}"' for name in found.ends)
        lines.append(f"cut it with lcnb.split(model, [{names}], ...), whose classifiers are not counted here")
    return [*lines, f"speed-up to expect at these exits, by multiply-adds: {found.speedup:.2f}"]
