"""Figures of training: what a run did, and how its variants compare."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from lcnb.palettes import MUTED, STAGES, hexadecimal, stage_colours
from lcnb.plots.speed import LINES, MARKS
from lcnb.plots.style import figure

TRUE = "#111827"


def stage_lines(stages: int) -> list[str]:
    """Colours of S stages that stand out as thin lines on white; stage 1's is darker than as an area."""
    return ["#4b9cd3", *map(hexadecimal, stage_colours(stages)[1:])]


def training_curves(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """The loss, and the mIoU of each stage alone and of true runs, against the step.

    Args:
        rows: of the log: step, phase, loss and, where scored, miou_stage1 ... and miou_true.
    """
    fig, (left, right) = figure(9.6, 3.2, 1, 2)
    steps = [r["step"] for r in rows]
    left.plot(steps, [r["loss"] for r in rows], color="#6b7280")
    left.set(xlabel="step", ylabel="loss", title="training loss", ylim=(0, None))
    scored = [r for r in rows if "miou_true" in r]
    at = [r["step"] for r in scored]
    alone = [name for name in (scored[0] if scored else ()) if name.startswith("miou_stage")]
    for s, (name, colour) in enumerate(zip(alone, stage_lines(len(alone)), strict=False), start=1):
        right.plot(at, [r[name] for r in scored], color=colour, marker="o", markersize=4, label=f"stage {s} alone")
    if scored:
        values = [r["miou_true"] for r in scored]
        right.plot(at, values, color=TRUE, marker="s", markersize=4, linestyle="--", label="cascade, true run")
        right.legend(loc="lower right", fontsize=9)
    right.set(xlabel="step", title="mIoU on validation images", ylim=(0, None))
    for before, after in itertools.pairwise(rows):
        if before["phase"] != after["phase"]:
            for axis in (left, right):
                axis.axvline(before["step"], color="#9ca3af", linewidth=1)
            left.text(before["step"], left.get_ylim()[1], " step two", fontsize=8.5, va="top", color="#4b5563")
    return fig


def ablation(found: Mapping[str, Any]) -> Figure:
    """Table 2: the mIoU of each way to train, and by how much the layer cascade differs from it.

    Args:
        found: as `lcnb reproduce T2` writes it: rows (title, miou, interval) and differences ("lc - row").
    """
    rows, differences = found["rows"], found["differences"]
    fig, (left, right) = figure(10.4, 1.2 + 0.36 * len(rows), 1, 2, sharey=True, width_ratios=(1, 1))
    places = list(range(len(rows)))[::-1]
    for place, row in zip(places, rows, strict=True):
        _with_interval(
            left, place, row["miou"], row["interval"], hexadecimal(STAGES[2]) if row["row"] == "lc" else TRUE, True
        )
        if (difference := differences.get(f"lc - {row['row']}")) is not None:
            _with_interval(right, place, difference["value"], difference, TRUE, difference["excludes_zero"], "+.3f")
    right.axvline(0, color="#6b7280", linewidth=1)
    left.set(
        yticks=places,
        yticklabels=["\n".join(textwrap.wrap(r["title"], 40)) for r in rows],
        ylim=(-0.6, len(rows) - 0.4),
        xlabel="mIoU, with its 95 % interval",
        title="each way to train",
    )
    right.set(xlabel="mIoU of the layer cascade minus this row's", title="and how far the layer cascade is ahead")
    right.locator_params(axis="x", nbins=5)  # numbers with a sign and three digits are wide
    if not all(d["excludes_zero"] for d in differences.values()):
        right.text(0.99, 0.02, "hollow: the interval holds 0", ha="right", fontsize=8.5, transform=right.transAxes)
    return fig


def price_of_exits(sweeps: Mapping[str, Sequence[Mapping[str, Any]]], rho: float) -> Figure:
    """What exits save, and how much mIoU they cost in true runs: a line for each network, a mark for each threshold.

    Args:
        sweeps: by name, rows of `lcnb reproduce T1` (rho, saved, miou_true).
        rho: thresholds with this value at the first exit have a ring.
    """
    fig, axis = figure(8.8, 4.1)
    axis.axhline(0, color=MUTED, linewidth=1)
    for (name, rows), colour, mark in zip(sweeps.items(), LINES, MARKS, strict=False):
        (dense,) = [row["miou_true"] for row in rows if row["rho"] == 1]
        points = sorted((100 * row["saved"], 100 * (row["miou_true"] - dense), row["rho"]) for row in rows)
        saved, change, rhos = zip(*points, strict=True)
        axis.plot(saved, change, color=colour, marker=mark, label=name)
        axis.plot(saved, change, "o", color=colour, markersize=13, mfc="none", markevery=[r == rho for r in rhos])
    axis.set(xlabel="multiply-adds saved, %", ylabel="points of mIoU against ρ = 1")
    axis.set_title(f"true runs; every mark is a threshold, those in a ring are ρ = {rho:g}", fontsize=9.5)
    axis.legend(loc="lower left", fontsize=9)
    return fig


def _with_interval(
    axis: Any,
    place: int,
    value: float,
    interval: Mapping[str, Any] | None,
    colour: str,
    solid: bool,
    form: str = ".3f",
) -> None:
    if interval is not None:  # there is none of a few images
        axis.plot([interval["low"], interval["high"]], [place, place], color=colour, linewidth=2, alpha=0.5)
    axis.plot([value], [place], marker="o", color=colour, markerfacecolor=colour if solid else "white")
    axis.annotate(f"{value:{form}}", (value, place), (0, 6), textcoords="offset points", ha="center", fontsize=8.5)
