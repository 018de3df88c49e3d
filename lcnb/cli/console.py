"""What a command prints: tables of text, results, and a line that is rewritten while something runs."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from lcnb.errors import printable
from lcnb.paths import write_json

REDRAW = 0.1
"""Seconds between two drawings of the live line."""


class Live:
    """One line on standard error that is rewritten; nothing at all where that is no terminal.

    Example:
        with Live() as live:
            live.progress("image", 3, 50)
    """

    def __init__(self) -> None:
        self.on = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self.drawn = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, text: str) -> None:
        """Replace the line, at most ten times per second."""
        if self.on and time.monotonic() - self.drawn > REDRAW:
            self.clear()
            sys.stderr.write(text[: shutil.get_terminal_size().columns - 1])
            sys.stderr.flush()
            self.drawn = time.monotonic()

    def progress(self, what: str, done: int, total: int | None, before: str = "", after: str = "") -> None:
        """Show how many of something are done."""
        many = f"{bar(done, total)} {what} {done} of {total}" if total else f"{what} {done}"
        self.show(f"{before}{many}{after}")

    def clear(self) -> None:
        """Remove the line."""
        if self.on:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)


def publish(text: str, result: Any, path: Path | None) -> None:
    """Print a result as text and, where `--json` names a file, write it."""
    print(text)
    if path is not None:
        write_json(path, result)
        print(f"\nwritten to {path}")


def bar(done: int, total: int, width: int = 20) -> str:
    """`[#####...............]`."""
    full = width * done // max(1, total)
    return f"[{'#' * full}{'.' * (width - full)}]"


def table(rows: Sequence[Sequence[object]], right: Sequence[int] = (), head: bool = True) -> str:
    """Rows of cells as aligned text.

    Args:
        rows: all of one length.
        right: numbers of the columns that are aligned to the right.
        head: whether the first row is a head, to be underlined.
    """
    texts = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    signs = [">" if i in right else "<" for i in range(len(widths))]
    lines = ["  ".join(f"{c:{s}{w}}" for c, s, w in zip(row, signs, widths, strict=True)) for row in texts]
    if head:
        lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(line.rstrip() for line in lines)


def number(value: float | None, digits: int = 3) -> str:
    """A number with a fixed count of digits; "-" where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def percent(fraction: float | None) -> str:
    """0.4123 -> "41.2 %"."""
    return "-" if fraction is None else f"{100 * fraction:.1f} %"


def percents(fractions: Iterable[float | None]) -> str:
    """(0.4, 0.6) -> "40.0 % / 60.0 %"."""
    return " / ".join(map(percent, fractions))


def each(value: Any) -> str:
    """0.5 -> "0.5"; (0.5, 0.8) -> "0.5 / 0.8"."""
    return " / ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def stage_numbers(exits: Sequence[Any]) -> str:
    """ "1 / 2 / 3" for three stages."""
    return each(list(range(1, len(exits) + 1)))
