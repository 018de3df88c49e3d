"""`lcnb eval` and `lcnb sweep`: the numbers of `lcnb.evaluate` and its `sweep`, with their provenance."""

import itertools
import json

import pytest
import torch
from torch import nn

import lcnb as package
from lcnb import models
from lcnb.benchmark.load import Usage
from lcnb.cli.evaluate import ADAPTIVE, check_classes
from lcnb.datasets import spec
from lcnb.evaluation import evaluate
from lcnb.models import split
from tests.datasets import trees


def direct(data, **options):
    cascade = package.load(str(data / "weights" / "tiny"))
    dataset = package.load_dataset("camvid", "val")
    items = (dataset[i] for i in range(len(dataset)))
    return evaluate(cascade, items, classes=dataset.spec.classes, ignore_index=11, **options).as_dict()


def timeless(result):
    return {k: v for k, v in result.items() if k not in ("ms_per_image", "load")}


@pytest.fixture(autouse=True)
def no_look(monkeypatch):
    monkeypatch.setattr("lcnb.benchmark.load.LOOK", 0)


@pytest.mark.parametrize("mode", ["true", "cached"])
def test_json_holds_what_evaluate_says(lcnb, data, home, mode):
    arguments = ["--dataset", "camvid", "--split", "val", "--rho", "0.3", "--mode", mode, "--json", "out/x.json"]
    out = lcnb.ok("eval", "--weights", "tiny", *arguments)
    found = json.loads((home / "out" / "x.json").read_text())
    about = {
        k: found.pop(k) for k in ("dataset", "split", "weights", "device", "rho", "mode", "halo", "machine", "command")
    }
    assert timeless(found) == timeless(direct(data, rho=0.3, mode=mode))
    assert found["ms_per_image"]["p95"] >= found["ms_per_image"]["p50"] > 0
    machine = about.pop("machine")
    assert about == {
        "dataset": "camvid",
        "split": "val",
        "weights": "tiny",
        "device": "cpu",
        "rho": 0.3,
        "mode": mode,
        "halo": 0,
        "command": f"lcnb eval --weights tiny {' '.join(arguments)}",
    }
    assert {"cpu", "cores", "threads", "torch", "platform", "date"} <= machine.keys()
    assert f"tiny on camvid val: 2 images, {mode} run at rho 0.3" in out
    assert "written to out/x.json" in out


def test_a_busy_machine_is_named(lcnb, data, home, monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr("lcnb.benchmark.load.usage", lambda: Usage(10.0 * next(clock), 0.0, 0.0))
    out = lcnb("eval", "--weights", "tiny", "--limit", "1", "--json", "x.json")[1]
    assert "BUSY, these times mean little: idle for 0% before we began" in out
    assert json.loads((home / "x.json").read_text())["load"]["busy"] is True


def test_table_shows_every_class(lcnb, data):
    out = lcnb("eval", "--weights", "tiny")[1]
    assert "at rho 0.5" in out  # the weights' own, on the data set they name
    for name in package.load_dataset("camvid", "val").spec.classes:
        assert f"\n{name} " in out


def test_a_halo_costs_what_evaluate_says(lcnb, data, home):
    out = lcnb("eval", "--weights", "tiny", "--rho", "0.3", "--halo", "1", "--json", "x.json")[1]
    found = json.loads((home / "x.json").read_text())
    assert found["halo"] == 1
    assert timeless(direct(data, rho=0.3, halo=1)).items() <= found.items()
    assert found["gmacs_per_image"] > direct(data, rho=0.3)["gmacs_per_image"]
    assert "at rho 0.3, with a halo of 1" in out


def test_limit_and_two_thresholds(lcnb, data, home):
    assert lcnb("eval", "--weights", "tiny", "--rho", "0", "1", "--limit", "1", "--json", "x.json")[0] == 0
    found = json.loads((home / "x.json").read_text())
    assert found["images"] == 1
    assert found["rho"] == [0.0, 1.0]
    assert found["exits"] == [1.0, 0.0, 0.0]


def test_same_number_of_other_classes(lcnb, data):
    cascade = package.load("tiny")
    cascade.meta["classes"] = [*cascade.meta["classes"][1:], "Moon"]
    with pytest.raises(package.DataError, match="tiny knows 11 classes"):
        check_classes(cascade, package.load_dataset("camvid", "val").spec)
    cascade.meta.pop("classes")
    check_classes(cascade, package.load_dataset("camvid", "val").spec)


@pytest.fixture
def voc(home, monkeypatch):
    """A VOC of two images, and fcn_resnet50 as a tiny network of two stages with VOC's classes."""
    trees.voc(home / "real" / "voc2012", {"val": 2})
    monkeypatch.setenv("LCNB_DATA", str(home / "real"))

    def tiny():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(3, 8, 3, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        cascade = split(net, ["1", "3"], num_classes=21)
        cascade.config = {"network": "fcn_resnet50", "num_classes": 21}
        cascade.meta = {"name": "fcn_resnet50", "dataset": "voc2012", "classes": list(spec("voc2012").classes)}
        return cascade.eval()

    monkeypatch.setitem(models.ADAPTIVE, "fcn_resnet50", tiny)
    return home


def test_two_stages_on_voc(lcnb, voc):
    arguments = ["--model", "fcn_resnet50", "--dataset", "voc2012", "--split", "val", "--rho", "1", ".05", "0"]
    out = lcnb.ok("sweep", *arguments, "--json", "out/voc.json")
    found = json.loads((voc / "out" / "voc.json").read_text())
    assert (found["weights"], found["dataset"], found["split"], found["images"]) == (
        "fcn_resnet50",
        "voc2012",
        "val",
        2,
    )
    assert found["command"] == f"lcnb sweep {' '.join(arguments)} --json out/voc.json"
    assert {"cpu", "cores", "threads", "torch", "date"} <= found["machine"].keys()
    assert [p["rho"] for p in found["points"]] == [1, 0.05, 0]
    assert [p["true"]["exits"] for p in found["points"]][::2] == [[0, 1], [1, 0]]
    assert found["points"][0]["true"]["reduction"] == 1
    assert found["points"][2]["cached"]["reduction"] > 1
    assert "exits at 1 / 2, true" in out
    assert "written to out/voc.json" in out
    assert str(voc) not in json.dumps(found)


def test_a_halo_runs_more_cells_for_the_same_exits_at_stage_1(lcnb, data, home):
    points = []
    for halo in (0, 1):
        out = lcnb("sweep", "--weights", "tiny", "--rho", "0.3", "--halo", str(halo), "--json", "x.json")[1]
        found = json.loads((home / "x.json").read_text())
        assert found["halo"] == halo
        assert ("with a halo of 1" in out) == bool(halo)
        points += found["points"]
    (without, grown) = points
    assert without["cached"]["miou"] == grown["cached"]["miou"]
    assert without["true"]["exits"][0] == grown["true"]["exits"][0]
    assert without["true"]["gmacs_per_image"] < grown["true"]["gmacs_per_image"]


def test_eval_takes_the_same_network(lcnb, voc):
    out = lcnb.ok("eval", "--model", "fcn_resnet50", "--rho", "0.05", "--json", "x.json")
    assert "exits at stage 1 / 2 " in out
    found = json.loads((voc / "x.json").read_text())
    lcnb("sweep", "--model", "fcn_resnet50", "--rho", "0.05", "--json", "y.json")
    (point,) = json.loads((voc / "y.json").read_text())["points"]
    for name in ("miou", "exits", "gmacs_per_image", "iou"):
        assert point["true"][name] == found[name]


def test_shipped_weights_and_default_thresholds(lcnb, data, home):
    out = lcnb.ok("sweep", "--weights", "tiny", "--limit", "1", "--json", "x.json")
    found = json.loads((home / "x.json").read_text())
    assert found["images"] == 1
    assert {1.0, 0.985, 0.8} <= {p["rho"] for p in found["points"]}
    assert "tiny on camvid val: 1 images" in out
    assert "exits at 1 / 2 / 3, true" in out


def test_the_command_line_knows_the_networks_without_torch():
    assert set(ADAPTIVE) == set(models.ADAPTIVE)
