"""Figures of difficulty (paper, figure 1), and of classes and boundaries.

Shape letters: H, W pixels, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from lcnb.difficulty import IGNORED as UNGRADED
from lcnb.difficulty import NAMES, THRESHOLD
from lcnb.palettes import ACCENT, DIFFICULTY, IGNORED, MUTED, blend, class_colours, colourise, hexadecimal
from lcnb.plots.cascade import label_map, percent_scale, stacked, to_array
from lcnb.plots.style import figure, panels

PAPER_BOUNDARY = (0.067, 0.190, 0.680)
"""Fraction of easy, moderate and hard pixels that lie on boundaries (paper, figure 1)."""


def difficulty_overlay(image: np.ndarray, grade: Tensor, alpha: float = 0.62) -> np.ndarray:
    """(H, W, 3) uint8: the image with easy, moderate and hard laid over it; unlabelled pixels are left bare."""
    values = grade.cpu().numpy()
    painted = blend(image, colourise(values, list(DIFFICULTY.values()), IGNORED), alpha)
    return np.where((values == UNGRADED)[:, :, None], blend(image, np.full_like(image, 255), 0.5), painted)


def difficulty_map(image: Tensor, mask: Tensor, grade: Tensor, classes: Sequence[str]) -> Figure:
    """Figure 1, top: image, ground truth, easy / moderate / hard."""
    photo = to_array(image)
    row = [photo, label_map(mask, classes), difficulty_overlay(photo, grade)]
    return panels([row], ["input", "ground truth", "difficulty"], legend=DIFFICULTY)


def confidence_histogram(confidence: Tensor, right: Tensor, threshold: float = THRESHOLD) -> Figure:
    """How sure the network is where it is right and where it is wrong; both counts on a log scale."""
    import seaborn as sns  # brings pandas along, which only this figure needs

    fig, axis = figure(7.2, 3.0)
    bins = np.linspace(0, 1, 41)
    for name, colour, values in (
        ("right", "#9ca3af", confidence[right]),
        ("wrong", "#d55e00", confidence[~right]),
    ):
        sns.histplot(values.cpu().numpy(), bins=bins, ax=axis, color=colour, label=name, element="step", alpha=0.6)
    axis.set_yscale("log")
    axis.axvline(threshold, color=ACCENT)
    axis.text(
        threshold - 0.008,
        0.96,
        f"{threshold:g}",
        color=ACCENT,
        ha="right",
        va="top",
        transform=axis.get_xaxis_transform(),
    )
    axis.set(xlim=(0, 1), xlabel="confidence of the pixel's label", ylabel="pixels (log scale)")
    fig.legend(loc="outside upper left", ncols=2)
    return fig


def shares_by_class(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    """Figure 1, bottom: each class's fraction of the pixels, and how it splits into easy, moderate and hard.

    Args:
        counts: (K, 3) pixels.
    """
    total = counts.sum()
    order = [k for k in np.argsort(counts.sum(1)) if counts[k].sum()]
    share, split = counts.sum(1)[order] / total, counts[order] / counts[order].sum(1, keepdims=True)
    fig, (left, right) = figure(9.6, 0.7 + 0.27 * len(order), 1, 2, sharey=True)
    _share_bars(left, share, MUTED, "fraction of all pixels")
    left.set_yticks(range(len(order)), [classes[k] for k in order])
    stacked(right, split, DIFFICULTY, "of which")
    fig.legend(*right.get_legend_handles_labels(), loc="outside upper right", ncols=3, fontsize=9)
    return fig


def _share_bars(axis: Any, values: np.ndarray, colours: str | list[str], title: str, **edge: Any) -> None:
    """A bar for each fraction, with its number behind it."""
    axis.barh(range(len(values)), values, color=colours, **edge)
    for y, value in enumerate(values):
        axis.text(value, y, f" {value:.1%}", va="center", fontsize=8, color=MUTED)
    axis.set_title(title, loc="left")
    axis.set(xlim=(0, np.nanmax(values) * 1.18))
    percent_scale(axis)


def boundary_shares(measured: Sequence[float], paper: Sequence[float] = PAPER_BOUNDARY) -> Figure:
    """Fraction of easy, moderate and hard pixels that lie near a boundary, beside the paper's."""
    fig, axis = figure(6.4, 3.0)
    places = np.arange(3)
    for offset, values, colour, name in (
        (-0.2, measured, ACCENT, "measured here"),
        (0.2, paper, "#cbd5e1", "printed in the paper (VOC)"),
    ):
        bars = axis.bar(places + offset, list(values), 0.38, color=colour, label=name)
        axis.bar_label(bars, ["none" if v != v else f"{v:.1%}" for v in values], padding=2, fontsize=9)
    axis.set_xticks(places, NAMES)
    axis.set(ylim=(0, 1), ylabel="of these pixels, near a boundary")
    axis.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    axis.grid(axis="x", visible=False)
    fig.legend(loc="outside upper left", ncols=2)
    return fig


def class_shares(shares: np.ndarray, edge_shares: np.ndarray, classes: Sequence[str]) -> Figure:
    """What the masks alone tell: each class's fraction of the pixels, and how much of it lies near a boundary."""
    order = [k for k in np.argsort(shares) if shares[k] > 0]
    fig, (left, right) = figure(9.6, 0.6 + 0.27 * len(order), 1, 2, sharey=True)
    colours = [hexadecimal(class_colours(list(classes))[k]) for k in order]
    edge: dict[str, Any] = {"edgecolor": "#9ca3af", "linewidth": 0.5}
    _share_bars(left, shares[order], colours, "fraction of all labelled pixels", **edge)
    _share_bars(right, edge_shares[order], colours, "of these, near a boundary", **edge)
    left.set_yticks(range(len(order)), [classes[k] for k in order])
    return fig
