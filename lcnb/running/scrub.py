"""Executed notebooks as one would store them: no paths of this machine, no times, no widget state.

Two runs of a notebook that computes the same give the same file.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from lcnb.paths import checkout

WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGET_NOTE = "Interactive: run this notebook in JupyterLab to use it."
KERNEL_FILE = re.compile(r"(?<![^\s\"'(])[^\s\"'(]*ipykernel_\d+[/\\]+\d+\.py")
"""A cell's file in warnings; its numbers change from run to run. A match begins where a word does: a search that may
begin anywhere takes quadratic time on a long line."""
EMBEDDED = re.compile(r"(;base64,[A-Za-z0-9+/=]*)")
"""A film or an image inside HTML: a match in it would be chance, and the search takes minutes."""
BEFORE = r"(\x1b\[[0-9;]*m|file://|^|[^\w.~/\\-])"
"""What may stand before a path that starts there: nothing, a colour code, or no part of a longer path."""


def clean(content: dict[str, Any], roots: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """A copy of an executed notebook without paths, times and widget state.

    Args:
        content: its JSON.
        roots: (absolute folder, what to write instead), as `machine_paths` lists them.
    """
    hide = hider(roots)
    metadata = {k: v for k, v in content["metadata"].items() if k not in ("papermill", "widgets")}
    if "language_info" in metadata:
        metadata["language_info"] = {k: v for k, v in metadata["language_info"].items() if k != "version"}
    if parameters := content["metadata"].get("papermill", {}).get("parameters"):
        metadata["papermill"] = {"parameters": parameters}
    cells = [_cell(cell, number, hide) for number, cell in enumerate(content["cells"])]
    return {**content, "metadata": walk(metadata, hide), "cells": cells}


def machine_paths(notebook_folder: Path, out: Path) -> list[tuple[str, str]]:
    """The folders of this machine that could show up, with what stands for them; longer ones first.

    The checkout and the notebook's own folder become relative, the rest gets a name.
    """
    named: dict[str, str] = {}

    def add(folder: Path | str | None, name: str) -> None:
        for form in () if folder is None else (Path(folder).absolute(), Path(folder).resolve()):
            if len(form.parts) > 1:  # "/" is in every path
                named.setdefault(str(form), name)

    root = checkout()
    add(root, ".")
    for given in os.environ.get("LCNB_DATA", "").split(os.pathsep):
        add(given or None, "$LCNB_DATA")
    inside = root is not None and notebook_folder.is_relative_to(root)
    add(None if inside else notebook_folder, ".")
    add(out, "$OUT")
    add(Path.cwd(), ".")
    add(sys.prefix, "$PREFIX")
    add(sys.base_prefix, "$PREFIX")
    add(tempfile.gettempdir(), "$TMP")
    add(Path.home(), "~")
    home = str(Path.home())  # IPython writes `~/checkout/x.py`: the same folders in that form
    pairs = [(f"~{path.removeprefix(home)}", name) for path, name in named.items() if path.startswith(home + os.sep)]
    return sorted([*named.items(), *pairs], key=lambda pair: -len(pair[0]))


def hider(roots: Sequence[tuple[str, str]]) -> Callable[[str], str]:
    """A function that writes texts without those folders: `/home/me/project/lcnb/x.py` -> `lcnb/x.py`."""
    # As Windows writes a path, as Python's repr does, and with forward slashes; all the same elsewhere.
    spellings = [(path, path.replace("\\", "\\\\"), path.replace("\\", "/")) for path, _ in roots]
    names = {form: name for forms, (_, name) in zip(spellings, roots, strict=True) for form in forms}
    alternatives = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    pattern = re.compile(rf"{BEFORE}({alternatives or '(?!)'})(?![\w-])(?:([/\\]+)(?=\w|\.\w))?", re.MULTILINE)

    def replace(match: re.Match[str]) -> str:
        before, path, separator = match.groups()
        name = names[path]
        return before + ("" if name == "." and separator else name + (separator or ""))

    def hide(text: str) -> str:
        parts = EMBEDDED.split(text)  # every second one is base64
        parts[::2] = [pattern.sub(replace, KERNEL_FILE.sub("<cell>", part)) for part in parts[::2]]
        return "".join(parts)

    return hide


def walk(value: Any, hide: Callable[[str], str]) -> Any:
    """The same structure with every text but images passed through `hide`."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, list):
        return [walk(v, hide) for v in value]
    if isinstance(value, dict):
        # base64, where a match would be chance and a change would be damage
        raw = {k for k in value if k.startswith(("image/", "video/", "audio/")) and k != "image/svg+xml"}
        return {k: v if k in raw else walk(v, hide) for k, v in value.items()}
    return value


def _cell(cell: dict[str, Any], number: int, hide: Callable[[str], str]) -> dict[str, Any]:
    metadata = {k: v for k, v in cell.get("metadata", {}).items() if k not in ("papermill", "execution")}
    done = {**cell, "metadata": walk(metadata, hide)}
    tags = metadata.get("tags", [])
    if {"injected-parameters", "papermill-error-cell-tag"} & set(tags):  # papermill's own: random ids, any value
        done["id"] = f"{tags[0]}-{number}"
        done["source"] = walk(cell["source"], hide)
    if "outputs" in cell:
        done["outputs"] = [walk(_without_widget(output), hide) for output in _joined(cell["outputs"])]
    return done


def _joined(outputs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Text that a cell printed in one go, as one output: in how many pieces it came was a matter of milliseconds.

    nbconvert and nbclient do so too, but with a regular expression of quadratic time on a long line.
    """
    joined: list[dict[str, Any]] = []
    for (kind, _), group in groupby(outputs, key=lambda o: (o.get("output_type"), o.get("name"))):
        first, *more = group
        if kind == "stream" and more:
            text = "".join(part for output in (first, *more) for part in output["text"])
            first, more = {**first, "text": text.splitlines(keepends=True)}, []
        joined += [first, *more]
    return joined


def _without_widget(output: dict[str, Any]) -> dict[str, Any]:
    """A widget needs its kernel: leave the page it brings along, or a sentence, instead of a reference to nothing."""
    data = output.get("data", {})
    if WIDGET not in data:
        return output
    html = data.get("text/html", f'<p class="lcnb-note"><em>{WIDGET_NOTE}</em></p>')
    return {**output, "data": {"text/plain": WIDGET_NOTE, "text/html": html}}
