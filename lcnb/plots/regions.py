"""Figures of regions: small grids one can count in, and where a region run overtakes the dense one.

Shape letters: h, w cells of a small grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from lcnb.palettes import STAGES, hexadecimal
from lcnb.plots.style import figure

ACTIVE, IDLE = "#ffd9a8", "#f3f4f6"
LINES = ("#6b7280", hexadecimal(STAGES[2]), hexadecimal(STAGES[1]), "#1f6fb2")
MARKS = ("", "o", "s", "^")


def grids(values: Sequence[Tensor], mask: Tensor, titles: Sequence[str] = (), digits: int = 0) -> Figure:
    """Small grids side by side, numbers written into their cells; active cells are coloured.

    Args:
        values: (h, w) maps; a NaN leaves its cell empty.
        mask: (h, w) bool, the active cells.
        titles: above the grids.
        digits: behind the decimal point.
    """
    rows, columns = mask.shape
    fig, axes = figure(2.5 * len(values), 2.5 * rows / columns + 0.3, 1, len(values), squeeze=False)
    colours = np.where(mask.numpy()[..., None], _rgb(ACTIVE), _rgb(IDLE))
    for k, (axis, grid) in enumerate(zip(axes[0], values, strict=True)):
        axis.imshow(colours)
        axis.grid(False)
        axis.set(xticks=np.arange(columns + 1) - 0.5, yticks=np.arange(rows + 1) - 0.5)
        axis.grid(color="white", linewidth=2)
        axis.tick_params(length=0, labelbottom=False, labelleft=False)
        for (r, c), value in np.ndenumerate(grid.double().numpy()):
            if not np.isnan(value):
                axis.text(c, r, f"{value:.{digits}f}", ha="center", va="center", fontsize=10)
        if k < len(titles):
            axis.set_title(titles[k], fontsize=10, loc="left")
    return fig


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])


def break_even(shares: Sequence[float], ratios: Mapping[str, Sequence[float]]) -> Figure:
    """Time over the dense time against the fraction of active cells; below 1 the region run wins.

    The dotted line of an implementation is proportional to the fraction and meets its own time with the most cells
    active: how far its curve lies above that line is what a small region costs beyond its cells.

    Args:
        shares: fractions in [0, 1].
        ratios: by name of the implementation, one value for each fraction.
    """
    fig, axis = figure(6.6, 3.4)
    top = max(1.15, *(max(r) for r in ratios.values()) if ratios else (1.15,)) * 1.04
    axis.axhspan(1, top, color="#fef2f2", zorder=0)
    axis.axhline(1, color=LINES[0], linewidth=1)
    axis.text(0.01, 1.015, "dense wins above this line", fontsize=8.5, color="#4b5563")
    most = max(range(len(shares)), key=shares.__getitem__)
    for (name, values), colour, mark in zip(ratios.items(), LINES[1:], MARKS[1:], strict=False):
        axis.plot(shares, values, color=colour, marker=mark, markersize=5, label=name)
        axis.plot(
            [0, shares[most]], [0, values[most]], color=colour, linewidth=1, linestyle=":", label=f"{name}, ideal"
        )
    axis.set(xlim=(0, 1.02), ylim=(0, top), xlabel="fraction of cells that are active", ylabel="time / dense time")
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2 * len(ratios), frameon=False, fontsize=9)
    return fig
