"""What the lessons say in words about kept results is what the results say."""

import dataclasses
import json
import shlex
from pathlib import Path

from lcnb.cli import parser
from lcnb.cli.reproduce import settings
from lcnb.reproduction import stored
from lcnb.training import TrainConfig


def gap(found, row):
    return found["differences"][f"lc - {row}"]


def at(sweep, rho):
    (row,) = [r for r in sweep["rows"] if r["rho"] == rho]
    return row


def test_the_ablation_as_notebook_04_tells_it():
    found = stored("T2-camvid-small")
    assert [r["row"] for r in found["rows"]] == ["irnet", "dsn", "dsn-dropout", "mc", "lc", "dsn-exits", "hard"]
    for behind in ("dsn-exits", "mc"):
        assert gap(found, behind)["low"] > 0
    for ahead in ("irnet", "dsn", "dsn-dropout", "hard"):
        assert gap(found, ahead)["high"] < 0
    work = {r["row"]: r["gmacs_per_image"] for r in found["rows"]}
    assert max(work[r] for r in ("lc", "mc", "dsn-exits")) < 1.05 * min(work[r] for r in ("lc", "mc", "dsn-exits"))


def test_the_ablation_repeats_with_the_options_that_notebook_04_names():
    named = "--scale .5 1.5 --stage-weights 1 1 1 --class-weight 1.1 --jaccard 0"
    lesson = (Path(__file__).parents[2] / "notebooks" / "04_training.ipynb").read_text(encoding="utf-8")
    assert f"`{named}` to the command" in lesson
    for kept in ("T2-camvid-small", "T2-camvid-small-halo1"):
        found = stored(kept)
        options = parser().parse_args([*shlex.split(found["command"])[1:], *named.split()])
        recipe = json.loads(json.dumps(dataclasses.asdict(settings(options))))
        del recipe["arm"]
        newer = {  # knobs that the result did not know
            "jaccard": 0.0, "teacher": None, "imitate": 1.0, "stride": 8, "backbone_lr": 1.0, "freeze": 0,
            "freeze_backbone_norm": False, "builder": None, "builder_arg": [],
        }  # fmt: skip
        assert recipe == {**newer, **json.loads(json.dumps(TrainConfig.known(found["settings"])))}


def test_the_holes_hurt_and_a_teacher_and_a_halo_help():
    before, plain, rim = (stored(f"T1-camvid-small{ending}") for ending in ("-no-teacher", "", "-halo1"))
    lost = [at(sweep, 1.0)["miou_true"] - at(sweep, 0.985)["miou_true"] for sweep in (before, plain, rim)]
    assert lost[0] > 0.01
    assert lost[1] < 0.5 * lost[0]
    assert lost[2] < lost[1]
    for sweep in (before, plain):
        assert at(sweep, 1.0)["miou_true"] - at(sweep, 0.985)["miou_cached"] < 0.005
    assert at(rim, 0.985)["saved"] < at(plain, 0.985)["saved"]


def test_with_a_teacher_for_everyone_as_notebook_04_tells_it():
    found = stored("T2-camvid-small-teacher-halo1")
    rows = {r["row"]: r for r in found["rows"]}
    assert gap(found, "dsn")["low"] < 0 < gap(found, "dsn")["high"]
    assert abs(gap(found, "dsn")["value"]) < 0.002
    assert gap(found, "dsn-exits")["low"] > 0
    assert rows["lc"]["gmacs_per_image"] < rows["dsn"]["gmacs_per_image"] * 2 / 3
    assert rows["lc"]["gmacs_per_image"] <= rows["dsn-exits"]["gmacs_per_image"]
    made = found["settings"]
    assert (made["steps"], made["cascade_steps"], made["init"], made["halo"]) == (0, 400, made["teacher"], 1)


def test_a_third_of_the_work_is_saved_for_nothing():
    for sweep in (stored("T1-camvid-small"), stored("T1-camvid-small-halo1")):
        close = [r for r in sweep["rows"] if r["miou_true"] >= at(sweep, 1.0)["miou_true"] - 0.002]
        assert max(r["saved"] for r in close) >= 0.35
