"""The rules of docs/architecture.md that a program can check: rings, circles, one-caller files, size, words."""

import ast
import json
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RINGS = (
    ("regions", "models", "datasets", "training", "evaluation"),
    ("reproduction", "benchmark"),
    ("lessons", "plots", "widgets", "export", "video", "running", "cli"),
)
"""The helper package; what claims rest on; what readers and students touch. Imports never go down this list."""
SIZES = {"lcnb": (13_712, 176), "tests": (13_429, 208), "tools": (1_225, 15)}
"""Statements and files: a ratchet. Lower a number when the code has shrunk; a feature that raises one says so in its
commit. The goals are 8,500 in 125, 9,000, and 800."""
ONE_IMPORTER = 10
"""Files with one importer, facades and verbs aside; tools and notebooks import too. A ratchet (goal: 10)."""


def _modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted((ROOT / "lcnb").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = _modules()


def _imported(tree: ast.Module) -> Iterator[str]:
    """Modules of the package that a file imports, at its top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else str(node.module)


IMPORTS = {
    name: {m for m in _imported(tree) if m in MODULES and m not in (name, "lcnb")} for name, tree in MODULES.items()
}


def _code(path: Path) -> str:
    if path.suffix == ".py":
        return path.read_text(encoding="utf-8")
    cells = [c for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    return "\n".join("".join(c["source"]) for c in cells)


OUTSIDE = {
    name
    for path in (*ROOT.glob("tools/*.py"), ROOT / "docs" / "conf.py", *ROOT.glob("notebooks/*.ipynb"))
    for name in _imported(ast.parse(_code(path)))
}
"""What tools, the site and the lessons import."""


def _ring(name: str) -> int:
    """Files at the top belong to the helper package, but for the two that open everything."""
    if name in ("lcnb", "lcnb.__main__"):
        return len(RINGS)
    return next((i for i, ring in enumerate(RINGS) if name.split(".")[1] in ring), 0)


def test_every_package_is_in_a_ring():
    packages = {p.parent.name for p in (ROOT / "lcnb").glob("*/__init__.py")}
    assert packages == {name for ring in RINGS for name in ring}


def test_no_import_goes_against_the_rings():
    assert [(a, b) for a, found in IMPORTS.items() for b in found if _ring(b) > _ring(a)] == []


def test_there_are_no_circles():
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(f"files import each other: {' <- '.join(error.args[1])}")


def test_few_files_have_one_importer():
    importers = {name: [a for a, found in IMPORTS.items() if name in found] for name in MODULES}
    facades = {name for name in MODULES if (ROOT / name.replace(".", "/") / "__init__.py").is_file()}
    single = [n for n, found in importers.items() if len(found) == 1 and n not in facades and found[0] not in facades]
    single = [n for n in single if not n.startswith("lcnb.cli.") and n not in OUTSIDE]  # verbs are entry points
    assert len(single) <= ONE_IMPORTER, single


@pytest.mark.parametrize("folder", SIZES)
def test_sizes_only_go_down(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    statements = sum(isinstance(n, ast.stmt) and not _is_text(n) for tree in trees for n in ast.walk(tree))
    most, most_files = SIZES[folder]
    assert statements <= most
    assert len(files) <= most_files
    assert statements > most - 100, f"{folder} has shrunk to {statements}: lower the ratchet"


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def test_the_words_of_the_field():
    """Image, faster, no cell: what `docs/architecture.md` asks of code, messages and docstrings."""
    words = re.compile(r"picture|sooner|nobody|somebody|whoever", re.IGNORECASE)
    lines = (
        f"{path.relative_to(ROOT)}:{i}: {line.strip()}"
        for path in sorted((ROOT / "lcnb").rglob("*.py"))
        for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    )
    assert [line for line in lines if words.search(line)] == []
