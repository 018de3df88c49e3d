"""Figures of speed, from the JSON of `lcnb bench`: does time fall as work falls?"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from lcnb.palettes import MUTED, STAGES, hexadecimal
from lcnb.plots.style import figure

LINES = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's colours, told apart with any kind of colour vision; each line has a mark of its own too."""
MARKS = ("o", "s", "^", "D", "v", "P", "X")


def blocks_on_regions(found: Sequence[Mapping[str, Any]], titles: Sequence[str], path: str = "rows") -> Figure:
    """Time over the dense time, against the fraction of active cells, a line for each block.

    Args:
        found: results of `lcnb bench ops`, a panel each.
        titles: of the panels.
        path: which of its paths.
    """
    fig, axes = figure(5.0 * len(found), 3.9, 1, len(found), sharey=True, squeeze=False)
    lines = [_lines(result, path) for result in found]
    top = 1.05 * max(1.1, *(y for panel in lines for points in panel.values() for _, y in points))
    for axis, panel, title in zip(axes[0], lines, titles, strict=True):
        axis.axhspan(1, top, color="#fef2f2", zorder=0)
        axis.axhline(1, color=MUTED, linewidth=1)
        axis.plot([0, 1], [0, 1], color=MUTED, linewidth=1.4, linestyle=":", label="time falls as work falls")
        for (name, points), colour, mark in zip(panel.items(), LINES, MARKS, strict=False):
            axis.plot(*zip(*points, strict=True), color=colour, marker=mark, markersize=4.5, linewidth=1.3, label=name)
        axis.text(0.01, 1.02, "dense is faster above this line", fontsize=8.5, color="#4b5563")
        axis.set(xlim=(0, 1.03), ylim=(0, top), xlabel="fraction of cells that are active", title=title)
    axes[0, 0].set_ylabel("time / time of the dense block")
    axes[0, -1].legend(loc="lower right", fontsize=8)
    return fig


def _lines(result: Mapping[str, Any], path: str) -> dict[str, list[tuple[float, float]]]:
    """(share, time over dense) of each block, by name."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in result["results"]:
        if row["level"] == "blocks":
            lines.setdefault(row["op"], []).append((row["share"], row["paths"][path]["over_dense"]))
    return {name: sorted(points) for name, points in lines.items()}


def speed_ups(rows: Sequence[tuple[str, Mapping[str, float]]]) -> Figure:
    """Measured speed-ups beside those that the multiply-adds allow.

    Args:
        rows: (name, the "speedup" of a result of `lcnb bench model`) from top to bottom.
    """
    fig, axis = figure(8.6, 1.0 + 0.62 * len(rows))
    for place, (_, speed) in zip(range(len(rows))[::-1], rows, strict=True):
        bars = [("over_plain", hexadecimal(STAGES[0]), 0.19), ("over_fastest_dense", hexadecimal(STAGES[2]), -0.19)]
        for key, colour, offset in bars:
            axis.barh(place + offset, speed[key], height=0.34, color=colour, edgecolor="#4b5563", linewidth=0.5)
            ink = "white" if offset < 0 else "black"
            axis.text(0.03, place + offset, f"{speed[key]:.2f}", color=ink, va="center", fontsize=9)
        allowed = speed["multiply_adds_one_head"]
        axis.plot([allowed, allowed], [place - 0.42, place + 0.42], color="black", linewidth=2)
        end = max(allowed, speed["over_plain"])
        axis.annotate(f"{allowed:.2f}", (end, place), (6, 0), textcoords="offset points", va="center", fontsize=9)
    axis.axvline(1, color=MUTED, linewidth=1)
    axis.set(
        yticks=range(len(rows))[::-1], yticklabels=[name for name, _ in rows], xlabel="times as fast", xlim=(0, None)
    )
    axis.grid(axis="y", visible=False)
    axis.margins(x=0.08)
    top = "light: over the plain network; dark: over the fastest dense form; black line: by multiply-adds"
    axis.set_title(top, fontsize=9.5)
    return fig


def race(rounds: Mapping[str, Sequence[float]], allowed: float) -> Figure:
    """Times of opponents that took turns: the median of each as a bar, its rounds as dots.

    Args:
        rounds: by name, seconds of each round: the plain network, its faster dense forms, and the cascade last.
        allowed: the speed-up over the plain network that the multiply-adds allow.
    """
    medians = {name: statistics.median(times) for name, times in rounds.items()}
    plain, *forms, cascade = medians
    fastest = min((plain, *forms), key=medians.__getitem__)
    colours = {fastest: hexadecimal(STAGES[0]), cascade: hexadecimal(STAGES[1])}
    fig, axis = figure(8.6, 1.3 + 0.5 * len(rounds))
    places = range(len(rounds))[::-1]
    axis.barh(places, [1e3 * m for m in medians.values()], height=0.62, edgecolor="#4b5563", linewidth=0.5,
              color=[colours.get(name, "#d1d5db") for name in medians])  # fmt: skip
    for place, (name, times) in zip(places, rounds.items(), strict=True):
        axis.plot([1e3 * t for t in times], [place - 0.2] * len(times), ".", color="#111827", markersize=4)
        axis.text(0, place + 0.08, f"  {1e3 * medians[name]:.0f} ms", va="center", fontsize=9.5)
    axis.set_title(f"the cascade is {medians[plain] / medians[cascade]:.2f} times as fast as the plain network and "
                   f"{medians[fastest] / medians[cascade]:.2f} times as fast as the\nfastest dense form ({fastest}); "
                   f"multiply-adds allow {allowed:.2f}", fontsize=9.5)  # fmt: skip
    axis.set(yticks=places, yticklabels=list(rounds), xlabel="ms per image: the bar is the median, each dot a round")
    axis.grid(axis="y", visible=False)
    return fig
