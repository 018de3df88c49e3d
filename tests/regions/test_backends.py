"""Every backend passes the contract; what one does not declare, `gather` runs."""

import importlib

import pytest
import torch
from torch import nn

from lcnb.regions import Region, RegionTensor, backends, register, use_backend
from lcnb.regions.gather import GatherBackend
from tests.regions.contract import BackendContract, random_mask

registry = importlib.import_module("lcnb.regions.backends")  # the package has a function of that name


class TestGather(BackendContract):
    backend = "gather"


class TestReference(BackendContract):
    backend = "reference"


def test_unknown_backend_lists_the_known_ones():
    with pytest.raises(KeyError, match=r"'cudnn'.*gather, reference"), use_backend("cudnn"):
        pass


class Narrow(GatherBackend):
    """Declares float32 without groups, and notes every call."""

    name, dtypes, grouped = "narrow", frozenset({torch.float32}), False

    def __init__(self):
        self.calls = 0

    def conv2d(self, *args):
        self.calls += 1
        return super().conv2d(*args)


@pytest.mark.parametrize(
    ("dtype", "groups", "taken"),
    [(torch.float32, 1, True), (torch.float64, 1, False), (torch.bfloat16, 1, False), (torch.float32, 2, False)],
)
def test_gather_takes_over_outside_the_declaration(dtype, groups, taken, monkeypatch):
    monkeypatch.setattr(registry, "_BACKENDS", dict(registry._BACKENDS))  # gone again after the test
    narrow = Narrow()
    register(narrow)
    conv = nn.Conv2d(4, 4, 3, padding=1, groups=groups).to(dtype)
    x = RegionTensor.from_dense(torch.randn(1, 4, 5, 5, dtype=dtype), Region(random_mask((1, 5, 5))))
    expected = conv(x).features
    with use_backend("narrow"):
        got = conv(x).features
    assert narrow.calls == int(taken)
    torch.testing.assert_close(got, expected)
    assert "narrow" in backends()


@pytest.mark.parametrize(("dtype", "groups"), [(torch.float16, 1), (torch.float32, 2)])
def test_reference_leaves_half_precision_and_groups_to_gather(monkeypatch, dtype, groups):
    seen = []
    run = GatherBackend.conv2d
    monkeypatch.setattr(GatherBackend, "conv2d", lambda self, *a: seen.append(a) or run(self, *a))
    conv = nn.Conv2d(4, 4, 3, padding=1, groups=groups).to(dtype)
    with use_backend("reference"):
        conv(RegionTensor.from_dense(torch.randn(1, 4, 5, 5, dtype=dtype), Region(random_mask((1, 5, 5)))))
    assert len(seen) == 1
