"""A module as a reader writes it: a function that builds a cascade of a network of their own."""

import sys

import pytest

SOURCE = '''
"""Networks of my own."""

import torch
from torch import nn

import lcnb


def build(num_classes, stages=2, dilation=1):
    """The grid is that of stage 1."""
    parts = [nn.Sequential(nn.Conv2d(3, 8, 3, 8, 1), nn.BatchNorm2d(8), nn.ReLU())]
    for _ in range(stages - 1):
        conv = nn.Conv2d(8, 8, 3, padding=dilation, dilation=dilation)
        parts.append(nn.Sequential(conv, nn.BatchNorm2d(8), nn.ReLU()))
    names = [str(s) for s in range(stages)]
    return lcnb.split(nn.Sequential(*parts), names, num_classes=num_classes, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


def no_cascade():
    return nn.Conv2d(3, 8, 3)


def broken():
    raise KeyError("oops")


def other(num_classes, stages=2):
    cascade = build(num_classes, stages)
    cascade.heads[-1] = nn.Conv2d(8, num_classes, 1)
    return cascade
'''


@pytest.fixture
def my_nets(tmp_path, monkeypatch):
    """The folder of a module `my_nets` that is not imported yet."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "my_nets.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield folder
    sys.modules.pop("my_nets", None)
