"""The fused form gives the answers of the modules, for every region, and skips what nobody needs."""

import psutil
import pytest
import torch
from torch import nn

from lcnb.models import LayerCascade, irnet_lc
from lcnb.models.fused import FusionError
from lcnb.regions import Region, RegionTensor
from lcnb.regions import rows as fused
from tests.regions.contract import random_mask

RHOS = [0.0, 0.5, 0.6, 0.7, 1.0, (1.0, 0.5), (0.6, 1.0)]

pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.mark.parametrize("halo", [0, 1])
@pytest.mark.parametrize("rho", RHOS, ids=str)
def test_equals_the_modules(small_cascade, x, rho, halo):
    expected = small_cascade(x, rho, halo=halo)
    got = small_cascade.for_inference()(x, rho, halo=halo)
    torch.testing.assert_close(got.logits, expected.logits, atol=1e-4, rtol=1e-4)
    assert got.stage.equal(expected.stage)
    assert got.labels.equal(expected.labels)
    assert got.work.equal(expected.work)
    torch.testing.assert_close(got.confidence, expected.confidence, atol=1e-5, rtol=1e-5)


def test_equals_the_modules_at_full_depth_with_dilation(x):
    torch.manual_seed(1)
    net = irnet_lc(7, width=0.06, dilation=(1, 2, 4), dropout=0.3)
    for _ in range(5):
        net.train().all_stages(torch.rand(2, 3, 64, 64))
    net.eval()
    got = net.for_inference().all_stages(x)
    for mine, theirs in zip(got, net.all_stages(x), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-3)
    assert got.size == (96, 120)


def test_sizes_may_change_from_call_to_call(small_cascade):
    fast = small_cascade.for_inference()
    for size in [(64, 80), (7, 9), (64, 80), (1, 1)]:
        image = torch.rand(1, 3, *size)
        torch.testing.assert_close(fast(image, 0.6).logits, small_cascade(image, 0.6).logits, atol=1e-4, rtol=1e-4)


def test_bfloat16_agrees_nearly_everywhere(small_cascade, x):
    got = small_cascade.for_inference(torch.bfloat16)(x, 1.0)
    assert got.confidence.dtype == torch.float32
    assert (got.labels == small_cascade(x, 1.0).labels).float().mean() > 0.95


def test_a_classifier_whose_threshold_is_one_is_not_run(small_cascade, x, monkeypatch):
    fast = small_cascade.for_inference()

    def explode(*_):
        raise AssertionError("a classifier that nobody needs ran")

    heads = list(fast.heads)
    monkeypatch.setattr(fast, "heads", [explode, explode, heads[2]])
    assert (fast(x, 1.0).stage == 2).all()
    monkeypatch.setattr(fast, "heads", [heads[0], explode, explode])
    assert (fast(x, 0.0).stage == 0).all()


def test_later_changes_of_the_weights_do_not_reach_it(x):
    net = irnet_lc(3, width=0.05, blocks=(1, 1, 1)).eval()
    fast = net.for_inference()
    before = fast(x, 1.0).logits
    for parameter in net.parameters():
        parameter.zero_()
    assert fast(x, 1.0).logits.equal(before)
    assert net(x, 1.0).logits.eq(0).all()


def test_other_networks_are_refused_by_name():
    net = LayerCascade([nn.AvgPool2d(8)], [nn.Conv2d(3, 2, 1)])
    with pytest.raises(FusionError, match="irnet_lc"):
        net.for_inference()


LAYERS = {
    "product": (lambda c: fused.Product(c.weight[:, :, 0, 0], c.bias, True), 1, 1),
    "gathered": (lambda c: fused.Gathered(c.weight, c.bias, (1, 1), True), 3, 1),
    "gathered dilated": (lambda c: fused.Gathered(c.weight, c.bias, (2, 2), True), 3, 2),
    "projected": (lambda c: fused.Projected(c.weight, c.bias, (1, 1), True), 5, 1),
}


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("prepacked", [True, False])
def test_layers_equal_convolution_and_relu(name, share, prepacked, monkeypatch):
    if not prepacked:
        monkeypatch.setattr(fused, "_prepacked", lambda weight: None)
    build, kernel, dilation = LAYERS[name]
    conv = nn.Conv2d(12, 10, kernel, padding=dilation * (kernel // 2), dilation=dilation)
    dense, region = torch.randn(2, 12, 30, 28), Region(random_mask((2, 30, 28), share))  # more rows than one block
    packed = RegionTensor.from_dense(dense, region)
    rows = fused.with_tail(len(region), 12, dense)
    rows[:-1] = packed.features
    out = torch.full((len(region), 14), 7.0)
    build(conv).into(rows, region, out[:, 2:12])
    torch.testing.assert_close(out[:, 2:12], conv(packed).relu().features, atol=1e-4, rtol=1e-4)
    assert (out[:, [0, 1, 12, 13]] == 7).all()


def test_maximum_of_negative_features():
    region = Region(random_mask((1, 30, 30), 0.4))
    packed = RegionTensor(-1 - torch.rand(len(region), 5), region)
    rows = fused.with_tail(len(region), 5, packed.features)
    rows[:-1] = packed.features
    out = torch.empty(len(region), 5)
    fused.Maximum((3, 3), (1, 1), 5).into(rows, region, out)
    assert out.equal(nn.MaxPool2d(3, 1, 1)(packed).features)
    assert (rows[-1] == 0).all()


def test_a_new_region_in_every_picture_takes_no_memory():
    """oneDNN would keep a compiled product for every layer and every number of rows."""
    fused, generator = irnet_lc(4, width=0.125).eval().for_inference(), torch.Generator().manual_seed(1)
    pixels = torch.rand(1, 3, 192, 240, generator=torch.Generator().manual_seed(0))

    def run(pictures):
        for _ in range(pictures):
            fused(pixels, 0.5, criterion=lambda logits: torch.rand(1, *logits.shape[2:], generator=generator))

    run(2)
    before = psutil.Process().memory_info().rss
    run(20)
    assert psutil.Process().memory_info().rss - before < 30e6
