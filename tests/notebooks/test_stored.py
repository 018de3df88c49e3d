"""The stored lessons: executed, fresh, small, and written as the project writes them."""

import ast
import json
import re
import statistics

import pytest

from tools.store_notebooks import ROOT, digests

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PARAMETERS = {"dataset": "str", "profile": "str", "device": "str", "rho": "float", "seed": "int"}


@pytest.fixture(params=PATHS, ids=lambda p: p.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(notebook):
    return [c for c in notebook["cells"] if c["cell_type"] == "code"]


def outputs(notebook):
    return [o for c in code_cells(notebook) for o in c["outputs"]]


def test_there_are_notebooks():
    assert len(PATHS) >= 3


def test_outputs_are_fresh(notebook):
    """Fails when cells, weights, data or drawing code changed since: python -m tools.store_notebooks."""
    assert notebook["metadata"]["lcnb"]["digests"] == digests(notebook)


def test_every_code_cell_was_executed_in_order(notebook):
    counts = [c["execution_count"] for c in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_no_errors_warnings_or_progress_bars(notebook):
    for output in outputs(notebook):
        assert output["output_type"] != "error"
        assert output.get("name") != "stderr"
        text = "".join(output.get("text", []))
        assert "Warning" not in text
        assert "\r" not in text


def test_every_picture_has_an_alt_text(notebook):
    pictures = 0
    for output in outputs(notebook):
        for kind in output.get("data", {}):
            if kind.startswith("image/"):
                pictures += 1
                assert len(output["metadata"][kind]["alt"]) >= 20
    assert pictures >= 4


def test_no_machine_paths_times_or_widget_state(notebook):
    text = json.dumps(notebook)
    assert not re.search(r"/(home|root|work|tmp|Users)/", text)
    assert "widgets" not in notebook["metadata"]
    assert "start_time" not in text


def test_small(path):
    assert path.stat().st_size < 1_000_000
    assert sum(p.stat().st_size for p in PATHS) < 6_000_000


def test_parameters_cell(notebook):
    (cell,) = [c for c in code_cells(notebook) if "parameters" in c["metadata"].get("tags", [])]
    declared = {n.target.id: ast.unparse(n.annotation) for n in ast.parse("".join(cell["source"])).body}
    assert PARAMETERS.items() <= declared.items()


def test_cells_are_short(notebook):
    lengths = [len("".join(c["source"]).splitlines()) for c in code_cells(notebook)]
    assert 12 <= len(lengths) <= 30
    assert statistics.median(lengths) <= 10
    assert max(lengths) <= 20


def test_opens_with_who_it_is_for_and_ends_with_a_recap(notebook):
    prose = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown"]
    assert prose[0].startswith("# ")
    for word in ("**For**", "**You will**", "**You need**", "**Takes**"):
        assert word in prose[0]
    headings = re.findall(r"^## (.*)", "\n".join(prose), re.MULTILINE)
    assert headings[-2:] == ["Try it yourself", "What you have seen"]
    assert "## What you have seen" in prose[-1]
