"""Figures that put what the paper prints beside what was measured. Printed is hollow and dashed, measured is solid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from lcnb.palettes import MUTED, STAGES, hexadecimal
from lcnb.plots.style import figure

PRINTED: dict[str, Any] = {"color": "#6b7280", "linestyle": "--", "marker": "o", "markerfacecolor": "white"}
BLUE, ORANGE, BLACK = "#0072b2", "#d55e00", "#111827"
"""Of Okabe and Ito; each line has a mark of its own as well."""


def thresholds(found: Mapping[str, Any], printed: Mapping[str, Any]) -> Figure:
    """Table 1: what exits, and what it costs, by threshold.

    Args:
        found: as `lcnb reproduce T1` writes it.
        printed: the paper's: rho, left_at_stage_1 and left_at_stage_2 in percent, miou in percent.
    """
    rows = {row["rho"]: row for row in found["rows"]}
    rhos = sorted({*printed["rho"], *rows}, reverse=True)
    places = {rho: place for place, rho in enumerate(rhos)}
    fig, (left, right) = figure(10.6, 3.8, 1, 2)
    at = [places[r] for r in printed["rho"]]
    first, second = printed["left_at_stage_1"], printed["left_at_stage_2"]
    left.plot(at, first, **PRINTED, label="printed: at stage 1")
    left.plot(at, [a + b for a, b in zip(first, second, strict=True)], **PRINTED | {"marker": "s"},
              label="printed: before stage 3")  # fmt: skip
    here = [places[r] for r in rows]
    exits = [row["exits_true"] for row in rows.values()]
    left.plot(here, [100 * e[0] for e in exits], color=BLACK, marker="o", label="measured: at stage 1")
    for key, colour, mark in (("cached", BLUE, "^"), ("true", ORANGE, "s")):
        before = [100 * (1 - row[f"exits_{key}"][2]) for row in rows.values()]
        left.plot(here, before, color=colour, marker=mark, label=f"{key}: before stage 3")
    left.set(ylabel="% of the cells", title="have exited", ylim=(0, 103))
    left.legend(fontsize=8.5, loc="lower left", bbox_to_anchor=(0, 1.08), ncols=2)
    right.axhline(0, color=MUTED, linewidth=1)
    start = printed["miou"][printed["rho"].index(1.0)]
    right.plot(at, [v - start for v in printed["miou"]], **PRINTED, label="printed")
    dense = rows[1.0]["miou_true"]
    for key, colour, mark in (("cached", BLUE, "^"), ("true", ORANGE, "s")):
        values = [100 * (row[f"miou_{key}"] - dense) for row in rows.values()]
        right.plot(here, values, color=colour, marker=mark, label=key)
    spans = [(places[r], row["true_minus_dense"]) for r, row in rows.items() if row["true_minus_dense"]]
    right.fill_between(
        [x for x, _ in spans], [100 * i["low"] for _, i in spans], [100 * i["high"] for _, i in spans],
        color=ORANGE, alpha=0.18, linewidth=0,
    )  # fmt: skip
    right.set(ylabel="points", title="mIoU minus that at rho = 1 (band: 95 % of the true runs)")
    right.legend(fontsize=8.5, loc="lower left", bbox_to_anchor=(0, 1.08), ncols=3)
    for axis in (left, right):
        axis.set(xlabel="rho", xticks=range(len(rhos)), xticklabels=[f"{r:g}".lstrip("0") for r in rhos])
    return fig


def gaps(found: Mapping[str, Any], printed: Mapping[str, float]) -> Figure:
    """Table 2: by how many points the layer cascade is ahead of each other row, printed and measured.

    Args:
        found: as `lcnb reproduce T2` writes it.
        printed: mIoU in percent by row.
    """
    rows = [r for r in found["rows"] if r["row"] != "lc"]
    fig, axis = figure(9.6, 1.1 + 0.55 * len(rows))
    axis.axvline(0, color=MUTED, linewidth=1)
    for place, row in enumerate(reversed(rows)):
        gap = found["differences"][f"lc - {row['row']}"]
        axis.plot([100 * gap["low"], 100 * gap["high"]], [place - 0.14] * 2, color=ORANGE, linewidth=5, alpha=0.35)
        axis.plot([100 * gap["value"]], [place - 0.14], color=ORANGE, marker="s")
        axis.annotate(f"{100 * gap['value']:+.1f}", (100 * gap["value"], place - 0.14), (0, -14),
                      textcoords="offset points", ha="center", fontsize=8.5, color=ORANGE)  # fmt: skip
        if row["row"] in printed:
            value = printed["lc"] - printed[row["row"]]
            axis.plot([value], [place + 0.16], **PRINTED)
            axis.annotate(f"{value:+.1f}", (value, place + 0.16), (8, 0), textcoords="offset points", va="center",
                          fontsize=8.5, color="#4b5563")  # fmt: skip
    axis.set(
        yticks=range(len(rows)),
        yticklabels=[r["title"].split(":")[-1].strip() for r in reversed(rows)],
        xlabel="points of mIoU by which the layer cascade is ahead",
        ylim=(-0.6, len(rows) - 0.4),
    )
    axis.set_title("hollow: printed (VOC val); squares: measured (CamVid val) with 95 % intervals", fontsize=9.5)
    axis.grid(axis="y", visible=False)
    return fig


def at_equal_cost(found: Mapping[str, Any], differences: Sequence[str]) -> Figure:
    """The experiment on cascade training: arms compared at equal multiply-adds, a mark and an interval for each seed.

    Args:
        found: as `lcnb reproduce cascade-training` writes it.
        differences: those of the comparisons to show, from top to bottom; a cost that no seed reaches has no row.
    """
    known = {
        seed["seed"]: {
            (differences.index(c["what"]), c["halo"], c["cost"]): c["interval"]
            for c in seed["comparisons"]
            if c["what"] in differences and c["unit"] == "multiply-adds" and c["interval"]
        }
        for seed in found["seeds"]
    }
    rows = sorted({row for intervals in known.values() for row in intervals})
    fig, axis = figure(9.6, 1.3 + 0.42 * len(rows))
    axis.axvspan(-1, 1, color=MUTED, alpha=0.18, linewidth=0)
    axis.axvline(0, color=MUTED, linewidth=1)
    for turn, (seed, intervals) in enumerate(known.items()):
        colour, mark = (ORANGE, BLUE, BLACK)[turn % 3], "so^"[turn % 3]
        offset = 0.22 * (turn - (len(known) - 1) / 2)
        at = {row: place + offset for place, row in enumerate(rows) if row in intervals}
        ends = [[100 * intervals[row][end] for row in at] for end in ("low", "high")]
        axis.hlines([*at.values()], *ends, color=colour, linewidth=4, alpha=0.4)
        values = [100 * intervals[row]["value"] for row in at]
        axis.plot(values, [*at.values()], color=colour, marker=mark, linestyle="", label=f"seed {seed}")
    names = [f"{differences[what]}, halo {halo}, at {cost:.0%}" for what, halo, cost in rows]
    axis.set(
        yticks=range(len(rows)),
        yticklabels=names,
        ylim=(len(rows) - 0.4, -0.6),
        xlabel="points of mIoU; the band is one point either way; 95 % intervals over the images",
    )
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    axis.grid(axis="y", visible=False)
    return fig


def stage_bars(rows: Sequence[tuple[str, Sequence[float]]], xlabel: str, notes: Sequence[str] = ()) -> Figure:
    """A bar for each row, in parts for the stages: figure 7b's times, or where cells exit.

    Args:
        rows: (name, parts of stages 1, 2, 3), from top to bottom.
        xlabel: what the parts are.
        notes: words behind the bars, one for each row.
    """
    fig, axis = figure(8.8, 0.9 + 0.42 * len(rows))
    for place, (_, times) in zip(range(len(rows))[::-1], rows, strict=True):
        begin = 0.0
        for s, time in enumerate(times):
            share = f"{time:.0%}" if xlabel.startswith("fraction") else f"{time:.2f}"
            axis.barh(place, time, left=begin, height=0.6, color=hexadecimal(STAGES[s]), edgecolor="#4b5563",
                      linewidth=0.5, label=f"stage {s + 1}" if place == 0 else None)  # fmt: skip
            if time > 0.04:
                axis.text(begin + time / 2, place, share, ha="center", va="center", fontsize=8.5,
                          color="white" if s == 2 else "black")  # fmt: skip
            begin += time
        if notes:
            axis.text(begin + 0.01, place, notes[len(rows) - 1 - place], va="center", fontsize=9)
    axis.set(yticks=range(len(rows))[::-1], yticklabels=[name for name, _ in rows], xlabel=xlabel)
    axis.grid(axis="y", visible=False)
    axis.legend(fontsize=9, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    return fig


def score_and_speed(points: Sequence[tuple[str, float, float, bool]], impossible: tuple[str, float, float]) -> Figure:
    """Table 6 and the talk: mIoU against frames per second, all printed.

    Args:
        points: (name, FPS, mIoU in percent, whether to join it to the point before).
        impossible: (name, FPS, mIoU) of the pair that no network has.
    """
    fig, axis = figure(8.8, 4.2)
    for name, fps, miou, _ in points:
        axis.plot([fps], [miou], marker="o", color=BLUE, markersize=7)
        axis.annotate(name, (fps, miou), (9, 5), textcoords="offset points", fontsize=9)
    joined = [(fps, miou) for _, fps, miou, on in points if on]
    axis.plot(*zip(*joined, strict=True), color=BLUE, linewidth=1, alpha=0.6)
    name, fps, miou = impossible
    axis.plot([fps], [miou], marker="X", color=ORANGE, markersize=11, markeredgecolor="white")
    axis.annotate(name, (fps, miou), (-10, 10), textcoords="offset points", ha="right", fontsize=9, color=ORANGE)
    axis.set(xlabel="frames per second, as printed", ylabel="mIoU on VOC test, %", xlim=(0, fps + 4.5))
    axis.margins(y=0.2)
    return fig


def work_and_speed(rows: Sequence[tuple[str, float, float | None, float | None]]) -> Figure:
    """Table 3 and the talk: speed over DeepLab-v2 against how much less work there is.

    Args:
        rows: (name, its multiply-adds below DeepLab-v2's, speed measured, speed printed); None where there is none.
    """
    fig, axis = figure(7.8, 4.8)
    top = 1.1 * max(v for row in rows for v in row[1:] if v is not None)
    axis.plot([0, top], [0, top], color=MUTED, linestyle=":", label="speed-up equals reduction in work")
    for k, (name, count, measured, printed) in enumerate(rows):
        if printed is not None:
            axis.plot([count, count], [measured or printed, printed], color=MUTED, linewidth=0.8)
            axis.plot([count], [printed], **PRINTED | {"linestyle": "none"}, label=None if k else "printed")
        if measured is not None:
            axis.plot([count], [measured], color=ORANGE, marker="s", linestyle="none")
            axis.annotate(name, (count, measured), (7, -9), textcoords="offset points", fontsize=9)
    axis.plot([], [], color=ORANGE, marker="s", linestyle="none", label="measured here, one run")
    axis.plot([], [], **PRINTED | {"linestyle": "none"}, label="printed")
    axis.set(
        xlabel="times fewer multiply-adds than DeepLab-v2",
        ylabel="times as fast as DeepLab-v2",
        xlim=(0, top),
        ylim=(0, top),
    )
    axis.legend(fontsize=9, loc="upper left")
    return fig


def verdicts(rows: Sequence[tuple[str, str]], words: Sequence[str]) -> Figure:
    """The ledger at a glance.

    Args:
        rows: (claim, verdict).
        words: all verdicts, best first; they are the columns.
    """
    fig, axis = figure(9.6, 0.8 + 0.3 * len(rows))
    marks = dict(zip(words, (("o", BLUE), ("D", "#009e73"), ("X", ORANGE), ("_", "#6b7280")), strict=True))
    for place, (_, word) in zip(range(len(rows))[::-1], rows, strict=True):
        mark, colour = marks[word]
        axis.plot([words.index(word)], [place], marker=mark, color=colour, markersize=9, markeredgewidth=2)
    axis.set(
        yticks=range(len(rows))[::-1],
        yticklabels=[name for name, _ in rows],
        xlim=(-0.5, len(words) - 0.5),
        xticks=range(len(words)),
        xticklabels=words,
        ylim=(-0.6, len(rows) - 0.4),
    )
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.spines[["left", "bottom"]].set_visible(False)
    return fig
