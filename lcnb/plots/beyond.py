"""Figures of notebook 08: is a stage as right as it says, who could decide better, and what a budget buys.

Shape letters: S stages, M bins, G thresholds of a grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from lcnb.palettes import ACCENT, MUTED
from lcnb.plots.speed import LINES, MARKS
from lcnb.plots.style import figure
from lcnb.plots.training import stage_lines

Points = Sequence[tuple[float, float]]
"""(GMAC, mIoU) pairs."""
OUTLINED = [withStroke(linewidth=2.4, foreground="#374151")]
"""White lines that can be seen on light colours too."""


def reliability(accuracy: np.ndarray, confidence: np.ndarray, counts: np.ndarray, ece: Sequence[float]) -> Figure:
    """A reliability diagram for each stage; where the dots lie below the line, it is too sure of itself.

    Args:
        accuracy, confidence: (S, M) of each bin's pixels; NaN where it is empty.
        counts: (S, M) pixels, drawn as a strip of bars: most confidences lie near 1.
        ece: S expected calibration errors.
    """
    stages, bins = counts.shape
    fig, axes = figure(3.5 * stages, 3.9, 1, stages, sharex=True, sharey=True, squeeze=False)
    edges = (np.arange(bins) + 0.5) / bins
    for s, (axis, colour) in enumerate(zip(axes[0], stage_lines(stages), strict=True)):
        held = counts[s] / max(1, counts[s].sum())
        axis.bar(edges, held, width=0.9 / bins, color="#d1d5db", label="fraction of the pixels")
        axis.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=":", label="as right as it says")
        axis.plot(confidence[s], accuracy[s], color=colour, marker="o", markersize=4.5, label="measured")
        axis.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence")
        axis.set_title(f"stage {s + 1}: ECE {ece[s]:.3f}", loc="left")
    axes[0, 0].set_ylabel("fraction that is right")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize=9)
    return fig


def work_curves(
    curves: Mapping[str, Points], points: Mapping[str, tuple[float, float]] | None = None, note: str = ""
) -> Figure:
    """mIoU against multiply-adds, a line for each way to decide.

    Args:
        curves: by name, (GMAC, mIoU) from cheap to expensive.
        points: single settings by name, drawn as stars.
        note: what all of it was measured on, above the axes.
    """
    fig, axis = figure(7.4, 3.9)
    for n, ((name, values), colour, mark) in enumerate(zip(curves.items(), LINES, MARKS, strict=False)):
        size = max(4, 9 - 2 * n)  # lines that coincide: the mark below still shows around the one above
        axis.plot(*zip(*values, strict=True), color=colour, marker=mark, markersize=size, linewidth=1.5, label=name)
    for (name, (x, y)), colour in zip((points or {}).items(), LINES[len(curves) :], strict=False):
        axis.plot([x], [y], color=colour, marker="*", markersize=13, linestyle="none", label=name)
    axis.set(xlabel="multiply-adds per image (GMAC), mean", ylabel="mIoU (axis does not start at 0)")
    axis.set_title(note, loc="left", fontsize=9.5)
    axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9)
    return fig


def budget_plane(
    grid: Sequence[float], miou: np.ndarray, spent: np.ndarray, chosen: Mapping[str, tuple[float, float]], unit: str
) -> Figure:
    """mIoU of every pair of thresholds as a map, with lines of equal cost and the pairs that were chosen.

    Args:
        grid: G thresholds of both exits.
        miou, spent: (G, G), the first axis is exit 1.
        chosen: pairs of thresholds of the grid, by name.
        unit: of `spent`.

    Raises:
        ValueError: there is not a pair of exits, but one, or more than two.
    """
    if miou.ndim != 2:
        raise ValueError(f"this map shows the thresholds of two exits; {miou.ndim} make no map")
    fig, axis = figure(7.8, 5.2)
    axis.grid(False)
    places = np.arange(len(grid))
    shown = axis.imshow(miou.T, origin="lower", cmap="cividis", aspect="auto")
    if np.ptp(spent) > 0:
        lines = axis.contour(places, places, spent.T, levels=6, colors="white", linewidths=0.9)
        lines.set_path_effects(OUTLINED)
        for text in axis.clabel(lines, fmt=lambda v: f"{v:.3g}", fontsize=8.5):
            text.set_path_effects(OUTLINED)
    axis.plot(places, places, color="#d55e00", linestyle=":", linewidth=2, label="one ρ for both (the paper)")
    for (name, pair), mark in zip(chosen.items(), MARKS, strict=False):
        at = [list(grid).index(rho) for rho in pair]
        axis.plot(
            *at, marker=mark, markersize=9, color="#d55e00", markeredgecolor="white", linestyle="none", label=name
        )
    ticks = places[:: max(1, len(grid) // 9)]
    axis.set_xticks(ticks, [f"{grid[i]:g}" for i in ticks], fontsize=8.5)
    axis.set_yticks(ticks, [f"{grid[i]:g}" for i in ticks], fontsize=8.5)
    axis.set(xlabel="ρ of exit 1", ylabel="ρ of exit 2")
    axis.set_title(f"mIoU by colour, lines of equal work in {unit}", loc="left")
    fig.colorbar(shown, ax=axis, shrink=0.9)
    fig.legend(loc="outside upper left", ncols=3, fontsize=9)
    return fig


def halo_work(rows: Sequence[tuple[int, float, float]], cached: float) -> Figure:
    """mIoU and multiply-adds of true runs by halo.

    Args:
        rows: (halo, mIoU, GMAC).
        cached: mIoU of the cached view, where no cell lost its neighbours.
    """
    fig, (left, right) = figure(8.6, 3.0, 1, 2)
    places = range(len(rows))
    scores = [m for _, m, _ in rows]
    left.axhline(cached, color=MUTED, linewidth=1.2, linestyle=":", label="cached view")
    left.plot(places, scores, color=ACCENT, marker="o", label="true run")
    low, high = min(*scores, cached), max(*scores, cached)
    left.set(ylim=(low - 0.01, high + 0.01), ylabel="mIoU (axis does not start at 0)")
    left.set_title("is it better?", loc="left")
    fig.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=2, fontsize=9)
    right.bar(places, [g for _, _, g in rows], width=0.6, color=ACCENT)
    for place, (_, _, gmacs) in enumerate(rows):
        right.annotate(f"{gmacs:.2f}", (place, gmacs), (0, 3), textcoords="offset points", ha="center", fontsize=9)
    right.set_title("what does it take?", loc="left")
    right.set(ylabel="GMAC per image", ylim=(0, 1.15 * max(g for _, _, g in rows)))
    for axis in (left, right):
        axis.set_xticks(places, [str(h) for h, _, _ in rows])
        axis.set_xlabel("halo (cells)")
    return fig
