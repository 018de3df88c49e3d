"""Checkpoints from elsewhere, given to `--init`, `--resume` and `weights pack`: read, and never executed."""

import json
import shutil
import zipfile

import pytest
import torch

from lcnb.errors import WeightsError
from lcnb.imagenet import start
from lcnb.models import irnet_lc
from tests.trust_inputs.files import Payload, pickled


def zipped(path):
    """What `torch.save` writes, around a pickle with a payload."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(path.parent / "ran"))
        archive.writestr("archive/version", "3")


def cut(path):
    torch.save({"a": torch.zeros(100)}, path)
    path.write_bytes(path.read_bytes()[:-60])


CASES = {
    "an empty file": lambda p: p.write_bytes(b""),
    "one byte": lambda p: p.write_bytes(b"x"),
    "an HTML page": lambda p: p.write_bytes(b"<html>404</html>"),
    "half a checkpoint": cut,
    "a folder": lambda p: p.mkdir(),
    "a pickle with a payload": lambda p: p.write_bytes(pickled(p.parent / "ran")),
    "a torch file with a payload": lambda p: torch.save({"state_dict": Payload(p.parent / "ran")}, p),
    "a zip with a payload": zipped,
    "a whole module": lambda p: torch.save(torch.nn.Linear(2, 2), p),
    "a list": lambda p: torch.save([1, 2], p),
    "a number where tensors belong": lambda p: torch.save({"state_dict": {"a": 1.0}}, p),
    "numbers for names": lambda p: torch.save({1: torch.zeros(1)}, p),
    "another network": lambda p: torch.save({"layer.weight": torch.zeros(2, 2)}, p),
    "the first layer, of another shape": lambda p: torch.save({"conv2d_1a.conv.weight": torch.zeros(3)}, p),
    "a sparse tensor": lambda p: torch.save({"conv2d_1a.conv.weight": torch.zeros(3).to_sparse()}, p),
    "a tensor without values": lambda p: torch.save({"conv2d_1a.conv.weight": torch.empty(3, device="meta")}, p),
    "the format before 2020": lambda p: torch.save({"a": torch.zeros(2)}, p, _use_new_zipfile_serialization=False),
}


@pytest.fixture(scope="module")
def network():
    """Shapes only: a checkpoint is refused before any value is copied."""
    with torch.device("meta"):
        return irnet_lc(4, variant="timm")


@pytest.mark.parametrize("kind", CASES)
def test_a_bad_start(kind, network, tmp_path):
    """A start from a checkpoint that is damaged, of another network or armed: refused, nothing of it has run"""
    CASES[kind](tmp_path / "start.pth")
    words = r"start\.pth holds no state dict" if kind == "a list" else r"start\.pth"
    with pytest.raises(WeightsError, match=words) as caught:
        start(network, tmp_path / "start.pth")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "ran").exists()


def test_an_armed_start(refused, data, home):
    """`lcnb train --init` of a checkpoint with a payload: refused, it has not run, and no run was begun"""
    CASES["a torch file with a payload"](home / "start.pth")
    refused(
        "train", "--dataset", "camvid", "--network", "irnet-timm", "--width", 1, "--init", "start.pth", "--out", "run",
        "--steps", 1, words="start.pth",
    )  # fmt: skip
    assert not (home / "ran").exists()


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("command", ["resume", "pack"])
def test_a_bad_run(command, kind, refused, data, home):
    """`lcnb train --resume` and `lcnb weights pack` of a folder with such a checkpoint: refused, nothing has run"""
    (home / "run").mkdir()
    CASES[kind](home / "run" / "checkpoint.pt")
    arguments = {"resume": ["train", "--resume", "--out", "run"], "pack": ["weights", "pack", "run", "--name", "n"]}
    refused(*arguments[command], words="checkpoint.pt")
    assert not (home / "run" / "ran").exists()


SETTINGS = {
    "no JSON": "nope",
    "a list": "[]",
    "nested 100,000 deep": "[" * 100_000,
    "letters for a width": '{"width": "x"}',
    "a width of NaN": '{"width": NaN}',
    "a negative batch": '{"batch": -1}',
    "half a picture a step": '{"batch": 1.5}',
    "a crop of one number": '{"crop": 5}',
    "a crop of letters": '{"crop": ["a", "b"]}',
    "a data set that is a number": '{"dataset": 5}',
    "a start that is a number": '{"init": 5}',
    "true for steps": '{"steps": true}',
    "an arm that is an object": '{"arm": {}}',
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_bad_settings(kind, refused, data, home):
    """`lcnb train --resume` of a folder whose config.json is damaged or absurd: it is named"""
    (home / "run").mkdir()
    (home / "run" / "config.json").write_text(SETTINGS[kind])
    refused("train", "--resume", "--out", "run", words="config.json")


def test_weights_of_other_classes(refused, data, home):
    """`lcnb train --init` of weights for other classes"""
    refused(
        "train",
        "--dataset",
        "camvid",
        "--init",
        "other",
        "--out",
        "run",
        words="the weights other are of another network than irnet with 11 classes",
    )


def test_pack_keeps_inside(refused, data, home):
    """`lcnb weights pack --name ../../x`: the name is no way out of the folder"""
    (home / "run").mkdir()
    shutil.copytree(data / "weights" / "tiny", home / "x")
    (home / "run" / "config.json").write_text(json.dumps({"dataset": "camvid"}))
    for name in ("../x", "/tmp/x", "a/b", "..", "."):
        refused("weights", "pack", "run", "--name", name, words=name, code=2)
