"""Figures of what the cascade decides, and where.

Shape letters: H, W pixels, K classes, S stages, R thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from lcnb.models import CascadeOutput
from lcnb.palettes import (
    ACCENT,
    IGNORED,
    UNKNOWN,
    Colour,
    blend,
    class_colours,
    colourise,
    hexadecimal,
    stage_colours,
)
from lcnb.plots.style import figure, panels


def stage_legend(stages: int) -> dict[str, Colour]:
    """Name and colour of each of S stages."""
    return {f"exits at stage {s + 1}": colour for s, colour in enumerate(stage_colours(stages))}


STAGE_LEGEND = stage_legend(3)


def to_array(image: Tensor) -> np.ndarray:
    """(3, H, W) uint8, or float in [0, 1] -> (H, W, 3) uint8."""
    array = image.detach().cpu().permute(1, 2, 0).numpy()
    return array if array.dtype == np.uint8 else np.round(array.clip(0, 1) * 255).astype(np.uint8)


def stage_overlay(image: np.ndarray, out: CascadeOutput, alpha: float = 0.6) -> np.ndarray:
    """The image with the stage at which each pixel exited laid over it: (H, W, 3) uint8."""
    colours = stage_colours(out.exits.shape[1])
    return blend(image, colourise(out.pixel_stage()[0].cpu().numpy(), colours), alpha)


def label_map(labels: Tensor, classes: Sequence[str]) -> np.ndarray:
    """(H, W) class indices -> (H, W, 3) uint8; what is unlabelled is white."""
    return colourise(labels.cpu().numpy(), class_colours(list(classes)), IGNORED)


def used_classes(classes: Sequence[str], *maps: Tensor) -> dict[str, Colour]:
    """Names and colours of the classes that occur in any of the maps, for a legend."""
    present = set().union(*(set(m.unique().tolist()) for m in maps))
    return {n: c for k, (n, c) in enumerate(zip(classes, class_colours(list(classes)), strict=True)) if k in present}


def three_regions(image: Tensor, out: CascadeOutput, classes: Sequence[str]) -> Figure:
    """The image, its regions by stage, and the labels that result, with their names."""
    photo = to_array(image)
    row = [photo, stage_overlay(photo, out), label_map(out.labels[0], classes)]
    fractions = out.exits[0].tolist()
    stages = enumerate(zip(fractions, stage_colours(len(fractions)), strict=True), start=1)
    legend = {f"stage {s}: {fraction:.0%} of the cells": colour for s, (fraction, colour) in stages}
    legend |= used_classes(classes, out.labels)
    return panels([row], ["input", "where each cell exits", "labels"], legend=legend)


def cumulative_stages(
    images: Sequence[Tensor], outs: Sequence[CascadeOutput], masks: Sequence[Tensor] | None, classes: Sequence[str]
) -> Figure:
    """Figure 4: input, what is decided after stages 1, 2 and 3, truth. Undecided pixels are pale.

    Args:
        images: (3, H, W) each.
        outs: of each image.
        masks: (H, W) true classes of each image; None leaves the last column out.
        classes: names, by index.
    """
    colours = class_colours(list(classes))
    rows = []
    for image, out in zip(images, outs, strict=True):
        labels, stage = out.labels[0].cpu().numpy(), out.pixel_stage()[0].cpu().numpy()
        steps = [colourise(np.where(stage <= s, labels, 255), colours, UNKNOWN) for s in range(out.exits.shape[1])]
        rows.append([to_array(image), *steps])
    titles = ["input", *(f"after stage {s + 1}" for s in range(outs[0].exits.shape[1]))]
    if masks is not None:
        rows = [[*row, label_map(mask, classes)] for row, mask in zip(rows, masks, strict=True)]
        titles.append("ground truth")
    shown = [out.labels for out in outs] if masks is None else masks
    legend = {**used_classes(classes, *shown), "undecided": UNKNOWN}
    return panels(rows, titles, legend=legend, width=12)


def exits_over_rho(rhos: Sequence[float], exits: np.ndarray, rho: float | None = None) -> Figure:
    """Fraction of cells that exit at each stage as the threshold rises: (R,) rhos, (R, S) fractions."""
    fig, axis = figure(6.4, 3.0)
    positions = np.arange(len(rhos))
    legend = stage_legend(exits.shape[1])
    colours = [hexadecimal(c) for c in legend.values()]
    axis.stackplot(positions, exits.T, colors=colours, labels=list(legend), linewidth=0)
    axis.set_xticks(positions, [f"{r:g}" for r in rhos])
    axis.set(xlim=(0, len(rhos) - 1), ylim=(0, 1), xlabel="threshold ρ", ylabel="fraction of cells")
    axis.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    if rho in list(rhos):
        axis.axvline(list(rhos).index(rho), color=ACCENT, linewidth=1.5)  # type: ignore[arg-type]
        axis.annotate(f"ρ = {rho:g}", (list(rhos).index(rho), 1.02), color=ACCENT, ha="center", annotation_clip=False)  # type: ignore[arg-type]
    handles, labels = axis.get_legend_handles_labels()
    axis.legend(handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1.01, 0.5))
    return fig


def stacked(axis: Any, parts: np.ndarray, legend: Mapping[str, Colour], title: str) -> None:
    """A bar for each row of fractions, in parts of these names and colours."""
    start = np.zeros(len(parts))
    for part, (name, colour) in zip(parts.T, legend.items(), strict=True):
        axis.barh(range(len(parts)), part, left=start, color=hexadecimal(colour), label=name)
        start += part
    axis.set_title(title, loc="left")
    axis.set(xlim=(0, 1))
    percent_scale(axis)


def percent_scale(axis: Any) -> None:
    """Fractions along a bar as percentages, without lines between the bars."""
    axis.xaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    axis.grid(axis="y", visible=False)


def class_exits(by_class: np.ndarray, entering: np.ndarray, classes: Sequence[str]) -> Figure:
    """Figure 5: where each class exits (K, S), and its fraction of the pixels entering a stage over that of the image.

    Classes that do not occur (NaN) are left out.
    """
    keep = [k for k in range(len(classes)) if not np.isnan(by_class[k]).any()]
    order = sorted(keep, key=lambda k: by_class[k, 0])
    fig, (left, right) = figure(9.6, 0.55 + 0.28 * len(order), 1, 2, sharey=True)
    legend = stage_legend(by_class.shape[1])
    stacked(left, by_class[order], legend, "where the pixels of a class exit")
    left.set_yticks(range(len(order)), [classes[k] for k in order])
    colours = [hexadecimal(c) for c in legend.values()]
    for s in range(1, entering.shape[1]):
        marker = "os^Dv"[s % 5]
        right.plot(entering[order, s], range(len(order)), marker, color=colours[s], label=f"entering stage {s + 1}")
    right.axvline(1, color="#6b7280", linewidth=1)
    right.set_title("its fraction there over its fraction of the image", loc="left")
    fig.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize=9)
    fig.legend(*right.get_legend_handles_labels(), loc="outside upper right", ncols=3, fontsize=9)
    return fig
