"""Figures of what a network is made of."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from lcnb.palettes import MUTED, STAGES, hexadecimal, stage_colours
from lcnb.plots.style import figure


def where_it_sits(
    names: Sequence[str], stages: Sequence[int], parameters: Sequence[float], gmacs: Sequence[float]
) -> Figure:
    """Parameters and multiply-adds of the parts of a network, coloured by stage.

    Args:
        names: of the parts, from input to output.
        the stage of each part, from 1.
        parameters: in millions.
        gmacs: 10^9 multiply-adds.
    """
    fig, axes = figure(9.6, 0.9 + 0.3 * len(names), 1, 2, sharey=True)
    places = list(range(len(names)))[::-1]
    colours = [hexadecimal(stage_colours(max(stages))[s - 1]) for s in stages]
    for axis, values, title in zip(axes[0], (parameters, gmacs), ("million parameters", "GMAC"), strict=True):
        axis.barh(places, values, color=colours, edgecolor="#4b5563", linewidth=0.5)
        for place, value in zip(places, values, strict=True):
            text = f"{value:.1f}  ({value / sum(values):.0%})"
            axis.annotate(text, (value, place), (4, 0), textcoords="offset points", va="center", fontsize=8.5)
        axis.set(title=f"{title}, {sum(values):.1f} in all", xlim=(0, 1.3 * max(values)))
        axis.grid(axis="y", visible=False)
    axes[0, 0].set(yticks=places, yticklabels=names)
    return fig


def cost_plane(first: Sequence[float], rows: Sequence[tuple[str, Sequence[float]]], dense: float) -> Figure:
    """Multiply-adds left, against the fraction of cells that exits at stage 1.

    Args:
        first: shares that exit at stage 1.
        rows: (name, GMAC at each share), from expensive to cheap.
        dense: GMAC of the plain network.
    """
    fig, axes = figure(6.6, 3.5)
    axis = axes[0, 0]
    axis.axhline(dense, color=MUTED, linewidth=1)
    axis.text(0.99, dense, "plain network", ha="right", va="bottom", fontsize=8.5, color="#4b5563")
    lines = ("#4b9cd3", hexadecimal(STAGES[1]), hexadecimal(STAGES[2]))
    for (name, values), colour, style in zip(rows, lines, ("-", "--", "-."), strict=False):
        axis.plot(first, values, color=colour, linestyle=style, linewidth=2, label=name)
    axis.set(xlim=(0, 1), ylim=(0, None), xlabel="fraction of the cells that exit at stage 1", ylabel="GMAC per image")
    axis.legend(loc="lower left", fontsize=9)
    return fig
