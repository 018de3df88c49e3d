"""What the sections of a notebook take: seconds to run, and how much there is to read and to look at.

`python -m tools.classroom --alone` keeps it, and docs/teaching.md shows it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lcnb.running import execute, find

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 300
ALONE = ("00", "01", "02", "03", "04", "05")
"""What the plans on the page use; each is run once alone, for the seconds of its sections."""


def alone() -> list[dict[str, Any]]:
    """Seconds and peak memory of each notebook of the plans, run alone as `lcnb run` does."""
    rows = []
    for name in ALONE:
        (notebook,) = find([name], [ROOT / "notebooks"])
        outcome = execute(notebook, {}, TIMEOUT)
        if outcome.failure is not None or outcome.content is None:
            raise RuntimeError(f"{notebook.name} failed: {outcome.failure}")
        rows.append(
            {
                "notebook": notebook.name,
                "seconds": round(outcome.seconds, 1),
                "peak_mb": round(outcome.peak_mb),
                "sections": sections(outcome.content),
            }
        )
    return rows


def sections(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What lies below each `##` heading: seconds that its cells ran, and how much there is to read and to look at.

    Args:
        content: an executed notebook's JSON, as papermill leaves it.
    """
    found = [_section("beginning")]
    for cell in content["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for part in re.split(r"^(?=## )", text, flags=re.MULTILINE):
                if part.startswith("## "):
                    found.append(_section(part.splitlines()[0].removeprefix("## ")))
                found[-1]["words"] += len(part.split())
        else:
            found[-1]["cells"] += 1
            found[-1]["seconds"] += cell["metadata"].get("papermill", {}).get("duration") or 0.0
            found[-1]["figures"] += sum("image/" in kind for o in cell["outputs"] for kind in o.get("data", {}))
    return [part | {"seconds": round(part["seconds"], 1)} for part in found]


def _section(title: str) -> dict[str, Any]:
    return {"title": title, "seconds": 0.0, "words": 0, "cells": 0, "figures": 0}
