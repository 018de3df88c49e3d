"""`lcnb train` and `lcnb weights pack`: from nothing to weights that load."""

import ast
import dataclasses
import json

import pytest
import torch

import lcnb as package
from lcnb.cli import parser
from lcnb.cli.train import changed, settings, settings_options
from lcnb.training import PRESETS, TrainConfig

TINY = ["--width", "0.05", "--batch", "1", "--crop", "24", "32", "--log-every", "1", "--save-every", "1", "--no-amp"]


def test_every_field_of_the_settings_is_an_option_with_a_help_text():
    options = {names[0]: settings for names, settings in settings_options()}
    for field in dataclasses.fields(TrainConfig):
        assert len(options.pop(f"--{field.name.replace('_', '-')}")["help"]) > 10
    assert not options


def test_each_option_sets_its_field_as_given():
    values = {"str": "x", "int": "3", "float": "0.5", "tuple[int, int]": "3 4", "tuple[float, float]": "0.5 0.75"}
    values |= {"tuple[float, ...]": "1 2 3", "tuple[str, ...]": "x", "str | None": "x:x", "float | None": "2.5"}
    fields = [f for f in dataclasses.fields(TrainConfig) if f.type != "bool"]
    words = " ".join(f"--{f.name.replace('_', '-')} {values[f.type]}" for f in fields)
    found = changed(parse("train --out r --no-amp --no-freeze-norm --freeze-backbone-norm", words))
    assert found == {
        **{f.name: literal(values[f.type], f.type.startswith("tuple")) for f in fields},
        "amp": False, "freeze_norm": False, "freeze_backbone_norm": True,
    }  # fmt: skip


def literal(text, several):
    words = tuple(word if "x" in word else ast.literal_eval(word) for word in text.split())
    return words if several else words[0]


def parse(*words):
    return parser().parse_args(" ".join(words).split())


def test_settings_start_from_a_preset_and_options_change_it():
    config = settings(parse("train --out r --preset camvid-small --steps 7 --crop 10 20 --no-amp"))
    assert config == dataclasses.replace(PRESETS["camvid-small"], steps=7, crop=(10, 20), amp=False)
    assert settings(parse("train --out r --dataset voc2012 --val-every 0")) == TrainConfig(dataset="voc2012")


def test_help_lists_the_presets(lcnb):
    out = lcnb("train", "--help")[1]
    assert "streets-small     streets, width 0.25, 2600 + 500 steps" in out


def test_train_resume_pack(lcnb, data, home):
    out = lcnb.ok("train", "--dataset", "camvid", "--steps", "2", "--out", "runs/x", *TINY)
    assert "step      2 of 2" in out
    assert "lcnb weights pack runs/x --name NAME" in out

    lcnb.refused("train", "--dataset", "camvid", "--steps", "2", "--out", "runs/x", *TINY, words="add --resume")
    assert lcnb("train", "--resume", "--out", "runs/x")[0] == 0  # settings from the checkpoint; nothing left to do
    assert "holds a run with other settings" in lcnb("train", "--resume", "--steps", "3", "--out", "runs/x")[2]

    pack = ["weights", "pack", home / "runs" / "x", "--name", "mine", "--rho", "0.25", "--out", "data/weights"]
    out = lcnb.ok(*pack)
    assert "data/weights/mine: mIoU 0." in out
    check_folder(home / "data" / "weights" / "mine")

    assert "holds weights already; --force replaces them" in lcnb(*pack)[2]
    before = (home / "data/weights/mine/model.safetensors").stat().st_mtime_ns
    assert lcnb(*pack, "--force", "--licence", "mine alone", "--note", "It began elsewhere.")[0] == 0
    assert (home / "data/weights/mine/README.md").read_text().count("It began elsewhere.") == 1
    assert (home / "data/weights/mine/model.safetensors").stat().st_mtime_ns > before
    assert package.load("mine").meta["licence"] == "mine alone"
    assert sorted(p.name for p in (home / "data" / "weights").iterdir()) == ["mine"]


def test_pack_calibrates(lcnb, data, home):
    lcnb("train", "--dataset", "camvid", "--steps", "1", "--out", "runs/x", *TINY)
    for name, more in (("plain", []), ("even", ["--calibrate", "train"])):
        assert lcnb("weights", "pack", "runs/x", "--name", name, "--out", "data/weights", *more)[0] == 0
    plain, even = package.load("plain"), package.load("even")
    assert plain.meta["metrics"]["calibration"] is None
    told = even.meta["metrics"]["calibration"]
    assert told["split"] == "train"
    for was, now, t in zip(plain.heads, even.heads, told["temperatures"], strict=True):
        assert abs(t - 1) > 1e-3
        torch.testing.assert_close(now[-1].weight * t, was[-1].weight, rtol=2e-3, atol=1e-5)  # kernels are float16
    assert f"divided by {told['temperatures'][0]:g} / " in (home / "data/weights/even/README.md").read_text()
    assert "no split 'trian'" in lcnb("weights", "pack", "runs/x", "--name", "a", "--calibrate", "trian")[2]


def test_a_card_names_what_a_run_began_with_but_no_folder_of_the_machine(lcnb, data, home):
    begin = ["train", "--dataset", "camvid", "--steps", "1", *TINY]
    assert lcnb(*begin, "--out", "runs/x")[0] == 0
    assert lcnb("weights", "pack", "runs/x", "--name", "first", "--out", "elsewhere")[0] == 0
    first = home / "elsewhere" / "first"
    assert lcnb(*begin, "--out", "runs/y", "--init", first, "--teacher", first)[0] == 0
    assert lcnb("weights", "pack", "runs/y", "--name", "second", "--out", "data/weights")[0] == 0
    told = (home / "data/weights/second/README.md").read_text()
    assert "init elsewhere/first" in told
    assert "teacher elsewhere/first" in told
    assert str(home) not in told + (home / "data/weights/second/metrics.json").read_text()


def check_folder(folder):
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "metrics.json", "model.safetensors"]
    metrics = json.loads((folder / "metrics.json").read_text())
    cascade = package.load("mine")
    assert cascade.meta["metrics"] == metrics
    assert (cascade.rho, cascade.meta["dataset"], cascade.meta["licence"]) == (0.25, "camvid", "research use")
    dataset = package.load_dataset("camvid", "val")
    items = [dataset[i] for i in range(len(dataset))]
    for key, rho in (("true", 0.25), ("dense", 1.0)):  # the numbers are those of the stored file
        scores = package.evaluate(cascade, items, classes=dataset.spec.classes, ignore_index=11, rho=rho).as_dict()
        assert metrics[key]["miou"] == scores["miou"]
        assert metrics[key]["rho"] == rho
    assert metrics["stage_miou"][2] == pytest.approx(metrics["dense"]["miou"], abs=1e-3)
    assert metrics["command"] == "lcnb weights pack runs/x --name mine --rho 0.25 --out data/weights"
    assert metrics["recipe"]["steps"] == metrics["steps_done"] == 2
    assert metrics["bytes"] == (folder / "model.safetensors").stat().st_size
    card = (folder / "README.md").read_text()
    for text in ("# mine", "research use", "rho = 0.25", f"{metrics['true']['miou']:.3f}", "steps 2", "crop 24 / 32"):
        assert text in card
    assert str(folder.parents[2]) not in card + json.dumps(metrics)
