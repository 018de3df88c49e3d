"""RegionTensor: unmodified modules run on it, or say why they cannot."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from timm.layers import LayerNorm2d
from timm.models.convnext import ConvNeXtBlock
from timm.models.res2net import Bottle2neck
from torch import nn
from torchvision.models.convnext import CNBlock

from lcnb.models import lite_lc
from lcnb.regions import Region, RegionOpError, RegionTensor
from tests.regions.contract import random_mask

B, C, H, W = 2, 8, 7, 6


@pytest.fixture
def x():
    return torch.randn(B, C, H, W, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def region():
    return Region(random_mask((B, H, W)))


def rows(dense, region):
    return dense.permute(0, 2, 3, 1)[region.mask]


def test_from_dense_and_back(x, region):
    packed = RegionTensor.from_dense(x, region)
    assert packed.shape == x.shape
    assert (packed.size(1), packed.dim(), packed.ndim, len(packed)) == (C, 4, 4, B)
    assert packed.to_dense().equal(torch.where(region.mask[:, None], x, 0))
    assert packed.to_dense(fill=-3)[~region.mask[:, None].expand_as(x)].eq(-3).all()


def test_gradient_flows_through_packing(x, region):
    x.requires_grad_()
    RegionTensor.from_dense(x, region).to_dense().sum().backward()
    assert x.grad.equal(region.mask[:, None].expand_as(x).float())


POINTWISE = [
    nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.LeakyReLU(), nn.ELU(), nn.GELU(), nn.SiLU(), nn.Hardswish(),
    nn.Hardsigmoid(), nn.Sigmoid(), nn.Tanh(), nn.Softplus(), nn.Mish(), nn.PReLU(C), nn.Dropout().eval(),
    nn.Dropout2d().eval(), nn.Softmax(1), nn.Softmax(dim=-3), nn.LogSoftmax(1), nn.Identity(),
    nn.BatchNorm2d(C).eval(),
]  # fmt: skip


@pytest.mark.parametrize("module", POINTWISE, ids=lambda m: type(m).__name__)
def test_cell_by_cell_modules_equal_dense(module, x, region):
    got = module(RegionTensor.from_dense(x.clone(), region))
    torch.testing.assert_close(got.features, rows(module(x.clone()), region))


FUNCTIONS = {
    "add": lambda t: t + t,
    "add_alpha": lambda t: torch.add(t, t, alpha=0.1),
    "scalar": lambda t: 2 * t - 1,
    "rsub": lambda t: 1 - t,
    "div": lambda t: t / 3,
    "neg": lambda t: -t,
    "mul": lambda t: t * torch.sigmoid(t),
    "method": lambda t: t.relu().mul(2).clamp(max=1).contiguous(),
    "per_channel": lambda t: t * torch.arange(float(C)).view(1, C, 1, 1) + torch.ones(C, 1, 1),
    "per_image": lambda t: t * torch.arange(float(B * C)).view(B, C, 1, 1),
    "one_number": lambda t: t * torch.tensor([[[[2.0]]]]),
    "cat": lambda t: torch.cat([t, 2 * t], dim=1),
    "cat_dense_first": lambda t: torch.cat((t, t), -3),
    "max": lambda t: torch.maximum(t, 0 * t),
    "double": lambda t: t.double().to(torch.float32),
    "left_tensor": lambda t: torch.tensor(2.0) * t,
    "number_of_torch": lambda t: torch.tensor(3.0) - t / torch.tensor(2.0, dtype=torch.float64),
    "number_of_numpy": lambda t: np.float32(2) * t + t * np.float64(0.3) - np.int64(1),
    "power": lambda t: t**2 + 2**t + torch.pow(t, 3) + t.pow(np.float32(2)),
    "inverse": lambda t: 1 / (t * t + 1) + (t.abs() + 1).reciprocal() + np.float32(2) / (abs(t) + 1),
    "root": lambda t: torch.rsqrt(t * t + 1) * (t.exp() + 1).log().sqrt(),
    "compare": lambda t: ((t > 0) & (t < 1)) | ~(t >= -1) | (t == 0) | (t != t) | (torch.tensor(1.0) <= t),
    "where": lambda t: torch.where(t > 0, t, 0.1 * t),
    "masked": lambda t: t.masked_fill(t.mean(1, keepdim=True) < 0, -1.0),
    "bounded": lambda t: torch.minimum(t.clamp(-1, 1), torch.max(-t, t * 0.5)),
    "mean": lambda t: t.mean(1, keepdim=True),
    "mean_of_list": lambda t: t * torch.mean(input=t, dim=[-3], keepdim=True).expand_as(t),
    "sum": lambda t: torch.sum(t, -3, True),
    "amax": lambda t: t.amax(dim=1, keepdim=True) - t.amin((1,), keepdim=True),
    "largest": lambda t: torch.max(t, 1, keepdim=True).values,
    "place": lambda t: t.max(1, keepdim=True).indices + t.argmin(1, keepdim=True),
    "var": lambda t: torch.var(t, 1, False, True) + sum(torch.var_mean(t, dim=1, keepdim=True)),
    "norm": lambda t: F.normalize(t) + t.norm(dim=1, keepdim=True),
    "slice": lambda t: t[:, 2:5] + t[:, 1::3] * t[..., 3:4, :, :] - t[:, [5, 1, 0]],
    "chunks": lambda t: torch.chunk(t, 2, 1)[1] - t.tensor_split(2, dim=1)[0] + t.narrow(1, 3, 4),
    "split": lambda t: torch.cat([*torch.split(t, [3, 5], dim=1), *t.split(3, 1)][::-1], 1),
    "index_select": lambda t: t.index_select(1, torch.tensor([7, 0, 0])),
    "of_its_kind": lambda t: t * t.new_ones(B, 1, 1, 1) + torch.zeros_like(t, memory_format=torch.preserve_format),
    "last_norm": lambda t: F.layer_norm(t.permute(0, 2, 3, 1), (C,), torch.arange(float(C))).movedim(-1, 1),
    "last_linear": lambda t: F.linear(t.movedim(1, 3), LINEAR, torch.ones(5)).permute([0, 3, 1, 2]),
    "last_scale": lambda t: torch.permute(F.gelu(torch.arange(float(C)) * t.permute(0, 2, 3, 1)), (0, 3, 1, 2)),
    "last_parts": lambda t: torch.cat(t.permute(0, 2, 3, 1)[..., :6].chunk(3, -1), -1).softmax(3).permute(0, 3, 1, 2),
    "last_glu": lambda t: F.glu(t.permute(0, 2, 3, 1) - t.permute(0, 2, 3, 1).mean(-1, True)).permute(0, 3, 1, 2),
    "last_rms": lambda t: F.rms_norm(t.permute(0, 2, 3, 1), (C,)).permute(0, 1, 2, 3).permute(0, 3, 1, 2),
}
LINEAR = torch.linspace(-1, 1, 5 * C).view(5, C)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_equal_dense(name, x, region):
    results = [FUNCTIONS[name](v) for v in (RegionTensor.from_dense(x.requires_grad_(), region), x)]
    assert results[0].shape == results[1].shape
    got, expected = results[0].features, rows(results[1], region)
    torch.testing.assert_close(got, expected)
    if expected.requires_grad:
        slopes = [torch.autograd.grad(r.square().sum(), x)[0] for r in (got, expected)]
        torch.testing.assert_close(*slopes)


def test_a_number_may_need_a_gradient(x, region):
    number, slopes = nn.Parameter(torch.tensor(2.0)), []
    for value, read in ((RegionTensor.from_dense(x, region), lambda t: t.features), (x, lambda t: rows(t, region))):
        out = read(number * value + number / (value**2 + number))
        slopes += torch.autograd.grad(out.square().sum(), number)
    torch.testing.assert_close(*slopes)


def test_a_view_with_the_channels_last(x, region):
    last = RegionTensor.from_dense(x, region).permute(0, 2, 3, 1)
    dense = torch.where(region.mask[:, None], x, 0).permute(0, 2, 3, 1)
    assert last.shape == dense.shape
    assert last.to_dense().equal(dense)
    assert last.restrict(region).shape == dense.shape


def test_attributes_that_are_not_there(x, region):
    packed = RegionTensor.from_dense(x, region)
    assert [hasattr(packed, name) for name in ("relu", "data", "grad", "nothing")] == [True, False, False, False]
    assert getattr(packed, "grad", 3) == 3
    assert (packed == None) is False  # noqa: E711
    assert len({packed, packed}) == 1


class ByHand(nn.Module):
    """Layer norm as networks write it, on channels that come first."""

    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.rand(16)), nn.Parameter(torch.rand(16))

    def forward(self, x):
        mean = x.mean(1, keepdim=True)
        square = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(square + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


BLOCKS = {
    "res2net": lambda: Bottle2neck(64, 16, base_width=26, norm_layer=nn.BatchNorm2d),
    "res2net_first": lambda: Bottle2neck(16, 4, downsample=nn.Conv2d(16, 16, 1), norm_layer=nn.BatchNorm2d, scale=2),
    "torchvision_convnext": lambda: CNBlock(16, 0.5, 0.0),
    "timm_convnext": lambda: ConvNeXtBlock(16, ls_init_value=0.5),
    "timm_convnext_of_convolutions": lambda: ConvNeXtBlock(16, conv_mlp=True, norm_layer=LayerNorm2d),
    "by_hand": ByHand,
    "lite0": lambda: nn.Sequential(*lite_lc(4).stages[1:]),
}
CHANNELS = {"res2net": 64, "lite0": 112}


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_of_others_equal_dense(name, share):
    """Densely, a region convolution's zeros outside are a mask in front of each layer that looks at neighbours."""
    torch.manual_seed(0)
    block, mask = BLOCKS[name]().double().eval(), random_mask((B, H, W), share)
    x = torch.randn(B, CHANNELS.get(name, 16), H, W, dtype=torch.float64, requires_grad=True)
    given = [x, *block.parameters()]
    got = block(RegionTensor.from_dense(x, Region(mask))).features
    for module in block.modules():
        if isinstance(module, (nn.Conv2d, nn.AvgPool2d)):
            module.register_forward_pre_hook(lambda _, args: (args[0] * mask[:, None],))
    expected = rows(block(x), Region(mask))
    torch.testing.assert_close(got, expected)
    for slopes in zip(*(torch.autograd.grad(r.square().sum(), given) for r in (got, expected)), strict=True):
        torch.testing.assert_close(*slopes)


def test_dropped_paths_are_those_of_an_image(region):
    torch.manual_seed(0)
    block, x = ConvNeXtBlock(C, drop_path=0.5), RegionTensor(torch.ones(len(region), C), region)
    kept = [(block(x).features != 1).any(1) for _ in range(20)]
    assert {tuple(k[region.image == i].float().mean().item() for i in range(B)) for k in kept} > {(0, 1), (1, 0)}


def test_in_place_methods_change_the_tensor(x, region):
    packed = RegionTensor.from_dense(x, region)
    same = packed.relu_()
    assert same is packed
    assert (packed.features >= 0).all()
    before = packed.features.clone()
    packed += packed
    assert packed.features.equal(2 * before)


def test_batch_norm_statistics_are_those_of_the_active_cells(x, region):
    norm, plain = nn.BatchNorm2d(C), nn.BatchNorm1d(C)
    packed = RegionTensor.from_dense(x, region)
    torch.testing.assert_close(norm(packed).features, plain(packed.features))
    torch.testing.assert_close(norm.running_var, plain.running_var)
    empty = RegionTensor.from_dense(x, Region(torch.zeros_like(region.mask)))
    mean = norm.running_mean.clone()
    assert norm(empty).features.shape == (0, C)
    assert norm.running_mean.equal(mean)


def test_batch_norm_of_a_single_cell_takes_the_running_statistics(x, region):
    """In training a region may shrink to one cell, which has no variance: plain batch-norm raises there."""
    norm, mask = nn.BatchNorm2d(C), torch.zeros_like(region.mask)
    mask[0, 1, 1] = True
    norm(x)  # so that they are not those of a new layer
    mean, var = norm.running_mean.clone(), norm.running_var.clone()
    got = norm(RegionTensor.from_dense(x, Region(mask))).features
    assert norm.training
    torch.testing.assert_close(got[0], norm.eval()(x)[0, :, 1, 1])
    assert norm.running_mean.equal(mean)
    assert norm.running_var.equal(var)


def test_dropout2d_drops_whole_channels_of_an_image(region):
    torch.manual_seed(0)
    ones = RegionTensor(torch.ones(len(region), 64), region)
    dropped = F.dropout2d(ones, 0.5, True)
    for image in range(B):
        values = dropped.features[region.image == image]
        assert (values == values[0]).all()
        assert set(values[0].tolist()) == {0.0, 2.0}


REFUSED = {
    "stride": (nn.Conv2d(C, C, 3, stride=2, padding=1), "conv2d .*stride .*to_dense"),
    "valid": (nn.Conv2d(C, C, 3), r"padding=\(1, 1\)"),
    "even": (nn.Conv2d(C, C, 2, padding=1), "odd sides"),
    "reflect": (nn.Conv2d(C, C, 3, padding=1, padding_mode="reflect"), "pad .*zero padding"),
    "transposed": (nn.ConvTranspose2d(C, C, 3, padding=1), "conv_transpose2d .*to_dense"),
    "upsample": (nn.Upsample(scale_factor=2), "interpolate .*to_dense"),
    "pool_stride": (nn.MaxPool2d(2), "max_pool2d .*stride"),
    "pool_indices": (nn.MaxPool2d(3, 1, 1, return_indices=True), "return_indices"),
    "avg_stride": (nn.AvgPool2d(3), "avg_pool2d .*stride"),
    "global": (nn.AdaptiveAvgPool2d(1), "adaptive_avg_pool2d .*every cell"),
    "group_norm": (nn.GroupNorm(2, C), "group_norm .*statistics"),
    "flatten": (nn.Flatten(), "flatten .*layout"),
    "softmax_space": (nn.Softmax(2), "channels"),
    "cat_batch": (lambda t: torch.cat([t, t]), "cat .*channels"),
    "mean": (lambda t: t.mean((2, 3)), "a mean over space needs every cell; reduce .*dim=1"),
    "mean_of_all": (lambda t: t.mean(), "mean .*every cell"),
    "var_of_all": (lambda t: t.var(True), "reduction over space"),
    "grn": (lambda t: ConvNeXtBlock(C, use_grn=True)(t), "norm .*a reduction over space needs every cell"),
    "no_axis": (lambda t: t.mean(1), "mean .*keepdim=True"),
    "rows_of_map": (lambda t: t.split(2, 2), "split .*channels .*not dim=2"),
    "one_channel": (lambda t: t[:, 0], "getitem .*x\\[:, i : i \\+ 1\\]"),
    "some_rows": (lambda t: t[:, :, 1:], "getitem .*restrict"),
    "one_image": (lambda t: t[0], "getitem .*restrict"),
    "cells": (lambda t: t[t > 0], "getitem .*restrict"),
    "cells_of_a_map": (lambda t: torch.zeros(B, C, H, W)[t > 0], "getitem .*restrict"),
    "too_many": (lambda t: t[:, :, :, :, None], "getitem .*restrict"),
    "write": (lambda t: t.__setitem__(t > 0, 0), "setitem .*torch.where"),
    "places": (lambda t: torch.where(t > 0), "where .*to_dense"),
    "truth": (bool, "torch.where"),
    "unbind": (lambda t: t.unbind(1), r"unbind .*split\(1, dim=1\)"),
    "transposed_grid": (lambda t: t.permute(0, 1, 3, 2), r"permute\(0, 2, 3, 1\)"),
    "moved_twice": (lambda t: t.permute(0, 2, 3, 1).permute(0, 2, 3, 1), r"permute\(0, 3, 1, 2\)"),
    "linear": (nn.Linear(W, W), r"linear .*permute\(0, 2, 3, 1\)"),
    "layer_norm": (nn.LayerNorm(W), r"layer_norm .*permute\(0, 2, 3, 1\)"),
    "layer_norm_of_map": (lambda t: nn.LayerNorm((H, W, C))(t.permute(0, 2, 3, 1)), "layer_norm .*3 axes"),
    "last_conv": (lambda t: nn.Conv2d(C, C, 1)(t.permute(0, 2, 3, 1)), r"conv2d .*permute\(0, 3, 1, 2\)"),
    "last_norm": (lambda t: nn.BatchNorm2d(C)(t.permute(0, 2, 3, 1)), r"batch_norm .*permute\(0, 3, 1, 2\)"),
    "last_and_first": (lambda t: t + t.permute(0, 2, 3, 1), r"add .*permute\(0, 3, 1, 2\)"),
    "last_per_row": (lambda t: t.permute(0, 2, 3, 1) * torch.ones(C, 1, 1), "from_dense"),
    "more_images": (lambda t: t * torch.ones(B + 1, 1, 1, 1), "from_dense"),
    "attention": (lambda t: F.scaled_dot_product_attention(t, t, t), "attention"),
    "dense_operand": (lambda t: t + torch.zeros(B, C, H, W), "from_dense"),
    "per_column": (lambda t: t + torch.zeros(W), "from_dense"),
    "other_region": (lambda t: t + RegionTensor(torch.zeros(1, C), one_cell()), "different regions"),
    "data": (lambda t: t.data, "features"),
    "numpy_function": (lambda t: t.numpy(), "numpy .*features"),
    "unknown": (torch.fft.fft2, "fft_fft2 .*to_dense"),
}


def one_cell():
    mask = torch.zeros(B, H, W, dtype=torch.bool)
    mask[0, 0, 0] = True
    return Region(mask)


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_meaning_names_the_operation_and_the_way_out(name, x, region):
    operation, text = REFUSED[name]
    with pytest.raises(RegionOpError, match=text):
        operation(RegionTensor.from_dense(x, region))


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (
            ValueError,
            "does not lie on the region's grid",
            lambda t: RegionTensor.from_dense(t.to_dense()[:, :, :3], t.region),
        ),
        (ValueError, "one row per active cell", lambda t: RegionTensor(torch.zeros(3, C), t.region)),
        (ValueError, "expects 4 channels", nn.Conv2d(4, 4, 1)),
        (
            ValueError,
            "linear with a weight of shape .* got 8 channels",
            lambda t: nn.Linear(4, 4)(t.permute(0, 2, 3, 1)),
        ),
        (AttributeError, "no attribute 'nothing'", lambda t: t.nothing),
    ],
)
def test_wrong_shapes_are_explained(error, words, call, x, region):
    packed = RegionTensor.from_dense(x, region)
    with pytest.raises(error, match=words):
        call(packed)


def test_restrict_keeps_the_rows_of_the_smaller_region(x):
    full = RegionTensor.from_dense(x, Region.full(B, H, W))
    part = Region(random_mask((B, H, W), 0.3))
    assert full.restrict(part).features.equal(RegionTensor.from_dense(x, part).features)
