"""`python -m tools.load`: measure, keep, draw."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lcnb.machine import machine, version
from lcnb.paths import write_json, written_whole
from tools.load import figure, kernels, running, sliders
from tools.load.samples import ALLOWED_MB, RULE

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "docs" / "results" / "load.json"
FIGURE = ROOT / "docs" / "images" / "load.png"
SCHEMA = "lcnb-load-1"
LOADS: dict[str, Callable[[], dict[str, Any]]] = {
    "kernels-in-sequence": kernels.in_sequence,
    "kernels-at-once": kernels.at_once,
    "slider": sliders.dragged,
    "callbacks": running.callbacks,
    "film": running.film,
    "player": running.player,
    "runs": running.true_runs,
}


def main(arguments: list[str] | None = None) -> int:
    """0 if every load did what it should and stayed flat."""
    parser = argparse.ArgumentParser(prog="python -m tools.load", description="Memory under load.")
    parser.add_argument("loads", nargs="*", metavar="LOAD", help=f"of {', '.join(LOADS)} (default: all)")
    parser.add_argument("--to", type=Path, default=TARGET, metavar="FILE", help="(default: docs/results/load.json)")
    parser.add_argument("--draw", action="store_true", help="only draw the figure of what is kept")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.loads if name not in LOADS]:
        parser.error(f"there is no load {unknown[0]!r}; there are {', '.join(LOADS)}")
    wanted = given.loads or list(LOADS)
    if given.draw:
        _draw(given.to)
        return 0
    if len(wanted) > 1:  # each in a process of its own: what one leaves behind is not the next one's
        ended = [
            subprocess.run([sys.executable, "-m", "tools.load", n, "--to", str(given.to)], check=False).returncode
            for n in wanted
        ]
        return max(ended)
    found = LOADS[wanted[0]]()
    keep(given.to, wanted[0], found)
    if given.to == TARGET:
        _draw(given.to)
    verdict = figure.caption(found) + ("" if found["ok"] else "; it FAILED")
    print(f"{wanted[0]}: {verdict}", flush=True)
    return 0 if found["ok"] and found["flat"] else 1


def keep(path: Path, name: str, found: Mapping[str, Any]) -> None:
    """Put a load into the document."""
    kept = json.loads(path.read_text(encoding="utf-8"))["loads"] if path.is_file() else {}
    kept[name] = {**found, "command": f"python -m tools.load {name}", "machine": {**machine(), **_versions()}}
    document = {
        "schema": SCHEMA, "command": "python -m tools.load", "rule": RULE, "allowed_mb": ALLOWED_MB,
        "loads": {name: kept[name] for name in LOADS if name in kept},
    }  # fmt: skip
    write_json(path, document)


def _versions() -> dict[str, str | None]:
    return {name: version(name) for name in ("jupyterlab", "ipykernel", "ipywidgets", "av")}


def _draw(path: Path) -> None:
    loads = json.loads(path.read_text(encoding="utf-8"))["loads"]
    with written_whole(FIGURE) as temporary:
        temporary.write_bytes(figure.draw(loads))


if __name__ == "__main__":
    sys.exit(main())
