"""How figures look, and how they get into a notebook: small, legible, with alt text."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from IPython.display import Image, Markdown, display
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image as Pillow

from lcnb.datasets.images import encoded
from lcnb.palettes import MODES, Colour, hexadecimal

DPI = 100
RC: Any = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#6b7280",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e5e7eb",
    "legend.frameon": False,
    "figure.facecolor": "white",
}


def figure(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """A figure of this size in inches and its axes (of several, an array), in the project's style.

    It belongs to no window and no notebook hook: nothing shows it until `show` does.
    """
    with mpl.rc_context(RC):
        fig = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        axes = fig.subplots(rows, columns, **options)
    return fig, axes


def encode(fig: Figure, photo: bool) -> bytes:
    """The figure as a JPEG (photographs) or as a PNG of at most 256 colours (charts)."""
    buffer = io.BytesIO()
    with mpl.rc_context(RC):
        fig.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.08)
    image = Pillow.open(buffer).convert("RGB")
    if photo:
        return encoded(image, "JPEG", quality=88, optimize=True)
    return encoded(image.quantize(256, dither=Pillow.Dither.NONE), "PNG", optimize=True)


def show(fig: Figure | str, alt: str = "", photo: bool = False, mode: str = "") -> None:
    """Put a figure into the notebook.

    Args:
        fig: to show; a drawing is its SVG, which has its alt text as its title.
        alt: what it shows, for those who do not see it; one or two sentences.
        photo: True where it holds photographs.
        mode: words of `lcnb.palettes.MODES`, drawn as badges below the figure, such as "cached true".

    Raises:
        ValueError: the alt text is missing.
    """
    alt = fig.partition("<title>")[2].partition("</title>")[0] if isinstance(fig, str) else alt
    if len(alt.strip()) < 20:
        raise ValueError(f"a figure needs an alt text that says what it shows, got {alt!r}")
    if isinstance(fig, str):  # as HTML too: JupyterLab shows no SVG of a notebook that it does not trust yet
        source = f'src="data:image/svg+xml;base64,{base64.b64encode(fig.encode()).decode()}"'
        html = f'<img {source} alt="{escape(alt)}" class="dark-light" style="max-width: 100%">'
        display({"image/svg+xml": fig, "text/html": html}, metadata={"image/svg+xml": {"alt": alt}}, raw=True)
        return
    width, height = fig.get_size_inches()
    for place, word in enumerate(mode.split()):
        back, ink = MODES[word]
        fig.text((0.1 + 0.75 * place) / width, -0.15 / height, word, va="top", color=ink, fontsize=9, weight="bold",
                 bbox={"boxstyle": "round,pad=0.3", "facecolor": back, "edgecolor": "none"})  # fmt: skip
    data, kind = encode(fig, photo), "jpeg" if photo else "png"
    display(Image(data, format=kind, alt=alt), metadata={f"image/{kind}": {"alt": alt}})


def marked(text: str) -> str:
    """The text with a coloured badge, as HTML, for each word of `lcnb.palettes.MODES` in brackets: `[true] mIoU`."""
    for word, (back, ink) in MODES.items():
        style = f"background:{back};color:{ink};border-radius:4px;padding:1px 6px;font-size:.85em;font-weight:600"
        text = text.replace(f"[{word}]", f'<span class="lcnb-mode" style="{style}">{word}</span>')
    return text


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table.

    Args:
        head: of its columns.
        rows: as long as the head each.
        left: so many columns are set to the left, the others to the right.
    """
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *rows))


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "", left: int = 1) -> None:
    """Put a `markdown_table` into the notebook.

    Args:
        head: of its columns.
        rows: as long as the head each.
        caption: above it. It, the head and the cells may hold `[cached]` and its like for a badge.
        left: so many columns are set to the left, the others to the right.
    """
    note(f"{caption}\n\n{markdown_table(head, rows, left)}")


def note(text: str) -> None:
    """Put a sentence with numbers of this run into the notebook: Markdown, and `[true]` and its like for badges."""
    display(Markdown(marked(text)))


def legend_strip(fig: Figure, entries: Mapping[str, Colour], columns: int | None = None) -> None:
    """A row of named colours above the images, as in the paper's figure 4."""
    handles = [Patch(facecolor=hexadecimal(c), edgecolor="#9ca3af", label=name) for name, c in entries.items()]
    fig.legend(
        handles=handles,
        loc="outside upper center",
        ncols=columns or min(len(handles), 6),
        fontsize=9,
        handlelength=1.2,
        frameon=False,
    )


def panels(
    images: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str] = (),
    *,
    legend: Mapping[str, Colour] | None = None,
    row_titles: Sequence[str] = (),
    width: float = 9.6,
) -> Figure:
    """A grid of images.

    Args:
        images: rows of (H, W, 3) uint8 arrays.
        titles: above the columns.
        legend: names and colours, above all.
        row_titles: left of the rows.
        width: inches.
    """
    rows, columns = len(images), len(images[0])
    ratio = images[0][0].shape[0] / images[0][0].shape[1]
    strip = 0.26 * -(-len(legend) // 6) if legend else 0
    fig, axes = figure(width, rows * width / columns * ratio + 0.3 * bool(titles) + strip, rows, columns, squeeze=False)
    for r, row in enumerate(images):
        for c, image in enumerate(row):
            axis = axes[r, c]
            axis.imshow(image, interpolation="antialiased")
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            for spine in axis.spines.values():
                spine.set_visible(False)
            if r == 0 and c < len(titles):
                axis.set_title(titles[c], fontsize=10, loc="left")
            if c == 0 and r < len(row_titles):
                axis.set_ylabel(row_titles[r], fontsize=10)
    if legend:
        legend_strip(fig, legend)
    return fig
