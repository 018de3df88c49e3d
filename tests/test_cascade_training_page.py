"""docs/cascade-training.md is what its tool writes, without a result and with one."""

import json

from lcnb.reproduction.readings import AHEAD, NO_BENEFIT
from tools import cascade_training_page as built


def test_the_page_is_what_the_tool_writes():
    assert built.PAGE.read_text(encoding="utf-8") == built.page(), "run: python -m tools.cascade_training_page"


def test_without_a_result_it_says_so_with_the_command(tmp_path):
    text = built.page(tmp_path / "none.json")
    assert "**Not run yet.**" in text
    assert f"{built.COMMAND} --dry-run" in text.split("## Results")[1]


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


def written(tmp_path, *seeds):
    found = {
        "seeds": list(seeds), "wanted": [0, 1, 2], "verdicts": ["A sentence."], "images": 9, "dataset": "voc2012",
        "split": "val", "settings": {"rho": 0.985}, "command": "lcnb reproduce cascade-training --seeds 0",
        "machine": {"cores": 2, "cpu": "X", "torch": "2.9.0+cpu", "date": "2026-01-01"},
    }  # fmt: skip
    (tmp_path / "result.json").write_text(json.dumps(found))
    return built.page(tmp_path / "result.json")


def test_with_some_of_the_seeds_it_says_how_many(tmp_path):
    text = written(tmp_path, seed(0, NO_BENEFIT))
    assert "**A sentence.** (1 of 3 seeds)" in text.split("## Question")[0]
    assert "| cascade - deep | 0 | 50% | +0.004 [-0.002, +0.009] | **no benefit above one point** |" in text
    assert "| deep | 0 | 0.700 / 0.700 | 0.700 at 50% (exits 40 / 60 %) | - |" in text
    assert "| stride 8, dense | 0 | 0.700 | 50% | 90.0 |" in text
    assert "The machine was busy while the times of seed 0 were taken" in text
    assert "Not run yet" not in text


def test_seeds_that_disagree_have_no_common_word(tmp_path):
    text = written(tmp_path, seed(1, NO_BENEFIT), seed(2, AHEAD))
    assert "| **the seeds disagree** |" in text
    assert "The machine was quiet" in text


def test_the_rules_are_the_same_whatever_the_result(tmp_path):
    def prose(text):
        return [part.split("<!-- /")[0] for part in text.split(" -->")[::2]]

    rules = prose(written(tmp_path, seed(0, AHEAD)))
    assert any("What will not be done" in part for part in rules)
    assert rules == prose(built.page(tmp_path / "none.json"))
