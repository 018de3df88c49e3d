"""Write docs/notebooks.md, what each notebook takes and holds, and the row of each notebook's head about its time.

    lcnb run --out build/notebooks                          # an idle machine, the embedded data
    lcnb run --dataset camvid --out build/camvid            # where LCNB_DATA has it
    python -m tools.notebook_table build/notebooks/run.json build/camvid/run.json
    python -m tools.pages notebook_table                    # the page again, from what is kept

Seconds and memory come from the records of such runs and are kept in docs/results/notebooks.json; everything else is
counted in the stored notebooks, the exercises and the browser tests as they are now.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any

from lcnb.lessons import EXERCISES
from lcnb.paths import write_json
from lcnb.reproduction import stored
from tools.pages import filled, table

ROOT = Path(__file__).resolve().parents[1]
KEPT, PAGE = ROOT / "docs" / "results" / "notebooks.json", ROOT / "docs" / "notebooks.md"
DATASETS = ("streets", "camvid")
HEAD = (
    "notebook", "s, streets", "s, CamVid", "peak MB", "its own MB", "code cells", "median lines", "figures",
    "with alt text", "exercises", "browser test",
)  # fmt: skip


def lessons() -> list[Path]:
    """The lessons, in order."""
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def counted(path: Path) -> dict[str, Any]:
    """What a stored notebook holds: cells, median (lines of a code cell), figures, alt (those with a text)."""
    cells = [c for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    pictures = [
        output["metadata"].get(kind, {})
        for cell in cells
        for output in cell["outputs"]
        for kind in output.get("data", {})
        if kind.startswith("image/")
    ]
    return {
        "cells": len(cells),
        "median": statistics.median(len("".join(c["source"]).splitlines()) for c in cells),
        "figures": len(pictures),
        "alt": sum(bool(p.get("alt")) for p in pictures),
        "exercises": sum(name.startswith(path.stem[:2]) for name in EXERCISES),
        "browser": browser_tests(path.stem),
    }


def browser_tests(name: str) -> list[str]:
    """Files of browser tests that open this notebook in JupyterLab."""
    files = sorted((ROOT / "tests" / "browser").glob("test_*.py"))
    return [f.name for f in files if f'"{name}"' in f.read_text(encoding="utf-8")]


def pages() -> dict[Path, str]:
    """The page, and the lessons with their heads."""
    kept = stored(KEPT)
    found, machine = kept["notebooks"], kept["machine"]
    rows = [_row(path, found.get(path.stem, {})) for path in lessons()]
    total = {d: sum(runs[d]["seconds"] for runs in found.values() if d in runs) for d in DATASETS}
    text = filled(
        PAGE,
        table=table(HEAD, rows), streets=f"{total['streets']:.0f}", camvid=f"{total['camvid']:.0f}",
        machine=f"{machine['cores']} cores of an {machine['cpu']}, {machine['date']}",
    )  # fmt: skip
    return {PAGE: text, **{path: headed(path, found[path.stem]) for path in lessons() if path.stem in found}}


def _row(path: Path, runs: dict[str, Any]) -> tuple[str, ...]:
    here = counted(path)
    seconds = [f"{runs[d]['seconds']:.0f}" if d in runs else "-" for d in DATASETS]
    memory = [str(max((r[key] for r in runs.values()), default="-")) for key in ("peak_mb", "private_mb")]
    return (
        f"[{path.stem}](../notebooks/{path.name})", *seconds, *memory, str(here["cells"]), f"{here['median']:g}",
        str(here["figures"]), str(here["alt"]), str(here["exercises"]),
        ", ".join(here["browser"]) or "-",
    )  # fmt: skip


def takes(row: str, runs: dict[str, Any]) -> str:
    """The head's row `Takes` with the seconds that were measured on the embedded data.

    Args:
        row: as it is; what stands before its first semicolon, the time to read, is kept.
        runs: by data set.
    """
    read, run = row.split(";")[0].rstrip(" |"), runs[DATASETS[0]]
    where = f"on two CPU cores ({run['date']}, [measured](../docs/notebooks.md)); not measured on a GPU"
    return f"{read}; {run['seconds']:.0f} s to run {where} |"


def headed(path: Path, runs: dict[str, Any]) -> str:
    """A notebook's text with that row in its first cell."""
    text = path.read_text(encoding="utf-8")
    (row,) = re.findall(r"\| \*\*Takes\*\* \| [^\n\\]* \|", text)
    return text.replace(row, takes(row, runs))


def keep(records: list[Path]) -> None:
    """Take seconds and memory over from records of `lcnb run`.

    Raises:
        SystemExit: a record has a notebook that failed.
    """
    found: dict[str, dict[str, Any]] = {}
    machine: dict[str, Any] = {}
    for record in records:
        content = json.loads(record.read_text(encoding="utf-8"))
        machine = content["machine"]
        for entry in content["notebooks"]:
            if not entry["ok"]:
                raise SystemExit(f"{record}: {entry['name']} failed ({entry['error']}); nothing was kept")
            dataset = entry["parameters"]["dataset"]
            runs = found.setdefault(entry["name"], {})
            runs[dataset] = {key: entry[key] for key in ("seconds", "peak_mb", "private_mb", "date")}
    content = {"machine": machine, "command": "lcnb run --profile quick --dataset DATASET", "notebooks": found}
    write_json(KEPT, content)


if __name__ == "__main__":
    keep([Path(a) for a in sys.argv[1:]])
