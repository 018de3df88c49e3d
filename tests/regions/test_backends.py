"""Every backend passes the contract; what one does not declare, `gather` runs."""

import importlib

import pytest
import torch
from torch import nn

from lcnb.regions import Region, RegionTensor, backends, gather, register, use_backend
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


GROUPINGS = pytest.mark.parametrize(("outputs", "groups"), [(16, 1), (16, 16), (32, 16), (8, 8), (16, 4)])


def convolved(conv, features, region):
    """Results and gradients of features and weight, for a gradient of ones."""
    given = features.clone().requires_grad_()
    conv.zero_grad()
    out = conv(RegionTensor(given, region)).features
    out.backward(torch.ones_like(out))
    return out.detach(), given.grad, conv.weight.grad.clone()


@GROUPINGS
@pytest.mark.parametrize(("dtype", "rounding"), [(torch.bfloat16, 2.4e-3), (torch.float16, 3e-4)])
def test_16_bit_sums_lose_no_more_than_the_rounding(outputs, groups, dtype, rounding, monkeypatch):
    monkeypatch.setattr(gather, "BLOCK_BYTES", 1)  # the smallest blocks, so that many are added
    monkeypatch.setattr(gather, "POSITION_BYTES", 1 << 13)
    torch.manual_seed(0)
    conv = nn.Conv2d(16, outputs, 3, padding=1, groups=groups, bias=False).to(dtype)
    region = Region(random_mask((1, 100, 100), 0.9))
    features = torch.rand(len(region), 16).to(dtype)  # of one sign: the sums grow, small terms would be lost
    found = convolved(conv, features, region)
    for got, exact in zip(found, convolved(conv.double(), features.double(), region), strict=True):
        assert got.dtype == dtype
        assert (got.double() - exact).norm() < rounding * exact.norm()  # of 1.7e-3 and 2.1e-4 when rounded once


@GROUPINGS
def test_autocast_changes_no_sum(outputs, groups):
    torch.manual_seed(0)
    conv = nn.Conv2d(16, outputs, 3, padding=1, groups=groups, bias=False)
    region = Region(random_mask((2, 9, 9)))
    features = torch.randn(len(region), 16).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = convolved(conv, features, region)
    expected = convolved(conv.bfloat16(), features, region)
    for got, want in zip(found, expected, strict=True):
        torch.testing.assert_close(got, want.to(got.dtype), atol=0, rtol=0)


@GROUPINGS
def test_backward_keeps_the_features_and_not_their_columns(outputs, groups):
    conv = nn.Conv2d(16, outputs, 5, padding=2, groups=groups, bias=False)
    region = Region(random_mask((2, 9, 9)))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        conv(RegionTensor(torch.randn(len(region), 16, requires_grad=True), region))
    assert sum(t.numel() for t in kept if t.is_floating_point()) == len(region) * 16 + conv.weight.numel()


@pytest.mark.parametrize(("outputs", "groups"), [(16, 16), (8, 4)])
def test_grouped_convolutions_are_operators(outputs, groups):
    table = Region(random_mask((1, 5, 5))).neighbours((3, 3))
    features, slope = torch.randn(len(table), 16), torch.randn(len(table), outputs)
    weight = torch.randn(outputs, 16 // groups, 3, 3)
    torch.library.opcheck(gather.grouped_conv, (features, weight, table, groups))
    torch.library.opcheck(gather.grouped_conv_weight_gradient, (features, slope, table, groups, [3, 3]))
