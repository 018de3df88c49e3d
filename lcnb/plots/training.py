"""Figures of training: what a run did, and how its variants compare."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from lcnb.palettes import STAGES, hexadecimal
from lcnb.plots.style import figure

STAGE_LINES = ("#4b9cd3", hexadecimal(STAGES[1]), hexadecimal(STAGES[2]))
"""Stage colours that stand out as thin lines on white; stage 1's is darker than as an area."""
TRUE = "#111827"


def training_curves(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """The loss, and the mIoU of each stage alone and of true runs, against the step.

    Args:
        rows: of the log: step, phase, loss and, where scored, miou_stage1 ... and miou_true.
    """
    fig, axes = figure(9.6, 3.2, 1, 2)
    left, right = axes[0]
    steps = [r["step"] for r in rows]
    left.plot(steps, [r["loss"] for r in rows], color="#6b7280")
    left.set(xlabel="step", ylabel="loss", title="training loss", ylim=(0, None))
    scored = [r for r in rows if "miou_true" in r]
    at = [r["step"] for r in scored]
    for s, colour in enumerate(STAGE_LINES, start=1):
        if scored and f"miou_stage{s}" in scored[0]:
            values = [r[f"miou_stage{s}"] for r in scored]
            right.plot(at, values, color=colour, marker="o", markersize=4, label=f"stage {s} alone")
    if scored:
        values = [r["miou_true"] for r in scored]
        right.plot(at, values, color=TRUE, marker="s", markersize=4, linestyle="--", label="cascade, true run")
        right.legend(loc="lower right", fontsize=9)
    right.set(xlabel="step", title="mIoU on validation pictures", ylim=(0, None))
    for before, after in itertools.pairwise(rows):
        if before["phase"] != after["phase"]:
            for axis in (left, right):
                axis.axvline(before["step"], color="#9ca3af", linewidth=1)
            left.text(before["step"], left.get_ylim()[1], " step two", fontsize=8.5, va="top", color="#4b5563")
    return fig
