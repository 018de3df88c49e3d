"""A tiny data set, a tiny network, and runs of a few steps on them."""

import csv
import dataclasses
import functools
import signal

import pytest

from lcnb import paths
from lcnb.models import irnet_lc
from lcnb.models.networks import NETWORKS
from lcnb.training import TrainConfig
from tests.datasets import trees

SMALL = TrainConfig(
    dataset="camvid", width=0.05, steps=6, batch=2, crop=(32, 40), warmup=2, dropout=0.1, amp=False, log_every=1,
    save_every=3, lr=1e-3, ema=0.9,
)  # fmt: skip


def quiet(line):
    """Takes a line of progress and keeps it to itself."""


def rows(folder):
    """The log of a run."""
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def timeless(folder):
    """The log of a run without what differs from run to run."""
    return [{k: v for k, v in row.items() if k != "images_per_s"} for row in rows(folder)]


def shallow_irnet():
    """IRNet with one block a stage."""
    return dataclasses.replace(NETWORKS["irnet"], build=functools.partial(irnet_lc, blocks=(1, 1, 1)))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Five training and two validation images, found as `camvid`."""
    monkeypatch.setattr(paths, "checkout", lambda: None)
    monkeypatch.setenv("LCNB_DATA", str(tmp_path / "data"))
    return trees.camvid(tmp_path / "data" / "camvid", {"train": 5, "val": 2})


@pytest.fixture
def small(data, monkeypatch):
    """A six-step configuration; networks have one block a stage."""
    monkeypatch.setitem(NETWORKS, "irnet", shallow_irnet())
    return SMALL


@pytest.fixture
def ctrl_c():
    """Python's own handler for Ctrl-C, which a test runner in the background may not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
