"""`lcnb reproduce`: tables end to end on tiny data, what resumes, what a plan says, and what is refused."""

import json
import os

import pytest
import torch

import lcnb as package
from lcnb.difficulty import DifficultyCounts, difficulty, pixel_scores
from lcnb.evaluation import bootstrap_miou, evaluate
from lcnb.models.networks import NETWORKS
from lcnb.reproduction import ablation, cascade_training, store, tables
from lcnb.reproduction.paper import T3
from tests.training.conftest import shallow_irnet

TINY = ["--preset", "camvid-small", "--width", "0.05", "--batch", "1", "--crop", "24", "32", "--no-amp"]


@pytest.fixture
def shallow(monkeypatch):
    """Networks that are trained have one block a stage."""
    monkeypatch.setitem(NETWORKS, "irnet", shallow_irnet())


def result(home, table, preset="camvid-small"):
    return json.loads((home / "docs" / "results" / f"{table}-{preset}.json").read_text())


def test_table_1(lcnb, data, home, monkeypatch):
    arguments = ["reproduce", "T1", "--preset", "camvid-small", "--weights", "tiny", "--rhos", "0.8", "0.3"]
    out = lcnb.ok(*arguments)
    assert "written to docs/results/T1-camvid-small.json" in out
    found = result(home, "T1")
    assert (found["dataset"], found["split"], found["weights"], found["images"]) == ("camvid", "val", "tiny", 2)
    assert [row["rho"] for row in found["rows"]] == [1, 0.8, 0.3]
    assert found["rows"][1]["paper"] == {"left_at_stage_1": 56, "left_at_stage_2": 29, "miou": 66.95}
    assert found["command"] == f"lcnb {' '.join(arguments)}"
    assert {"cpu", "torch", "date"} <= found["machine"].keys()
    assert not any(str(home) in text for text in (out, json.dumps(found)))

    monkeypatch.setattr(tables, "stacked", None)  # nothing is measured twice
    assert lcnb(*arguments)[0] == 0
    assert result(home, "T1")["rows"] == found["rows"]
    assert lcnb(*arguments, "--halo", "1")[0] == 1  # another measurement is not taken for this one


def test_a_threshold_for_each_exit(lcnb, data, home):
    lcnb.ok("reproduce", "T1", "--preset", "camvid-small", "--weights", "tiny", "--rhos", ".9,.3")
    rows = result(home, "T1")["rows"]
    assert [row["rho"] for row in rows] == [1.0, [0.9, 0.3]]
    cascade, dataset = package.load("tiny"), package.load_dataset("camvid", "val")
    items = (dataset[i] for i in range(2))
    one = evaluate(cascade, items, classes=dataset.spec.classes, ignore_index=11, rho=(0.9, 0.3)).as_dict()
    assert rows[1]["miou_true"] == one["miou"]
    assert rows[1]["paper"] is None
    lcnb.refused(
        "reproduce",
        "T1",
        "--preset",
        "camvid-small",
        "--weights",
        "tiny",
        "--rhos",
        ".9,2",
        words="no number between 0 and 1",
        code=2,
    )


def test_a_sweep_that_was_stopped_goes_on(lcnb, data, home, monkeypatch):
    monkeypatch.setattr(store, "PART", 1)
    true, calls = tables.stacked, []

    def stopping(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 3:  # the first is the one that is not counted
            raise KeyboardInterrupt
        return true(*arguments, **options)

    monkeypatch.setattr(tables, "stacked", stopping)
    arguments = ["reproduce", "F7", "--preset", "camvid-small", "--weights", "tiny", "--rhos", "0.3"]
    assert lcnb(*arguments)[0] == 130
    assert not (home / "docs").exists()
    assert [p.name for p in (home / "runs/reproduce/camvid-small/F7").iterdir()] == ["images-00000.safetensors"]
    calls.clear()
    monkeypatch.setattr(tables, "stacked", lambda *a, **o: (calls.append(a), true(*a, **o))[1])
    assert lcnb(*arguments)[0] == 0
    assert len(calls) == 2  # the second image, behind a warm-up
    found = result(home, "F7")
    assert found["network"] == "prepared for inference"
    for row in found["rows"]:
        assert len(row["ms_stages"]) == 3
        assert row["fps"] == pytest.approx(1000 / row["ms"], rel=1e-3)


def test_table_3_measures_ours_and_names_what_it_cannot(lcnb, data, home):
    out = lcnb.ok("reproduce", "T3", "--preset", "camvid-small", "--weights", "tiny", "--limit", "1")
    rows = {row["system"]: row for row in result(home, "T3")["rows"]}
    assert {name: row["rho"] for name, row in rows.items()} == {"dense (rho = 1)": 1, "LC": 0.985, "LC (fast)": 0.8}
    assert rows["LC"]["paper"] == T3["LC"]
    assert rows["dense (rho = 1)"]["paper"] is None
    assert "not measured: DeepLab-v2, SegNet: lcnb has these networks with random weights only, so no mIoU" in out


def test_table_2(lcnb, data, home, shallow, monkeypatch):
    arguments = ["reproduce", "T2", "--steps", "2", "--out", "t2.json", *TINY]
    out = lcnb.ok(*arguments, "--arms", "lc", "irnet")
    first = json.loads((home / "t2.json").read_text())
    assert [row["row"] for row in first["rows"]] == ["irnet", "lc"]
    trained = (home / "runs/reproduce/camvid-small/lc/checkpoint.pt").stat().st_mtime_ns

    out = lcnb.ok(*arguments)
    assert (home / "runs/reproduce/camvid-small/lc/checkpoint.pt").stat().st_mtime_ns == trained
    assert "row lc was scored before" in out
    assert "row dsn: a true run at rho 1 on 2 images" in out
    found = json.loads((home / "t2.json").read_text())
    rows = {row["row"]: row for row in found["rows"]}
    assert list(rows) == ["irnet", "dsn", "dsn-dropout", "mc", "lc", "dsn-exits", "hard"]
    assert rows["lc"] == first["rows"][1]
    assert {name: row["rho"] for name, row in rows.items() if row["rho"] == 1} == dict.fromkeys(
        ["irnet", "dsn", "dsn-dropout", "hard"], 1
    )
    assert (rows["dsn"]["paper"], rows["hard"]["paper"]) == (72.70, None)
    assert rows["dsn"]["exits"] == [0, 0, 1]
    assert found["settings"]["steps"] == 2
    assert found["settings"]["cascade_steps"] == 1
    assert found["differences"].keys() == {f"lc - {name}" for name in rows if name != "lc"}
    check_difference(found, home)

    monkeypatch.setattr(ablation, "evaluate", None)
    assert lcnb(*arguments)[0] == 0
    assert json.loads((home / "t2.json").read_text())["rows"] == found["rows"]
    lcnb.refused("reproduce", "T2", "--steps", "3", *TINY, words="holds a run with other settings (")


def check_difference(found, home):
    """From the counts on disk, and the other way round: from the mIoUs that are told."""
    from safetensors.torch import load_file

    scores = home / "runs/reproduce/camvid-small/scores"
    lc, hard = (load_file(scores / f"{name}.safetensors")["counts"] for name in ("lc", "hard"))
    expected = bootstrap_miou(lc, hard, block=1)
    said = found["differences"]["lc - hard"]
    assert said == {**expected.as_dict(), "excludes_zero": expected.excludes_zero}
    rows = {row["row"]: row["miou"] for row in found["rows"]}
    assert said["value"] == pytest.approx(rows["lc"] - rows["hard"], abs=2e-6)


def test_tables_take_up_the_cascade_that_table_2_trained(lcnb, data, home, shallow):
    sweep = ["reproduce", "T1", "--preset", "camvid-small", "--rhos", "0.5"]
    lcnb.refused(
        *sweep,
        words="holds no run: name some with --weights, or train them with `lcnb reproduce T2 --preset camvid-small",
    )
    assert lcnb("reproduce", "T2", "--steps", "1", "--arms", "lc", *TINY)[0] == 0
    assert lcnb(*sweep)[0] == 0
    found = result(home, "T1")
    assert found["weights"] == "run lc of preset camvid-small"
    assert found["rows"][0]["miou_true"] == pytest.approx(found["rows"][0]["miou_cached"], abs=1e-3)
    run = home / "runs/reproduce/camvid-small/lc"
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    torch.save({**state, "step": 1}, run / "checkpoint.pt")
    assert "is at step 1 of 2; go on with `lcnb train --resume --out runs/" in lcnb(*sweep)[2]


def test_table_6(lcnb, home):
    out = lcnb.ok("reproduce", "T6")
    row, dpn, deeplab = result(home, "T6", "voc-paper")["rows"]
    assert row["parameters_m"] == pytest.approx(35.49, abs=0.01)
    assert sum(row["parameters_m_by_stage"] + row["parameters_m_by_head"]) == pytest.approx(row["parameters_m"])
    stages, (low, high) = row["gmacs"], (row["gmacs"]["rho = 0.8"], row["gmacs"]["rho = 0.985"])
    assert 0 < low < high < stages["plain"] < stages["rho = 1"] == pytest.approx(149.9, abs=0.1)
    assert "those printed in table 1, not measured here" in row["exits"]
    assert (dpn["system"], deeplab["system"]) == ("DPN", "DeepLab-v2")
    assert deeplab["parameters_m"] == pytest.approx(44.5, abs=0.8)
    assert dpn["parameters_m"] == pytest.approx(134.4, abs=5)
    assert min(dpn["gmacs"]["plain"], deeplab["gmacs"]["plain"]) > 100
    assert "not measured: mIoU on VOC test: its labels are on VOC's server only" in out


def test_plans_say_what_is_there_and_write_nothing(lcnb, data, home, shallow):
    before = sorted(data.rglob("*"))
    out = lcnb.ok("reproduce", "T2", "--dry-run", *TINY)
    assert "needs   camvid train: 3 images, a part of the 367 that the split has" in out
    assert "fills   layer cascade: mIoU with its interval" in out
    assert "an estimate: one step of each kind, with 1 x 24x32 random pixels, measured on this cpu" in out
    out = lcnb.ok("reproduce", "T1", "--dry-run", *TINY, "--weights", "missing")
    assert "needs   weights: missing: no weights named 'missing'" in out
    assert "fills   rho 0.985: exits, mIoU cached and true" in out
    out = lcnb("reproduce", "T3", "--dry-run", "--width", "0.05", "--crop", "24", "32")[1]
    assert "needs   voc2012 val: missing: PASCAL VOC 2012 is not here" in out
    assert "leaves  DeepLab-v2, SegNet" in out
    out = lcnb("reproduce", "T6", "--dry-run")[1]
    assert "needs   no data" in out
    assert list(home.iterdir()) == []
    assert sorted(data.rglob("*")) == before


def test_the_data_option_comes_first(lcnb, data_root, home, monkeypatch):
    arguments = ["reproduce", "T1", "--weights", "tiny", "--rhos", "0.5", "--limit", "1", "--preset", "camvid-small"]
    monkeypatch.setenv("LCNB_DATA", "")  # so that it is as before when this test ends
    assert "CamVid is not here" in lcnb(*arguments)[2] or "no weights named 'tiny'" in lcnb(*arguments)[2]
    assert lcnb(*arguments, "--data", data_root)[0] == 0
    assert os.environ["LCNB_DATA"] == str(data_root)
    monkeypatch.setenv("LCNB_DATA", "elsewhere")
    assert lcnb(*arguments, "--data", data_root)[0] == 0
    assert os.environ["LCNB_DATA"] == os.pathsep.join([str(data_root), "elsewhere"])
    assert str(data_root) not in json.dumps(result(home, "T1"))


def test_several_processes_are_for_training(lcnb, data, home, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    lcnb.refused(
        "reproduce",
        "T2",
        *TINY,
        words="one process; train the arms with `torchrun ... -m lcnb train --preset camvid-small --arm ARM --out",
    )


LITE = [
    "--preset", "camvid-small", "--network", "lite0", "--stride", "16", "--batch", "2", "--crop", "48", "64",
    "--no-amp", "--steps", "1", "--cascade-steps", "1",
]  # fmt: skip


@pytest.mark.slow
def test_the_experiment_on_cascade_training(lcnb, data, home, monkeypatch):
    monkeypatch.setattr(cascade_training, "RHOS", (0.15, 1.0))
    monkeypatch.setattr(cascade_training, "FINE_RHOS", (0.15, 1.0))
    monkeypatch.setattr(cascade_training, "SCALES", (0.5, 1.0))
    monkeypatch.setattr(cascade_training, "TIMED", 1)
    arguments = ["reproduce", "cascade-training", *LITE]
    out = lcnb.ok(*arguments, "--seeds", "4")
    assert "measured on camvid val, 2 images; 1 of 3 seeds" in out
    assert "\nSo far, with 1 of 3 seeds: " in out
    written = home / "docs" / "results" / "cascade-training.json"
    first = json.loads(written.read_text())
    assert (first["wanted"], [s["seed"] for s in first["seeds"]]) == ([0, 1, 2], [4])
    assert first["settings"]["cascade_lr"] == pytest.approx(0.3 * first["settings"]["lr"])
    assert not {"arm", "halo", "seed"} & first["settings"].keys()
    (seed,) = first["seeds"]
    fine = seed["opponents"]["stride 8"]
    assert fine.keys() == {"deep", "cascade-0", "cascade-1"}
    assert fine["deep"]["dense"][-1]["cost"] > 2
    assert {"stride 8", "stop 1", "stop 2", "scale 0.5"} <= seed["ms"].keys()
    assert {c["what"] for c in seed["comparisons"]} >= {
        "cascade - deep", "cascade - deep, dense", "hard - deep", "cascade - hard", "cascade - shuffled",
        "cascade - reduced input", "cascade - best smaller dense", "cascade - stop 2",
        "cascade at stride 8 - deep, dense",
    }  # fmt: skip
    assert str(home) not in json.dumps(first)

    for name in ("stacked", "measure"):
        monkeypatch.setattr(cascade_training, name, None)  # nothing is measured twice
    assert lcnb(*arguments, "--seeds", "4")[0] == 0
    assert json.loads(written.read_text())["seeds"] == first["seeds"]


def test_the_experiment_says_what_it_will_take(lcnb, data, home):
    out = lcnb.ok("reproduce", "cascade-training", "--dry-run", *LITE)
    assert "fills   3 seeds (0, 1, 2), each 1 steps of a trunk and 6 x 1 of branches" in out
    assert "fills   shuffled-1: regions of equal size from another image, halo 1" in out
    assert "takes   about " in out
    assert list(home.iterdir()) == []
    voc = lcnb("reproduce", "cascade-training", "--dry-run", "--stride", "16", "--crop", "32", "32")[1]
    assert "needs   voc2012 trainaug: missing: PASCAL VOC 2012 (7 classes) is not here" in voc
    assert "each 2000 steps of a trunk and 6 x 1000 of branches" in voc
    assert "needs   ImageNet weights: " in voc


def test_figure_1(lcnb, data, home, monkeypatch):
    arguments = ["reproduce", "F1", "--preset", "camvid-small", "--weights", "tiny"]
    out = lcnb.ok(*arguments)
    assert "near a boundary" in out
    found = result(home, "F1")
    cascade, dataset = package.load("tiny"), package.load_dataset("camvid", "val")
    counts = DifficultyCounts(len(dataset.spec.classes), 11)
    for image, mask in (dataset[i] for i in range(2)):
        logits = cascade.all_stages(image[None].float() / 255)
        counts.update(difficulty(*pixel_scores(logits[-1], logits.size), mask, 11), mask)
    assert [row["grade"] for row in found["rows"]] == ["easy", "moderate", "hard"]
    assert [row["share"] for row in found["rows"]] == pytest.approx(counts.shares.tolist(), abs=1e-6)
    near = [row["boundary_share"] for row in found["rows"]]
    for share, right in zip(near, counts.boundary_shares.tolist(), strict=True):
        assert share == pytest.approx(right, abs=1e-6) if right == right else share is None
    assert [row["paper"] for row in found["rows"]] == [6.7, 19.0, 68.0]
    assert [row["stage"] for row in found["exits"]] == [1, 2, 3]
    assert sum(row["share"] for row in found["exits"]) == pytest.approx(1, abs=1e-5)
    edges = sum(row["share"] * (row["boundary_share"] or 0) for row in found["exits"])
    assert edges == pytest.approx(float(counts.on_boundary.sum() / counts.counts.sum()), abs=1e-5)
    pixels = torch.stack([dataset[i][1] for i in range(2)])
    weights = [int((pixels == k).sum()) / int((pixels != 11).sum()) for k in range(11)]
    by_class = found["exits_by_class"]
    assert list(by_class) == list(dataset.spec.classes)
    assert [row[0] is None for row in by_class.values()] == [w == 0 for w in weights]
    for row, exits in enumerate(found["exits"]):
        mean = sum(w * (of_class[row] or 0) for w, of_class in zip(weights, by_class.values(), strict=True))
        assert mean == pytest.approx(exits["share"], abs=1e-5)

    monkeypatch.setattr(tables, "_graded", None)  # nothing is graded twice
    assert lcnb(*arguments)[0] == 0
    assert result(home, "F1")["rows"] == found["rows"]
