"""The stored lessons: executed, fresh, small, and written as the project writes them."""

import ast
import json
import re
import statistics

import pytest

from tools import store_notebooks
from tools.store_notebooks import ROOT, digests, figure_code

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


def test_outputs_are_fresh(notebook):
    """Fails when cells, or weights, data, results or drawing code that they use, changed since they were stored.

    Run: python -m tools.store_notebooks
    """
    assert notebook["metadata"]["lcnb"]["digests"] == digests(notebook)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A checkout with two weights, two data sets and two results, and what decides the outputs of `CELLS` in it."""
    for name in ("weights/streets-small/model.safetensors", "weights/other/model.safetensors", "streets/a", "photos/b"):
        write(tmp_path / "data" / name)
    for name in ("T1-x", "T1-x-halo1", "T2-y"):
        write(tmp_path / "docs" / "results" / f"{name}.json")
    monkeypatch.setattr(store_notebooks, "ROOT", tmp_path)
    return tmp_path


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


CELLS = (
    'dataset: str = "streets"',
    'cascade = lcnb.load(f"{dataset}-small", device)\nkept = stored("T1-x" + ending)',
    "plots.break_even(times)",
)


def decided(*more):
    cells = [{"cell_type": "code", "metadata": {}, "source": [source]} for source in (*CELLS, *more)]
    return digests({"cells": cells})


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ("data/weights/streets-small/model.safetensors", "weights"), ("data/weights/other/model.safetensors", None),
        ("data/weights/new/model.safetensors", None), ("data/weights/streets-small/README.md", None),
        ("data/streets/a", "data"), ("data/photos/b", None), ("data/camvid/a", None),
        ("data/streets/renderer/scene.py", None),
        ("docs/results/T1-x-halo1.json", "results"), ("docs/results/T2-y.json", None),
    ],
)  # fmt: skip
def test_only_what_is_used_makes_it_stale(tree, changed, key):
    before = decided()
    write(tree / changed, "new")
    assert [name for name, digest in decided().items() if before[name] != digest] == ([key] if key else [])


def test_cells_decide_but_the_one_that_installs_does_not(tree):
    assert decided("1 + 1")["code"] != decided()["code"]
    install = {"cell_type": "code", "metadata": {"tags": ["bootstrap"]}, "source": "import os"}
    cells = [{"cell_type": "code", "metadata": {}, "source": [source]} for source in CELLS]
    assert digests({"cells": [install, *cells]}) == decided()


def test_named_photos_and_all_that_the_ledger_judges_decide(tree):
    before = decided('load_photo("cow")')
    write(tree / "data" / "photos" / "b", "new")
    assert decided('load_photo("cow")')["data"] != before["data"]
    before = decided("ledger.counted()")
    write(tree / "docs" / "results" / "F1-camvid-small.json")
    assert decided("ledger.counted()")["results"] != before["results"]


def test_figure_code_is_what_the_cells_use_and_what_that_uses():
    assert set(figure_code("plots.break_even(x)")) == {"lcnb.plots.regions", "lcnb.plots.style", "lcnb.palettes"}
    explorer = set(figure_code("widgets.ThresholdExplorer(x)"))
    assert {f"lcnb.{n}" for n in ("export.slider", "export.slider.js", "export.slider.css", "export.view")} <= explorer
    assert not explorer & {"lcnb.plots.video", "lcnb.widgets.player", "lcnb.models", "lcnb.evaluation"}
    assert set(figure_code("from lcnb.palettes import STAGES")) == {"lcnb.palettes"}
    assert "lcnb.video.drawing" in figure_code("video.Painter(x)")
    assert "lcnb.reproduction.paper" in figure_code("from lcnb.reproduction import ledger, paper")


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
