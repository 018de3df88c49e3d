"""`lcnb sweep`: a curve of thresholds by one command, for shipped weights and for torchvision's network."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lcnb import models
from lcnb.cli.evaluate import ADAPTIVE
from lcnb.datasets import spec
from lcnb.models import split


@pytest.fixture
def voc(home, monkeypatch):
    """A VOC of two images, and fcn_resnet50 as a tiny network of two stages with VOC's classes."""
    root = home / "real" / "voc2012"
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name, size in (("a", (40, 56)), ("b", (48, 40))):
        Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8)).save(
            root / "JPEGImages" / f"{name}.jpg"
        )
        mask = Image.fromarray(generator.integers(0, 21, size, dtype=np.uint8))
        mask.save(root / "SegmentationClass" / f"{name}.png")
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("a\nb\n")
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
    code, out, error = lcnb("sweep", *arguments, "--json", "out/voc.json")
    assert (code, error) == (0, "")
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
    assert "cells left at 1 / 2, true" in out
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
    code, out, error = lcnb("eval", "--model", "fcn_resnet50", "--rho", "0.05", "--json", "x.json")
    assert (code, error) == (0, "")
    assert "cells left at stage 1 / 2 " in out
    found = json.loads((voc / "x.json").read_text())
    lcnb("sweep", "--model", "fcn_resnet50", "--rho", "0.05", "--json", "y.json")
    (point,) = json.loads((voc / "y.json").read_text())["points"]
    for name in ("miou", "exits", "gmacs_per_image", "iou"):
        assert point["true"][name] == found[name]


def test_shipped_weights_and_default_thresholds(lcnb, data, home):
    code, out, error = lcnb("sweep", "--weights", "tiny", "--limit", "1", "--json", "x.json")
    assert (code, error) == (0, "")
    found = json.loads((home / "x.json").read_text())
    assert found["images"] == 1
    assert {1.0, 0.985, 0.8} <= {p["rho"] for p in found["points"]}
    assert "tiny on camvid val: 1 images" in out
    assert "cells left at 1 / 2 / 3, true" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--weights", "tiny", "--model", "fcn_resnet50"], 2, "not allowed with argument --weights"),
        (["--model", "fcn"], 2, "invalid choice: 'fcn'"),
        (["--weights", "tiny", "--rho", "0.5", "2"], 2, "2 is no number between 0 and 1"),
        (["--model", "fcn_resnet50", "--dataset", "camvid"], 1, "fcn_resnet50 knows 21 classes"),
        (["--model", "fcn_resnet50"], 1, "PASCAL VOC 2012 is not here"),
        (["--weights", "other"], 1, "other knows 4 classes"),
    ],
)
def test_refuses(lcnb, data, monkeypatch, arguments, code, words):
    def small(cascade=None):
        net = models.irnet_lc(21, width=0.05, blocks=(1, 1, 1))
        net.meta = {"name": "fcn_resnet50"}
        return net

    monkeypatch.setitem(models.ADAPTIVE, "fcn_resnet50", small)
    result = lcnb("sweep", *arguments)
    assert result[:2] == (code, "")
    assert words in result[2]
    assert result[2].count("\n") == 1


def test_the_command_line_knows_the_networks_without_torch():
    assert set(ADAPTIVE) == set(models.ADAPTIVE)
