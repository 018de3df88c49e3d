"""docs/reliability.md: its numbers are those of the kept reports, and its rows the tests there are."""

import ast

from tests.cli.conftest import ROOT
from tools import reliability_page as built


def marked(node, names=()):
    """Whether a decorator, or a module's pytestmark, says trust, by itself or by one of these names."""
    nodes = list(ast.walk(node))
    by_name = any(isinstance(n, ast.Name) and n.id in names for n in nodes)
    return by_name or any(isinstance(n, ast.Attribute) and n.attr == "trust" for n in nodes)


def existing():
    """(file, function) of every test with the mark."""
    found = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        given = {ast.unparse(n.targets[0]) for n in tree.body if isinstance(n, ast.Assign) and marked(n.value)}
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                if "pytestmark" in given or any(marked(d, given) for d in node.decorator_list):
                    found.add((path.relative_to(ROOT).as_posix(), node.name))
            elif isinstance(node, ast.ClassDef) and any(marked(d, given) for d in node.decorator_list):
                found |= {
                    (path.relative_to(ROOT).as_posix(), n.name)
                    for n in node.body
                    if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")
                }
    return found


def test_the_page_is_what_the_reports_give():
    assert built.PAGE.read_text(encoding="utf-8") == built.page(), "run: python -m tools.reliability_page"


def test_every_row_is_a_test_and_every_marked_test_a_row():
    rows = {(row["test"].split("::")[0], row["test"].split("::")[-1]) for row in built.rows()}
    assert rows == existing(), 'run: make test ARGS="--trust-report=docs/results/reliability.json", then write the page'


def test_what_was_tried_passed():
    assert [row["test"] for row in built.rows() if row["passed"] != row["tried"]] == []


def test_sixty_bad_inputs_at_least():
    assert sum(row["tried"] for row in built.rows() if row["area"] == "inputs") >= 60
