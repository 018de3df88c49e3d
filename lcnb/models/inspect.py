"""What a cascade made of another network could save, looked up module by module before any work.

Shape letters: B images, H, W pixels, S stages.

The modules that run on a region and hand their result, unchanged and alone, from one to the next form chains; each link
is a place to cut, and the grid does not change along one. The costliest chain is the part worth having in later stages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import dropwhile, groupby, pairwise
from statistics import median
from typing import Any

import torch
from torch import nn

from lcnb.clock import stopwatch_for
from lcnb.errors import LcnbError
from lcnb.models.cascade import LayerCascade
from lcnb.models.cut import cut
from lcnb.models.probe import Call, probe
from lcnb.models.trial import clone, evaluating, packed, tensors, unhooked
from lcnb.regions import Region

EXITS = (0.23, 0.29, 0.48)
"""The paper's fractions of cells that exit at stages 1, 2 and 3 (section 4, rho = .985)."""

HEAD = ("module", "class", "share", "left", "measured", "on a region")
RIGHT = (2, 3, 4)
"""Columns of numbers."""
LARGE = 0.05
"""A module with this fraction of the multiply-adds has a row of its own, and is timed."""
WORTH = 1.1
"""Below this speed-up a cascade is not worth it."""
TURNS = 5
"""How often a module is timed, densely and on a region in turns; then the medians."""


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
        measured: by name, how many times faster than on the whole map a large module is on the cells that reach it, on
            this machine; empty unless asked for.
    """

    calls: tuple[Call, ...]
    macs: int
    exits: tuple[float, ...]
    ends: tuple[str, ...]
    obstacle: str | None
    shares: dict[str, float]
    unused: tuple[str, ...]
    measured: dict[str, float] = field(default_factory=dict)

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
        """A table aligned with blanks, and what it comes to."""
        table = _table(self)
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        table.insert(1, tuple("-" * w for w in widths))
        right = ["<" if i not in RIGHT or i == len(widths) - 1 else ">" for i in range(len(widths))]
        lines = ["  ".join(f"{c:{right[i]}{widths[i]}}" for i, c in enumerate(row)) for row in table]
        return "\n".join([*(line.rstrip() for line in lines), "", *_summary(self)])

    def _repr_markdown_(self) -> str:
        head, *rows = _table(self)
        rule = ["--:" if i in RIGHT and i < len(head) - 1 else "---" for i in range(len(head))]
        lines = [f"| {' | '.join(row)} |" for row in [head, rule, *rows]]
        return "\n".join([*lines, "", *(f"{line}  " for line in _summary(self))])


def inspect(
    model: nn.Module, example: Any, exits: Sequence[float] = EXITS, *, grid: int | None = None, time: bool = False
) -> Inspection:
    """Find out which modules of a network can run on a region, and what a cascade of it could save.

    The network runs once on the example, with its own hooks. Then every module is tried without them: densely, on all
    cells of a region and on half of them, on what it was given. A module inside one that can is not tried alone.

    Args:
        model: any network, or a `LayerCascade`; nothing in it is changed.
        example: what it takes, for most (B, 3, H, W); a small image is enough (64x64), on the model's device.
        exits: (S,) fraction of the cells that exit at each stage, S >= 2, for the speed-up; they add up to 1.
        grid: pixels from one cell to the next, such as 8, where the later stages are to be; by default where most
            multiply-adds are.
        time: also time large modules, densely against the cells that reach them. Give an image of the size you mean.

    Raises:
        ValueError: `exits` are not at least two shares that add up to 1, or not one for each stage of a cascade; or
            nothing that can run on a region lies on the grid.

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
    ends: list[str] = []
    obstacle = None
    if isinstance(model, LayerCascade):  # its stages are known, so the shares are too
        if len(shares) != model.stage_count or grid is not None:
            raise ValueError(
                f"this cascade has its {model.stage_count} stages: give as many exits, and no grid; got {exits}, {grid}"
            )
        calls, macs = probe(model, example, model.all_stages, pools=model.global_pool == "active")
        found = {f"{part}.{s}": sum(shares[s:]) for part in ("stages", "heads") for s in range(len(shares))}
    else:
        calls, macs = probe(model, example)
        chain = costliest_chain(_on_grid(calls, example, grid))
        ends = suggested_ends(chain, calls, len(shares))
        found, obstacle = reached(chain, calls, ends, shares), _obstacle(model, ends)
    report = Inspection(tuple(calls), macs, shares, tuple(ends), obstacle, found, _unused(model, calls))
    if time:
        report.measured.update(_times(model, report))
    for call in calls:
        call.given.clear()
    return report


def _on_grid(calls: Sequence[Call], example: Any, grid: int | None) -> Sequence[Call]:
    """The modules that may be in a later stage: all, or those that refuse or lie on the grid."""
    size = next((tuple(v.shape[2:]) for v in tensors(example) if v.dim() == 4), None)
    if grid is None or size is None:
        return calls
    strides = {c.name: max(1, round(size[0] / c.cells[0])) for c in calls if c.cells is not None}
    there = [c for c in calls if c.refusal is None and c.macs]
    if not any(strides[c.name] == grid for c in there):
        known = ", ".join(map(str, sorted({strides[c.name] for c in there})))
        raise ValueError(f"nothing that can run on a region lies on a grid of {grid}; there are {known or 'none'}")
    return [c for c in calls if c.refusal is not None or strides[c.name] == grid]


def _times(model: nn.Module, found: Inspection) -> dict[str, float]:
    """Seconds of a module on the whole map over those on the cells that reach it; medians, opponents in turns."""
    left, times = remaining(found.calls, found.shares), dict[str, float]()
    for call in found.calls:
        large = call.macs >= LARGE * max(1, found.macs) and call.refusal is None and not is_covered(call, found.calls)
        if not large or left[call.name] >= call.macs:
            continue
        module, given = model.get_submodule(call.name), call.given[0]
        x = next(v for v in tensors(given) if v.dim() == 4)
        draw = torch.rand(len(x), *x.shape[2:], generator=torch.Generator().manual_seed(0))
        region, clock = Region((draw < left[call.name] / call.macs).to(x.device)), stopwatch_for(x.device)
        laps: list[list[float]] = [[], []]
        with evaluating(model), unhooked(model):
            for _ in range(TURNS + 1):  # the first turn warms up
                for lap, (args, kwargs) in zip(laps, (clone(given), packed(clone(given), region)), strict=True):
                    lap.append(clock.timed(module, *args, **kwargs)[1])
        times[call.name] = median(laps[0][1:]) / median(laps[1][1:])
    return times


def _obstacle(model: nn.Module, ends: Sequence[str]) -> str | None:
    if not ends:
        return "nothing of it that has multiply-adds can run on a region"
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


def costliest_chain(calls: Sequence[Call]) -> list[Call]:
    """The chain with most multiply-adds, its modules as small as they can be cut; empty if nothing runs on a region.

    Args:
        calls: as `probe` gives them, in the order of execution.
    """
    able = [c for c in calls if c.refusal is None and c.calls == 1 and not c.bypassed and not is_covered(c, calls)]
    best: list[list[Call]] = []
    for i, call in enumerate(able):
        before = [best[j] for j in range(i) if able[j].name in call.sources]
        best.append([*max(before, key=macs_of, default=[]), call])
    longest = max(best, key=lambda part: (macs_of(part), len(part)), default=[])
    links = [part for call in longest for part in _links(call, calls)]
    return list(dropwhile(lambda c: not c.macs, links))  # a norm stays with its convolution


def is_covered(call: Call, calls: Sequence[Call]) -> bool:
    """Whether the module around it runs on a region, and so says it all."""
    return any(c.name == call.parent and c.refusal is None for c in calls)


def inside(call: Call, calls: Sequence[Call]) -> list[Call]:
    """The modules directly in a module."""
    return [c for c in calls if c.parent == call.name]


def macs_of(calls: Sequence[Call]) -> int:
    """Multiply-adds of modules of which none is in another."""
    return sum(c.macs for c in calls)


def _links(call: Call, calls: Sequence[Call]) -> list[Call]:
    """A module as the chain of its submodules, if it is one, else itself."""
    inner = inside(call, calls)
    linked = all(a.name in b.sources for a, b in pairwise(inner))
    whole = bool(inner) and inner[0].sources == call.sources and inner[-1].name in call.made
    if linked and whole and macs_of(inner) == call.macs and all(c.calls == 1 and not c.bypassed for c in inner):
        return [link for c in inner for link in _links(c, calls)]
    return [call]


def suggested_ends(chain: Sequence[Call], calls: Sequence[Call], stages: int) -> list[str]:
    """The last module of each of S stages: stage 1 ends where the chain begins, the others share it about equally.

    A stage ends right before a module with multiply-adds, so that norm and activation stay with their convolution; of
    the places close to an equal share it is the end of the outermost block. Fewer than S names where there are too few.
    """
    if not chain:
        return []
    feeding = [c for c in calls if c.name in chain[0].sources]
    places = [(0, _outermost(feeding[-1], calls))] if feeding else []
    first, whole, done = 1 - len(places), macs_of(chain), 0
    for call, after in pairwise([*chain, None]):
        assert call is not None
        done += call.macs
        if after is None or after.macs:
            places.append((done, _outermost(call, calls)))
    ends: list[str] = []
    part = whole / (stages - 1 + first)
    for k in range(stages):
        rank = {}
        for before, name in places:
            away = abs(before - part * (k + first))
            close = away <= min(part / 4, whole / 8)
            rank[name] = (not close, name.count(".") if close else 0, away)
        if rank:
            ends.append(min(rank, key=rank.__getitem__))
            places = places[[name for _, name in places].index(ends[-1]) + 1 :]
    return ends


def _outermost(call: Call, calls: Sequence[Call]) -> str:
    """The largest module that ends with this one and gives what it gives."""
    while (parent := next((c for c in calls if c.name == call.parent), None)) is not None:
        if parent.calls > 1 or call.name not in parent.made:
            break
        call = parent
    return call.name


def reached(
    chain: Sequence[Call], calls: Sequence[Call], ends: Sequence[str], exits: Sequence[float]
) -> dict[str, float]:
    """The fraction of the cells that reach each module of the chain, in [0, 1].

    Args:
        chain, calls: as above.
        ends: as suggested.
        exits: (S,) fraction of the cells that exit at each stage.
    """
    found: dict[str, float] = {}
    names = [_outermost(call, calls) for call in chain]
    lasts = [name in ends and name != after for name, after in pairwise([*names, None])]
    stage = len(ends) - sum(lasts)  # 1, or 0 where the chain begins with the network itself
    for call, last in zip(chain, lasts, strict=True):
        if stage < len(ends):  # what is behind the last stage is left out
            found[call.name] = sum(exits[stage:])
        stage += last
    return found


def remaining(calls: Sequence[Call], shares: Mapping[str, float]) -> dict[str, float]:
    """Multiply-adds of each module that are left when these modules see these fractions of the cells."""
    found: dict[str, float] = {}
    for call in reversed(calls):  # what is in a module comes behind it
        inner = inside(call, calls)
        own = call.macs - macs_of(inner)
        found[call.name] = own + sum(found[c.name] for c in inner)
        if call.name in shares:
            found[call.name] = call.macs * shares[call.name]
    return found


def _table(found: Inspection) -> list[tuple[str, ...]]:
    """The head and the rows; without the column of times if none were asked for."""
    columns = [i for i, name in enumerate(HEAD) if found.measured or name != "measured"]
    return [tuple(row[i] for i in columns) for row in (HEAD, *_rows(found))]


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
                f"{found.measured[calls[0].name]:.2f}x" if calls[0].name in found.measured else "",
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
    if found.speedup < WORTH:
        return [*lines, f"not worth it: {found.speedup:.2f} is the speed-up to expect at these exits, by multiply-adds"]
    if found.ends:
        names = ", ".join(f'"{name}"' for name in found.ends)
        lines.append(f"cut it with lcnb.split(model, [{names}], ...), whose classifiers are not counted here")
    return [*lines, f"speed-up to expect at these exits, by multiply-adds: {found.speedup:.2f}"]
