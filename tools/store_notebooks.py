"""Execute the notebooks on the embedded data and store them with their outputs.

    python -m tools.store_notebooks [00 05 solutions/03 ...]

All lessons and all solutions if none is named. Beside the outputs each notebook keeps digests of what they depend
on: its code, the shipped weights, the embedded data, the kept results that it names, the code that trains and draws,
and in solutions the graders. `tests/notebooks` compares them with the tree as it stands, so stale pictures do not
survive.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lcnb.lessons import EXERCISES
from lcnb.paths import written_whole
from lcnb.running import Notebook, execute, find
from lcnb.running.scrub import clean, machine_paths

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
SOLUTIONS = NOTEBOOKS / "solutions"
TIMEOUT = 300
CODE = (
    "lcnb/plots", "lcnb/widgets", "lcnb/palettes.py", "lcnb/difficulty.py", "lcnb/evaluation", "lcnb/models",
    "lcnb/training", "lcnb/reproduction", "lcnb/export", "lcnb/video",
)  # fmt: skip


def digests(content: dict[str, Any], solution: bool = False) -> dict[str, str]:
    """What a notebook's outputs depend on, by name.

    Args:
        content: the notebook's JSON.
        solution: True where exercises are answered, so that the graders matter.
    """
    code = ["".join(c["source"]) for c in content["cells"] if c["cell_type"] == "code"]
    own = {"graders": _of_files(_graders("".join(code)))} if solution else {}
    return own | {
        "code": _short("\0".join(code).encode()),
        "weights": _of_files(_weights("".join(code))),
        "data": _of_files(_data("".join(code))),
        "results": _of_files(p for p in (ROOT / "docs" / "results").glob("*.json") if f'"{p.stem}' in "".join(code)),
        "package": _of_files(p for name in CODE for p in _sources(ROOT / name)),
    }


def _weights(code: str) -> list[Path]:
    """Those of the street network, which every notebook uses, and others that are named in the code."""
    files = (ROOT / "data" / "weights").glob("*/*.safetensors")
    return [f for f in files if f.parent.name == "streets-small" or f'"{f.parent.name}"' in code]


def _data(code: str) -> list[Path]:
    """The files of `streets`, and the photographs if the code loads one."""
    folders = ["streets", *(["photos"] if "load_photo(" in code else [])]
    return [p for name in folders for p in (ROOT / "data" / name).rglob("*") if p.is_file()]


def _sources(path: Path) -> Iterable[Path]:
    return [p for e in ("py", "js", "css") for p in path.rglob(f"*.{e}")] if path.is_dir() else [path]


def _graders(code: str) -> set[Path]:
    """The modules of the exercises that are named in the code."""
    modules = {sys.modules[g.__module__] for name, g in EXERCISES.items() if f'"{name}"' in code}
    return {Path(str(m.__file__)) for m in modules}


def _of_files(files: Iterable[Path]) -> str:
    parts = sorted((str(p.relative_to(ROOT)), hashlib.sha256(p.read_bytes()).hexdigest()) for p in files)
    return _short(json.dumps(parts).encode())


def _short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def store(notebook: Notebook) -> str:
    """Execute one notebook where it lies and put its outputs into it; returns a line about it.

    Raises:
        SystemExit: it failed; the stored one stays as it was.
    """
    outcome = execute(notebook, {}, TIMEOUT)
    if outcome.failure is not None or outcome.content is None:
        raise SystemExit(f"{notebook.name} failed and is not stored: {outcome.failure}")
    content = clean(outcome.content, machine_paths(notebook.path.parent, notebook.path.parent))
    content["metadata"]["lcnb"] = {"digests": digests(content, notebook.path.parent == SOLUTIONS)}
    text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    with written_whole(notebook.path) as path:
        path.write_text(text, encoding="utf-8")
    return f"{notebook.name}: {outcome.seconds:.0f} s, {outcome.peak_mb:.0f} MB, stored in {len(text) / 1e3:.0f} kB"


def main() -> None:
    """Store the notebooks named on the command line, or all lessons and solutions."""
    os.environ.pop("LCNB_DATA", None)  # the embedded data only
    for notebook in find(sys.argv[1:] or [str(NOTEBOOKS), str(SOLUTIONS)], [NOTEBOOKS]):
        print(store(notebook), flush=True)


if __name__ == "__main__":
    main()
