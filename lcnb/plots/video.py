"""Figures of a film: what frames cost and where their cells exit, over time, and the film itself.

Shape letters: T frames, S stages.
"""

from __future__ import annotations

import base64
import html
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from IPython.display import HTML, display
from matplotlib.figure import Figure

from lcnb.palettes import ACCENT, STAGES, hexadecimal, stage_colours
from lcnb.plots.style import figure

SIDES = {"dense": "#6b7280", "cascade": ACCENT}
LINES = ("#111827", hexadecimal(STAGES[2]), hexadecimal(STAGES[1]))
"""For names that `SIDES` does not know."""
EMBEDDED = 1_500_000
"""Bytes up to which a film is put into the notebook itself."""


def frame_times(milliseconds: Mapping[str, Sequence[float]]) -> Figure:
    """Time of every frame, with the median of each network as a dashed line.

    Args:
        milliseconds: T values each, by name; the names of `SIDES` get their colours.
    """
    fig, axis = figure(9.6, 3.2)
    for place, (name, values) in enumerate(milliseconds.items()):
        colour = SIDES.get(name, LINES[place % len(LINES)])
        middle = statistics.median(values)
        label = f"{name}: median {middle:.0f} ms, {1000 / middle:.1f} FPS"
        axis.plot(
            range(len(values)), values, color=colour, linewidth=1.4, marker="os"[place % 2], markersize=3, label=label
        )
        axis.axhline(middle, color=colour, linewidth=1.2, linestyle="--")
    axis.set(xlabel="frame", ylabel="milliseconds", ylim=(0, None), xlim=(0, None))
    fig.legend(loc="outside upper left", ncols=2, fontsize=9.5, frameon=False)
    return fig


def exits_over_frames(exits: Sequence[Sequence[float]]) -> Figure:
    """Fraction of the cells that exited at each stage, stacked, frame by frame.

    Args:
        exits: (T, S), rows sum to 1.
    """
    stages = len(exits[0])
    fig, axis = figure(9.6, 2.9)
    colours = [hexadecimal(c) for c in stage_colours(stages)]
    columns = [[100 * row[s] for row in exits] for s in range(stages)]
    labels = [f"exit at stage {s + 1}" for s in range(stages)]
    axis.stackplot(range(len(exits)), columns, colors=colours, labels=labels, edgecolor="white", linewidth=0.4)
    axis.set(xlabel="frame", ylabel="% of the cells", ylim=(0, 100), xlim=(0, max(1, len(exits) - 1)))
    fig.legend(loc="outside upper left", ncols=stages, fontsize=9.5, frameon=False, handlelength=1.2)
    return fig


def shares_over_frames(shares: Mapping[str, Sequence[float]], ylabel: str) -> Figure:
    """Fractions over time, a line each, as percentages.

    Args:
        shares: T values in [0, 1] each, by name.
        ylabel: what they are fractions of.
    """
    fig, axis = figure(9.6, 2.9)
    for place, (name, values) in enumerate(shares.items()):
        colour, style = SIDES.get(name, LINES[place % len(LINES)]), ("-", "--")[place % 2]
        label = f"{name}: median {statistics.median(values):.1%}"
        axis.plot(range(1, len(values) + 1), [100 * v for v in values], color=colour, linestyle=style, label=label)
    axis.set(xlabel="frame", ylabel=ylabel, ylim=(0, None), xlim=(0, None))
    fig.legend(loc="outside upper left", ncols=len(shares), fontsize=9.5, frameon=False)
    return fig


def printed_and_measured(rows: Sequence[tuple[str, float | None, float | None]]) -> Figure:
    """Speed-ups as bars: what is printed, and what was measured here for the same pair.

    Args:
        rows: (pair of networks, printed ratio, measured ratio) from top to bottom; None where there is none.
    """
    fig, axis = figure(9.6, 0.9 + 0.62 * len(rows))
    places = range(len(rows))[::-1]
    for place, (_, printed, measured) in zip(places, rows, strict=True):
        for value, offset, colour in ((printed, 0.19, "#d1d5db"), (measured, -0.19, ACCENT)):
            if value is None:
                axis.text(0.04, place + offset, "none", va="center", fontsize=9, color="#4b5563")
                continue
            axis.barh(place + offset, value, height=0.34, color=colour, edgecolor="#4b5563", linewidth=0.5)
            axis.text(value + 0.04, place + offset, f"{value:.2f}", va="center", fontsize=9)
    axis.axvline(1, color="#6b7280", linewidth=1)
    axis.set(yticks=list(places), yticklabels=[name for name, _, _ in rows], xlabel="times as fast", xlim=(0, None))
    axis.set_title("grey: printed; blue: measured here", fontsize=10)
    axis.grid(axis="y", visible=False)
    axis.margins(x=0.1)
    return fig


def show_film(path: str | Path, alt: str, limit: int = EMBEDDED) -> None:
    """Put a film into the notebook, to be played there; one too large is only named.

    Args:
        path: of an mp4.
        alt: what it shows, for those who do not see it.
        limit: bytes above which it stays on disk.

    Raises:
        ValueError: the alt text is missing.
    """
    if len(alt.strip()) < 20:
        raise ValueError(f"a film needs an alt text that says what it shows, got {alt!r}")
    data = Path(path).read_bytes()
    if len(data) > limit:
        print(
            f"{Path(path).name} has {len(data) / 1e6:.1f} MB, too many to put into a notebook: open it from its folder"
        )
        return
    source = f"data:video/mp4;base64,{base64.b64encode(data).decode()}"
    display(HTML(f'<video class="lcnb-film" controls loop muted playsinline style="max-width: 100%" '
                 f'aria-label="{html.escape(alt)}" src="{source}"></video>'))  # fmt: skip
