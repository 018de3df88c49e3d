"""Every backend passes the contract; what one does not declare, `gather` runs."""

import functools
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


SIZES = [(16, 1), (16, 16), (32, 16), (8, 8), (16, 4)]
GROUPINGS = pytest.mark.parametrize(("outputs", "groups"), SIZES)
SUMMED = [
    *(functools.partial(nn.Conv2d, 16, o, k, 1, k // 2, groups=g, bias=False) for o, g in SIZES for k in (1, 3)),
    functools.partial(nn.Linear, 16, 8, bias=False), functools.partial(nn.AvgPool2d, 3, 1, 1),
    functools.partial(nn.AvgPool2d, 3, 1, 1, False, False), functools.partial(nn.MaxPool2d, 3, 1, 1),
]  # fmt: skip


def convolved(layer, features, region):
    """Results and gradients of features and weight, for a positive gradient of the result."""
    given = features.clone().requires_grad_()
    layer.zero_grad()
    out = layer(RegionTensor(given, region, axis=3 if isinstance(layer, nn.Linear) else 1)).features
    slope = torch.rand(out.shape, generator=torch.Generator().manual_seed(1))
    out.backward(slope.bfloat16().to(out.dtype))  # the same number in each dtype
    return out.detach(), given.grad, *(p.grad.clone() for p in layer.parameters())


@pytest.mark.parametrize("make", SUMMED, ids=lambda make: f"{make.func.__name__} {make.args} {make.keywords}")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bit_sums_lose_little_more_than_the_rounding(make, dtype, monkeypatch):
    monkeypatch.setattr(gather, "BLOCK_BYTES", 1)  # the smallest blocks, so that many are added
    monkeypatch.setattr(gather, "POSITION_BYTES", 1 << 13)
    torch.manual_seed(0)
    conv = make().to(dtype)
    region = Region(random_mask((1, 100, 100), 0.9))
    features = torch.rand(len(region), 16).to(dtype)  # of one sign: the sums grow, small terms would be lost
    found = convolved(conv, features, region)
    for got, exact in zip(found, convolved(conv.double(), features.double(), region), strict=True):
        assert got.dtype == dtype
        assert (got.double() - exact).norm() <= 1.5 * (exact.to(dtype).double() - exact).norm()


@GROUPINGS
def test_autocast_changes_no_sum(outputs, groups):
    torch.manual_seed(0)
    conv = nn.Conv2d(16, outputs, 3, padding=1, groups=groups, bias=False)
    region = Region(random_mask((2, 9, 9)))
    features = torch.randn(len(region), 16)
    with torch.autocast("cpu", torch.bfloat16):
        found = convolved(conv, features, region)
    assert [t.dtype for t in found] == [torch.bfloat16, torch.float32, torch.float32]
    expected = convolved(conv.bfloat16(), features.bfloat16(), region)
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
