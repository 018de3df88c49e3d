"""Execute the notebooks on the embedded data and store them with their outputs.

    python -m tools.store_notebooks [00 05 solutions/03 ...]

All lessons and all solutions if none is named. Beside the outputs each notebook keeps digests of what decides them:

- code: its cells, without the one that installs the package;
- weights, data: the folders of `data/weights` and `data` that it names (a `{dataset}` in braces stands for the default
  of its parameter; `load_photo` names `photos`), so that new weights or data make no other notebook stale;
- results: the files of `docs/results` that it names, and those of the ledger's claims where it shows the ledger;
- figures: the modules that draw or print what it shows (`SHOWS`), of these only the ones that its cells use, and what
  these import of their kind;
- graders: in solutions, those of its exercises.

`tests/notebooks` compares them with the tree as it stands. Code that computes (regions, models, training, evaluation)
is not covered: its own tests hold its results. After a change that alters results on purpose, store the notebooks that
show them; before a release, store all.

    python -m tools.store_notebooks --digests [00 05 ...]

recomputes the digests and executes nothing, for a change that is known to leave the outputs as they are.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lcnb import plots, video, widgets  # noqa: F401 - whatever cells name must be imported
from lcnb.datasets import names
from lcnb.lessons import EXERCISES
from lcnb.paths import written_whole
from lcnb.reproduction import ledger
from lcnb.running import Notebook, execute, find
from lcnb.running.scrub import clean, machine_paths

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
SOLUTIONS = NOTEBOOKS / "solutions"
TIMEOUT = 300
SHOWS = (
    "lcnb.plots", "lcnb.widgets", "lcnb.export", "lcnb.palettes", "lcnb.video.drawing", "lcnb.reproduction.ledger",
    "lcnb.reproduction.judges", "lcnb.reproduction.paper",
)  # fmt: skip
"""What draws, and what says what is printed."""
BY_NAME = ("lcnb.plots", "lcnb.widgets", "lcnb.video")
"""Packages whose contents a cell names one by one, as in `plots.show`."""


def digests(content: dict[str, Any], solution: bool = False) -> dict[str, str]:
    """What decides a notebook's outputs, by name.

    Args:
        content: the notebook's JSON.
        solution: True where exercises are answered, so that the graders matter.
    """
    cells = [c for c in content["cells"] if c["cell_type"] == "code"]
    cells = [c for c in cells if "bootstrap" not in c["metadata"].get("tags", [])]
    parts = ["".join(c["source"]) for c in cells]
    code = "\n".join(parts)
    graders = _graders(code) if solution else {}
    named = _named("\n".join([code, *(path.read_text(encoding="utf-8") for path in graders.values())]))
    own = {"graders": _of(graders)} if solution else {}
    return own | {
        "code": _short("\0".join(parts).encode()),
        "weights": _of(
            _files(p for p in (ROOT / "data" / "weights").glob("*/*.safetensors") if p.parent.name in named)
        ),
        "data": _of(_files(p for name in _data() & named for p in _content(ROOT / "data" / name))),
        "results": _of(_files(p for p in (ROOT / "docs" / "results").glob("*.json") if _shown(p.stem, code))),
        "figures": _of(figure_code(code)),
    }


def _named(code: str) -> set[str]:
    """Everything quoted in the code, with the default of the parameter `dataset` for each `{name}`; `load_photo` counts
    as the folder that it reads."""
    default = re.search(r'^dataset: str = "(\w+)"', code, re.MULTILINE)
    quoted = set(re.findall(r'"([\w.-]+)"', re.sub(r"\{\w+\}", default[1], code) if default else code))
    return quoted | ({"photos"} if "load_photo(" in code else set())


def _data() -> set[str]:
    """The folders of embedded data. Data sets of others, which may lie there too, are never in stored outputs."""
    others = {"weights", *names()} - {"streets"}
    return {p.name for p in (ROOT / "data").iterdir() if p.is_dir()} - others


def _content(folder: Path) -> list[Path]:
    """The files of a data set, without the program that made them."""
    return [p for p in folder.rglob("*") if p.is_file() and "renderer" not in p.relative_to(folder).parts]


def _shown(result: str, code: str) -> bool:
    """Whether a kept result is named, or judged by the ledger that is shown."""
    judged = {name for claim in ledger.CLAIMS for name in claim.results} if re.search(r"\bledger\.", code) else set()
    begun = tuple(re.findall(r'"([\w.-]+)" \+', code))  # "T1-camvid-small" + ending
    return f'"{result}"' in code or result in judged or result.startswith(begun)


def figure_code(code: str) -> dict[str, Path]:
    """The modules of `SHOWS` that some code uses, with what these use, and the scripts and styles beside them."""
    todo = _imported(code)
    for package in BY_NAME:
        for name in re.findall(rf"\b{package.split('.')[-1]}\.(\w+)", code):
            todo.add(getattr(getattr(sys.modules[package], name, None), "__module__", ""))
    found: dict[str, Path] = {}
    while todo:
        module = todo.pop()
        if module in found or module in BY_NAME or not module.startswith(SHOWS):
            continue
        spec = find_spec(module)
        if spec is not None and spec.origin is not None:
            found[module] = Path(spec.origin)
            todo |= _imported(found[module].read_text(encoding="utf-8"))
    beside = {f"{m}{end}": p.with_suffix(end) for m, p in found.items() for end in (".js", ".css")}
    return found | {name: path for name, path in beside.items() if path.exists()}


def _imported(code: str) -> set[str]:
    """The modules that `from ... import` names, with those that could be modules themselves."""
    froms = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    found = {str(node.module) for node in froms} | {f"{n.module}.{alias.name}" for n in froms for alias in n.names}
    return {name for name in found if name in sys.modules}


def _graders(code: str) -> dict[str, Path]:
    """The modules of the exercises that are named in the code."""
    modules = {g.__module__ for name, g in EXERCISES.items() if f'"{name}"' in code}
    return {name: Path(str(sys.modules[name].__file__)) for name in modules}


def _files(paths: Iterable[Path]) -> dict[str, Path]:
    return {str(p.relative_to(ROOT)): p for p in paths}


def _of(files: Mapping[str, Path]) -> str:
    return _short(
        json.dumps(sorted((n, hashlib.sha256(p.read_bytes()).hexdigest()) for n, p in files.items())).encode()
    )


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
    size = write(notebook.path, content)
    return f"{notebook.name}: {outcome.seconds:.0f} s, {outcome.peak_mb:.0f} MB, stored in {size / 1e3:.0f} kB"


def write(path: Path, content: dict[str, Any]) -> int:
    """Write a notebook with its digests; returns its length."""
    content["metadata"]["lcnb"] = {"digests": digests(content, path.parent == SOLUTIONS)}
    text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return len(text)


def main() -> None:
    """Store the notebooks named on the command line, or all lessons and solutions."""
    os.environ.pop("LCNB_DATA", None)  # the embedded data only
    given = [name for name in sys.argv[1:] if name != "--digests"]
    for notebook in find(given or [str(NOTEBOOKS), str(SOLUTIONS)], [NOTEBOOKS]):
        if "--digests" in sys.argv:
            write(notebook.path, json.loads(notebook.path.read_text(encoding="utf-8")))
        else:
            print(store(notebook), flush=True)


if __name__ == "__main__":
    main()
