"""RegionTensor: unmodified modules run on it, or say why they cannot."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet101

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
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_equal_dense(name, x, region):
    got = FUNCTIONS[name](RegionTensor.from_dense(x, region))
    torch.testing.assert_close(got.features, rows(FUNCTIONS[name](x), region))


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


def test_autocast_convolves_in_low_precision(x, region):
    conv = nn.Conv2d(C, 4, 3, padding=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = conv(RegionTensor.from_dense(x, region))
    assert got.dtype == torch.bfloat16
    expected = conv(torch.where(region.mask[:, None], x, 0))
    torch.testing.assert_close(got.features.float(), rows(expected, region), atol=0.05, rtol=0.05)
    got.features.float().sum().backward()
    assert conv.weight.grad.dtype == torch.float32


@pytest.mark.slow
@pytest.mark.parametrize("name", ["layer3", "layer4"])
def test_torchvision_resnet_runs_unmodified(name):
    torch.manual_seed(0)
    net = resnet101(weights=None, replace_stride_with_dilation=[False, True, True]).eval()
    blocks = getattr(net, name)[1:]
    x = torch.randn(1, 1024 if name == "layer3" else 2048, 9, 8)
    with torch.inference_mode():
        expected = blocks(x)
        got = blocks(RegionTensor.from_dense(x, Region.full(1, 9, 8))).to_dense()
    scale = expected.abs().max()
    torch.testing.assert_close(got / scale, expected / scale, atol=1e-5, rtol=0)


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
    "mean": (lambda t: t.mean((2, 3)), "mean .*every cell"),
    "attention": (lambda t: F.scaled_dot_product_attention(t, t, t), "attention"),
    "dense_operand": (lambda t: t + torch.zeros(B, C, H, W), "from_dense"),
    "per_column": (lambda t: t + torch.zeros(W), "from_dense"),
    "other_region": (lambda t: t + RegionTensor(torch.zeros(1, C), one_cell()), "different regions"),
    "data": (lambda t: t.data, "features"),
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


def test_wrong_shapes_are_explained(x, region):
    with pytest.raises(ValueError, match="does not lie on the region's grid"):
        RegionTensor.from_dense(x[:, :, :3], region)
    with pytest.raises(ValueError, match="one row per active cell"):
        RegionTensor(torch.zeros(3, C), region)
    with pytest.raises(ValueError, match="expects 4 channels"):
        nn.Conv2d(4, 4, 1)(RegionTensor.from_dense(x, region))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = RegionTensor.from_dense(x, region).nothing


def test_restrict_keeps_the_rows_of_the_smaller_region(x):
    full = RegionTensor.from_dense(x, Region.full(B, H, W))
    part = Region(random_mask((B, H, W), 0.3))
    assert full.restrict(part).features.equal(RegionTensor.from_dense(x, part).features)
