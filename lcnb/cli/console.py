"""What a person sees: tables of text, and a line that is rewritten while something runs."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from lcnb.errors import printable

REDRAW = 0.1
"""Seconds between two drawings of the live line."""


class Live:
    """One line on standard error that is rewritten; nothing at all where that is no terminal.

    Example:
        with Live() as live:
            live.show("image 3 of 50")
    """

    def __init__(self) -> None:
        self.on = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self.drawn = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.clear()

    def show(self, text: str) -> None:
        """Replace the line, at most ten times a second."""
        if self.on and time.monotonic() - self.drawn > REDRAW:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{text[:width]}")
            sys.stderr.flush()
            self.drawn = time.monotonic()

    def clear(self) -> None:
        """Remove the line."""
        if self.on:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def bar(done: int, total: int, width: int = 20) -> str:
    """`[#####...............]`."""
    full = width * done // max(1, total)
    return f"[{'#' * full}{'.' * (width - full)}]"


def table(rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> str:
    """Rows of cells as aligned text.

    Args:
        rows: the first is the head; all of one length.
        right: numbers of the columns that are aligned to the right.
    """
    texts = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    signs = [">" if i in right else "<" for i in range(len(widths))]
    lines = ["  ".join(f"{c:{s}{w}}" for c, s, w in zip(row, signs, widths, strict=True)) for row in texts]
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(line.rstrip() for line in lines)


def number(value: float | None, digits: int = 3) -> str:
    """A number with a fixed count of digits; "-" where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def percent(share: float | None) -> str:
    """0.4123 -> "41.2 %"."""
    return "-" if share is None else f"{100 * share:.1f} %"
