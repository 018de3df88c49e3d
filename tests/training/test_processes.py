"""Two processes train as one does: the same samples, averaged gradients, added counts; only the first writes."""

import subprocess
import sys

import pytest
import torch

from lcnb.training import TrainConfig, Trainer, TrainingError, load_checkpoint
from lcnb.training.network import new_network
from lcnb.training.processes import Processes
from lcnb.weights import save
from tests.training.conftest import quiet, timeless

OPTIONS = {
    "dataset": ["camvid"],
    "width": ["0.05"],
    "steps": ["0"],
    "cascade-steps": ["4"],
    "batch": ["4"],
    "crop": ["32", "40"],
    "log-every": ["2"],
    "save-every": ["2"],
    "rho": ["0.3"],
    "no-amp": [],
}


def train(*arguments, launcher=()):
    options = [text for name, values in OPTIONS.items() for text in (f"--{name}", *values)]
    command = [sys.executable, *launcher, "-m", "lcnb", "train", *options, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[:6000]
    return done.stdout


@pytest.mark.slow
def test_two_processes_equal_one(data, tmp_path):
    """Batch-norm is frozen in the second step, so nothing but the order of additions differs."""
    torch.manual_seed(3)
    config = TrainConfig(dataset="camvid", width=0.05)
    meta = {"dataset": "camvid", "classes": list("abcdefghijk"), "ignore_index": 11, "rho": 0.3, "licence": "none"}
    save(new_network(config, 11), tmp_path / "start", meta)
    one, two = tmp_path / "one", tmp_path / "two"
    train("--init", tmp_path / "start", "--out", one)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    said = train("--init", tmp_path / "start", "--out", two, launcher=torchrun)
    assert said.count("step      4 of 4") == 1
    first, second = (load_checkpoint(f / "checkpoint.pt") for f in (one, two))
    for name, value in first["model"].items():
        torch.testing.assert_close(second["model"][name], value, atol=2e-5, rtol=1e-3)
    for a, b in zip(timeless(one), timeless(two), strict=True):
        assert a.keys() == b.keys()
        assert a["step"] == b["step"]
        assert float(b["loss"]) == pytest.approx(float(a["loss"]), rel=1e-3)
    scores = [k for k in timeless(one)[-1] if k.startswith("miou")]
    assert [float(timeless(two)[-1][k]) for k in scores] == pytest.approx(
        [float(timeless(one)[-1][k]) for k in scores], abs=2e-3
    )


def test_a_batch_that_cannot_be_shared_is_refused(small, tmp_path, monkeypatch):
    monkeypatch.setattr(
        Processes, "__init__", lambda self, device: self.__dict__.update(count=3, number=0, device=device)
    )
    with pytest.raises(TrainingError, match="batch 2 cannot be shared evenly by 3 processes"):
        Trainer(small, tmp_path, say=quiet)
