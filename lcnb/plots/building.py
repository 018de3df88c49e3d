"""Figures of what a network is made of, and the drawing of a cascade.

Shape letter: S stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from matplotlib.figure import Figure

from lcnb.palettes import MUTED, STAGES, hexadecimal, stage_colours
from lcnb.plots.style import figure

SVG = """
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">
<title>{title}</title>
<style>
text {{ font: 13px system-ui, sans-serif; text-anchor: middle; fill: #1c2430; }}
.page {{ fill: #fff; }} .card {{ fill: #f6f7f9; stroke: #6b7280; }} .part {{ fill: #fff; stroke: #9ca3af; }}
.flow {{ fill: #6b7280; }} .exit {{ stroke: #4b5563; }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e8ebf0; }} .page {{ fill: #14181e; }} .card {{ fill: #1d232b; stroke: #a2abba; }}
.part {{ fill: #2a323d; stroke: #6b7280; }} .flow {{ fill: #a2abba; }} .exit {{ stroke: #e8ebf0; }}
}}
</style>
<rect class="page" width="{width}" height="{height}"/>
{body}
</svg>
"""


def cascade_drawing(exits: Sequence[float], blocks: Sequence[Sequence[str]] = ()) -> str:
    """Image, stages and exits as a drawing for light and dark pages; arrows are as thick as the fraction of the cells.

    Args:
        exits: fraction of the cells that exits at each of S stages; they add up to 1.
        blocks: the names of each stage's parts, from input to output; none for a drawing of any network.

    Returns:
        SVG, with its description as its title.
    """
    parts = blocks or [("convolutions",)] * len(exits)
    wide, gap, left, top = 158, 72, 96, 14
    bottom = top + 40 + 30 * max(map(len, parts))  # of the stages
    middle, floor = (top + bottom) / 2, bottom + 116
    reached = [1.0, *(1 - sum(exits[: s + 1]) for s in range(len(exits) - 1))]
    starts = [left + gap + s * (wide + gap) for s in range(len(exits))]
    title = f"A cascade: an image passes {len(exits)} stages. " + "; ".join(
        f"Stage {s + 1} computes {100 * reached[s]:.3g} % of the cells, {100 * exits[s]:.3g} % exit there"
        for s in range(len(exits))
    )
    body = [
        _box(14, middle - 32, left - 14, 64, "card", "image"),
        _box(starts[0], floor, starts[-1] + wide - starts[0], 30, "card", "labels: every cell has exactly one"),
    ]
    for s, (x, colour) in enumerate(zip(starts, stage_colours(len(exits)), strict=True)):
        fill = f'class="exit" fill="{hexadecimal(colour)}"'
        rule = "score > ρ?" if s + 1 < len(exits) else "takes the rest"
        body += [
            _arrow(x - gap, x, middle, reached[s], 'class="flow"'),
            _text(x - gap / 2, middle - 20, f"{100 * reached[s]:.3g} %"),
            _text(x - gap / 2, middle + 28, "continue" if s else "enter"),
            _arrow(bottom + 46, floor, -x - wide / 2, exits[s], f'{fill} transform="rotate(90)"'),
            _text(x + wide / 2 + 54, bottom + 84, f"{100 * exits[s]:.3g} % exit"),
            _box(x, top, wide, bottom - top, "card"),
            f'<rect x="{x}" y="{top}" width="{wide}" height="8" {fill}/>',
            _text(x + wide / 2, top + 27, f"stage {s + 1}"),
            *(_box(x + 10, top + 37 + 30 * k, wide - 20, 25, "part", name) for k, name in enumerate(parts[s])),
            _box(x, bottom + 14, wide, 32, "part", f"head {s + 1}: {rule}"),
        ]
    return SVG.format(width=starts[-1] + wide + 14, height=floor + 44, title=title, body="\n".join(body)).lstrip()


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:g}" y="{y:g}">{escape(text)}</text>'


def _box(x: float, y: float, width: float, height: float, kind: str, text: str = "") -> str:
    box = f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5"/>'
    return box + (_text(x + width / 2, y + height / 2 + 5, text) if text else "")


def _arrow(start: float, end: float, y: float, fraction: float, look: str) -> str:
    """To the right, with a shaft as thick as the fraction; nothing where no cell goes."""
    half, neck = 1 + 9 * fraction, end - 11
    points = [(start, half), (neck, half), (neck, half + 5), (end, 0), (neck, -half - 5), (neck, -half), (start, -half)]
    path = " ".join(f"{px:g},{y + py:g}" for px, py in points)
    return f'<polygon points="{path}" {look}/>' if fraction > 0 else ""


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
    for axis, values, title in zip(axes, (parameters, gmacs), ("million parameters", "GMAC"), strict=True):
        axis.barh(places, values, color=colours, edgecolor="#4b5563", linewidth=0.5)
        for place, value in zip(places, values, strict=True):
            axis.annotate(
                f"{value:.1f}  ({value / sum(values):.0%})",
                (value, place),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
            )
        axis.set(title=f"{title}, {sum(values):.1f} in all", xlim=(0, 1.3 * max(values)))
        axis.grid(axis="y", visible=False)
    axes[0].set(yticks=places, yticklabels=names)
    return fig


def cost_plane(first: Sequence[float], rows: Sequence[tuple[str, Sequence[float]]], dense: float) -> Figure:
    """Multiply-adds of an image, against the fraction of cells that exits at stage 1.

    Args:
        first: fractions that exit at stage 1.
        rows: (name, GMAC at each fraction), from expensive to cheap.
        dense: GMAC of the plain network.
    """
    fig, axis = figure(6.6, 3.5)
    axis.axhline(dense, color=MUTED, linewidth=1)
    axis.text(0.99, dense, "plain network", ha="right", va="bottom", fontsize=8.5, color="#4b5563")
    lines = ("#4b9cd3", hexadecimal(STAGES[1]), hexadecimal(STAGES[2]))
    for (name, values), colour, style in zip(rows, lines, ("-", "--", "-."), strict=False):
        axis.plot(first, values, color=colour, linestyle=style, linewidth=2, label=name)
    axis.set(xlim=(0, 1), ylim=(0, None), xlabel="fraction of the cells that exit at stage 1", ylabel="GMAC per image")
    axis.legend(loc="lower left", fontsize=9)
    return fig
