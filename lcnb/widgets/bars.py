"""A bar that moves while a loop runs, and leaves nothing behind in a headless run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import ipywidgets as ipw
from IPython.display import display

Item = TypeVar("Item")
REDRAW = 0.2
"""Seconds between two movements."""


def progress(items: Iterable[Item], total: int | None, what: str) -> Iterator[Item]:
    """Hand the items on, and show how many have passed.

    Args:
        items: anything, lazily.
        total: how many there will be, or None where that is not known.
        what: they are, in the plural: "frames".
    """
    bar = ipw.IntProgress(min=0, max=total or 1, layout=ipw.Layout(width="320px"))
    text = ipw.HTML()
    display(ipw.HBox([bar, text]).add_class("lcnb-progress"))
    done, drawn = 0, 0.0
    for done, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - drawn > REDRAW:
            drawn = time.monotonic()
            bar.value = min(done, bar.max) if total else 0
            text.value = f"{done} {f'of {total} ' if total else ''}{what}"
    bar.value, text.value = bar.max, f"{done} {what}, done"
