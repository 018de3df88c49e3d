"""Generated pages are what the kept results give, and what their words say holds for these."""

import importlib
import json
import re

import pytest

from lcnb.lessons import EXERCISES
from lcnb.reproduction import ledger, stored
from lcnb.reproduction.readings import AHEAD, NO_BENEFIT
from tests.notebooks.test_run import PRIVATE_MB
from tools import cascade_training_page, determinism, notebook_table, pages, performance_page


@pytest.mark.parametrize("name", pages.NAMES)
def test_a_page_is_what_the_results_give_and_names_no_machine_path(name):
    for path, content in importlib.import_module(f"tools.{name}").pages().items():
        if isinstance(content, bytes):  # another Matplotlib draws other pixels
            assert 5_000 < path.stat().st_size < 200_000
        else:
            assert path.read_text(encoding="utf-8") == content, f"run: python -m tools.pages {name}"
            assert not re.search(r"/(home|root|work)/", content)


def test_what_the_performance_page_says_holds():
    for name in performance_page.OPS:
        for result in stored(name)["results"]:
            rows = result["paths"]["rows"]
            assert rows["over_dense"] < 1.15
            assert rows["over_dense_x_share"] < 1.2 or result["share"] < 0.25
    for name in (*performance_page.MODELS, *performance_page.LOSSLESS):
        speed = stored(name)["results"][0]["speedup"]
        assert speed["of_our_kernels"] > 1.05
        assert speed["over_plain"] >= 0.9 * speed["multiply_adds_one_head"]
        assert name not in performance_page.MODELS or speed["over_fastest_dense"] > 1.05
    for name in performance_page.MODELS:
        ms = stored(name)["results"][0]["ms"]
        assert ms["rho = 1"]["p50"] <= 1.05 * ms["plain"]["p50"]


def test_what_is_measured_on_camvid_is_measured_on_all_of_val():
    for name in {n for claim in ledger.CLAIMS for n in claim.results if "camvid" in n}:
        assert (stored(name)["split"], stored(name)["images"]) == ("val", 101), name


def test_what_the_page_on_determinism_says_holds():
    found = stored(determinism.RESULT)
    (again,) = [way for way in found["ways"] if way["way"] == "modules, again"]
    training = found["training"]
    assert (again["logits_equal"], found["another_process_equal"]) == (True, True)
    assert (training["same_seed_same_file"], training["another_seed_same_file"]) == (True, False)
    for way in found["ways"]:
        if "bfloat16" not in way["way"]:
            assert way["pixels_differ"] < 1e-5 * found["pixels"]
            assert way["cells_differ"] < 1e-4 * found["cells"]
            assert abs(way["miou"] - found["ways"][0]["miou"]) < 1e-5


def test_lessons_are_measured_have_alt_texts_exercises_and_a_browser_test():
    found = stored(notebook_table.KEPT)["notebooks"]
    assert sorted(found) == [path.stem for path in notebook_table.lessons()]
    assert max(run["private_mb"] for runs in found.values() for run in runs.values()) <= PRIVATE_MB
    for path in notebook_table.lessons():
        here = notebook_table.counted(path)
        assert here["alt"] == here["figures"] >= 4, path
        assert here["exercises"] >= 3, path
        assert here["browser"] or path.stem[:2] not in ("00", "01", "02", "05", "07"), path
    assert len(EXERCISES) >= 3 * len(found)


def row(**more):
    return {"miou": 0.7, "cost": 0.5, "counts": [], **more}


def seed(number, word):
    interval = {"value": 0.004, "low": -0.002, "high": 0.009}
    comparison = {"what": "cascade - deep", "halo": 0, "cost": 0.5, "unit": "multiply-adds", "word": word}
    timed = {**comparison, "unit": "time", "opponent": "stop 1"}
    branch = {
        "title": "", "dense": [row(stage=1), row(stage=2)],
        "true": {"0": [row(rho=0.985, exits=[0.4, 0.6])], "1": [row(rho=0.9, exits=[0.4, 0.6])]},
    }  # fmt: skip
    return {
        "seed": number, "branches": {"deep": branch}, "load": {"busy": number == 0},
        "opponents": {"reduced": [row(scale=0.5)], "stride 8": {"deep": {"dense": [row(stage=1)]}}},
        "ms": {"scale 0.5": 10.0, "stop 1": 5.0, "stride 8": 90.0},
        "comparisons": [{**comparison, "interval": interval}, {**timed, "interval": None}],
    }  # fmt: skip


CASCADE_TRAINING = {
    "one seed": (
        [seed(0, NO_BENEFIT)],
        [
            "**A sentence.**", "1 of 3 seeds, 9 images",
            "| cascade - deep | 0 | 50% | +0.004 [-0.002, +0.009] | **no benefit above one point** |",
            "| deep | 0 | 0.700 / 0.700 | 0.700 at 50% (exits 40 / 60 %) | - |",
            "| stride 8, dense | 0 | 0.700 | 50% | 90.0 |",
            "The machine was busy while the times of seed 0 were taken",
        ],
    ),
    "two that disagree": (
        [seed(1, NO_BENEFIT), seed(2, AHEAD)], ["| **the seeds disagree** |", "The machine was quiet"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASCADE_TRAINING)
def test_the_page_on_cascade_training_says_what_a_result_says(case, tmp_path):
    seeds, wanted = CASCADE_TRAINING[case]
    found = {
        "seeds": seeds, "wanted": [0, 1, 2], "verdicts": ["A sentence."], "images": 9, "dataset": "voc2012",
        "split": "val", "settings": {"rho": 0.985}, "command": "lcnb reproduce cascade-training --seeds 0",
        "machine": {"cores": 2, "cpu": "X", "torch": "2.9.0+cpu", "date": "2026-01-01"},
    }  # fmt: skip
    (tmp_path / "result.json").write_text(json.dumps(found))
    (text,) = cascade_training_page.pages(tmp_path / "result.json").values()
    assert [words for words in wanted if words not in text] == []
    assert "What will not be done" in text
