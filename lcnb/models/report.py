"""An inspection as text and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from lcnb.models.chain import inside, is_covered, macs_of, remaining
from lcnb.models.probe import Call

if TYPE_CHECKING:
    from lcnb.models.inspect import Inspection

HEAD = ("module", "class", "share", "left", "on a region")
RIGHT = (2, 3)
"""Columns of numbers."""
LARGE = 0.05
"""A module with this share of the multiply-adds has a row of its own."""


def text(found: Inspection) -> str:
    """A table aligned with blanks, and what it comes to."""
    table = [HEAD, *rows(found)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    table.insert(1, tuple("-" * w for w in widths))
    lines = ["  ".join(f"{c:{'>' if i in RIGHT else '<'}{widths[i]}}" for i, c in enumerate(row)) for row in table]
    return "\n".join([*(line.rstrip() for line in lines), "", *summary(found)])


def markdown(found: Inspection) -> str:
    """The same for a notebook."""
    rule = ["--:" if i in RIGHT else "---" for i in range(len(HEAD))]
    lines = [f"| {' | '.join(row)} |" for row in [HEAD, rule, *rows(found)]]
    return "\n".join([*lines, "", *(f"{line}  " for line in summary(found))])


def rows(found: Inspection) -> list[tuple[str, ...]]:
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


def summary(found: Inspection) -> list[str]:
    """What can be in later stages, where to cut, and what that gives."""
    exits = " / ".join(f"{e:.0%}" for e in found.exits)
    lines = [f"{found.macs / 1e9:.2f} GMAC in all; left: the share of the work at exits of {exits}"]
    if found.obstacle is not None:
        return [*lines, f"no cascade of it: {found.obstacle}"]
    if found.ends:
        names = ", ".join(f'"{name}"' for name in found.ends)
        lines.append(f"cut it with lcnb.split(model, [{names}], ...), whose classifiers are not counted here")
    return [*lines, f"speed-up to expect at these exits, by multiply-adds: {found.speedup:.2f}"]
