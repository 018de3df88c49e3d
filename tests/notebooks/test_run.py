"""All notebooks through `lcnb run`, once, within the memory that docs/notebooks.md promises.

That one run also executes every cell twice in a row, as readers do, and shows notebook 07 a clip of the reader's own.
Seconds are not tested: a slow or busy machine would fail. `lcnb run` reports them, and the page keeps a record.
"""

import json
import os
import re

import pytest

from lcnb.video import Clip
from tests.cli.conftest import ROOT, spawn
from tests.video.films import film

PATHS = {p.stem: p for p in sorted((ROOT / "notebooks").glob("*.ipynb"))}
PRIVATE_MB = 850  # of one notebook in the quick profile, on two cores
HANGS = 1500  # seconds after which a run is given up
ONCE = {
    "cell-04-18": "trains for half a minute",
    "cell-07-16": "runs both networks on every frame of the film",
}
"""Cells that take more than about ten seconds: they run once."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def runs_again(cell):
    """The parameters cell runs once too: a second time it would put the defaults back."""
    once = cell["id"] in ONCE or "parameters" in cell["metadata"].get("tags", ())
    return cell["cell_type"] == "code" and not once


def twice(path, folder):
    """A copy of a notebook in which each code cell is followed by itself."""
    content = json.loads(path.read_text(encoding="utf-8"))
    pairs = [[cell, cell | {"id": f"{cell['id']}-again"}][: 1 + runs_again(cell)] for cell in content["cells"]]
    copy = folder / path.name
    copy.write_text(json.dumps(content | {"cells": [cell for pair in pairs for cell in pair]}), encoding="utf-8")
    return copy


@pytest.fixture(
    scope="module",
    params=[
        "streets",
        pytest.param(
            "camvid",
            marks=[
                pytest.mark.real,
                pytest.mark.skipif(not os.environ.get("LCNB_DATA"), reason="LCNB_DATA is not set: no camvid to run on"),
            ],
        ),
    ],
)
def ran(request, tmp_path_factory):
    """(data set, folder of results, finished processes) of a run over all notebooks, 07 with a clip."""
    books, out = tmp_path_factory.mktemp("books"), tmp_path_factory.mktemp(request.param)
    copies = {name: twice(path, books) for name, path in PATHS.items()}
    video, mine = copies.pop("07_video"), film(books / "mine.mov", frames=4, size=(90, 160), rate=25)
    options = ["--dataset", request.param, "--profile", "quick", "--out", out]
    runs = [copies.values(), [video, "-p", f"clip={mine}", "-p", f"out={out}"]]
    return request.param, out, [spawn("run", *given, *options, cwd=ROOT, timeout=HANGS) for given in runs]


def record(ran):
    return {e["name"]: e for e in json.loads((ran[1] / "run.json").read_text(encoding="utf-8"))["notebooks"]}


def page(ran, name):
    return (ran[1] / f"{name}.html").read_text(encoding="utf-8")


def test_all_succeed_within_their_memory(ran):
    assert [done.returncode for done in ran[2]] == [0, 0], [done.stderr for done in ran[2]]
    found = record(ran)
    assert sorted(found) == list(PATHS)
    for name, e in found.items():
        assert e["ok"], name
        assert e["parameters"]["dataset"] == ran[0]
        assert e["private_mb"] <= PRIVATE_MB, (name, e["private_mb"], e["peak_mb"])


def test_every_notebook_has_a_page_with_images_and_the_index_links_it(ran):
    index = (ran[1] / "index.html").read_text(encoding="utf-8")
    for name in PATHS:
        assert page(ran, name).count("<img") >= 4
        assert "http://" not in page(ran, name).replace("http://www.w3.org", "")
        assert f"{name}.html" in index


@pytest.mark.parametrize("name", ["00_quickstart", "05_stage_visualization"])
def test_the_threshold_slider_is_in_the_page(ran, name):
    assert page(ran, name).count('<div class="lcnb-cached"') == 2  # its cell ran twice
    assert "Cached view:" in page(ran, name)


def test_a_clip_of_ones_own(ran):
    mine = Clip(ran[1] / "mine.mp4")
    assert (mine.count, mine.fps) == (4, 25)
    assert "mine.mov: 160x90, 4 frames, 25 per second" in page(ran, "07_video")
    assert page(ran, "07_video").count("<video") == 4  # the drive and the clip; their cells ran twice


def test_a_broken_clip_stops_the_run_with_a_sentence(tmp_path):
    mine = tmp_path / "mine.mp4"
    mine.write_text("Dear reader, this is no film.")
    done = spawn("run", "07", "-p", f"clip={mine}", "--out", tmp_path / "out", cwd=ROOT, LCNB_DATA="")
    assert done.returncode == 1
    assert "mine.mp4 is no video" in done.stdout + done.stderr


def test_the_cells_that_run_once_exist():
    ids = {cell["id"] for path in PATHS.values() for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]}
    assert ids >= ONCE.keys()


@pytest.mark.long
@pytest.mark.parametrize("rho", ["0", "1"])
def test_every_notebook_runs_at_either_end_of_the_threshold(rho, tmp_path):
    done = spawn("run", "--rho", rho, "--profile", "quick", "--out", tmp_path, cwd=ROOT, timeout=HANGS)
    assert done.returncode == 0, done.stdout
    cells = [c for name in PATHS for c in json.loads((tmp_path / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]]
    notes = ["".join(o.get("data", {}).get("text/markdown", "")) for c in cells for o in c.get("outputs", ())]
    assert [note for note in notes if re.search(r"\bnan\b", note)] == []
