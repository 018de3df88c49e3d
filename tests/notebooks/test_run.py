"""All notebooks through `lcnb run`, as CI and `make run` do, within the memory that docs/notebooks.md promises.

Their seconds are not tested: a slow or busy machine would fail. `lcnb run` reports them, and the page keeps a record.
"""

import json
import os

import pytest

from tests.cli.conftest import ROOT, spawn

NOTEBOOKS = sorted(p.stem for p in (ROOT / "notebooks").glob("*.ipynb"))
PRIVATE_MB = 850  # of one notebook in the quick profile, on two cores
HANGS = 1500  # seconds after which the run of all of them is given up

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


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
    """(data set, its folder of results, finished process) of a run over all notebooks."""
    out = tmp_path_factory.mktemp(request.param)
    done = spawn("run", "--dataset", request.param, "--profile", "quick", "--out", out, cwd=ROOT, timeout=HANGS)
    return request.param, out, done


def record(ran):
    return {e["name"]: e for e in json.loads((ran[1] / "run.json").read_text(encoding="utf-8"))["notebooks"]}


def test_all_succeed_within_their_memory(ran):
    assert ran[2].returncode == 0, ran[2].stderr
    found = record(ran)
    assert sorted(found) == NOTEBOOKS
    for name, e in found.items():
        assert e["ok"], name
        assert e["parameters"]["dataset"] == ran[0]
        assert e["private_mb"] <= PRIVATE_MB, (name, e["private_mb"], e["peak_mb"])


def test_every_notebook_has_a_page_with_pictures_and_the_index_links_it(ran):
    index = (ran[1] / "index.html").read_text(encoding="utf-8")
    for name in NOTEBOOKS:
        page = (ran[1] / f"{name}.html").read_text(encoding="utf-8")
        assert page.count("<img") >= 4
        assert "http://" not in page.replace("http://www.w3.org", "")
        assert f"{name}.html" in index


@pytest.mark.parametrize("name", ["00_quickstart", "05_stage_visualization"])
def test_the_threshold_slider_is_in_the_page(ran, name):
    page = (ran[1] / f"{name}.html").read_text(encoding="utf-8")
    assert page.count('<div class="lcnb-cached"') == 1
    assert "Cached view:" in page


def test_no_path_of_this_machine_is_left(ran):
    for name in NOTEBOOKS:
        text = (ran[1] / f"{name}.ipynb").read_text(encoding="utf-8")
        assert str(ROOT) not in text
        assert os.path.expanduser("~") + "/" not in text
