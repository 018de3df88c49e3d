"""The baselines have the shapes, parameters and costs of what was published."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lcnb.models.baselines import BASELINES, DPN, Adelaide, FCN8s, baseline
from lcnb.models.baselines.dpn import FALL_OFF, local_product
from lcnb.models.baselines.resnet import resnet
from lcnb.models.cost import count_macs

COUNTS = {
    # GMAC at 512 x 512 with 21 classes, and 10^6 parameters (134.4 and 44.5 are the paper's table 6).
    "fcn-8s": (190.4, 134.5),
    "segnet": (163.1, 29.4),
    "dpn": (652.5, 134.5),
    "adelaide": (279.8, 67.7),
    "deeplab-v2": (183.2, 44.0),
}


pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.mark.parametrize("name", BASELINES)
def test_cost_and_parameters(name):
    gmac, parameters = COUNTS[name]
    assert on_meta(lambda: baseline(name)) == pytest.approx(gmac, rel=0.005)
    with torch.device("meta"):
        network = baseline(name)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(parameters, rel=0.005)


@pytest.mark.parametrize("size", [(64, 64), (51, 70), (33, 96)])
@pytest.mark.parametrize("name", BASELINES)
def test_output_shape(name, size):
    torch.manual_seed(0)
    out = baseline(name, 5, 0.03)(torch.rand(2, 3, *size))
    coarse = tuple(-(-side // 8) for side in size)
    assert out.shape == (2, 5, *(coarse if name in ("adelaide", "deeplab-v2") else size))
    assert out.isfinite().all()


def on_meta(build):
    with torch.device("meta"):
        return count_macs(build(), torch.empty(1, 3, 512, 512)) / 1e9


def test_variants_that_the_docstrings_name():
    assert on_meta(lambda: DPN(pairwise=False)) == pytest.approx(591.9, rel=1e-3)
    assert on_meta(lambda: FCN8s(padding=1)) == pytest.approx(111.3, rel=1e-3)
    assert on_meta(lambda: Adelaide(depth=101)) == pytest.approx(215.9, rel=1e-3)


def test_fcn_with_little_padding_keeps_the_size():
    assert FCN8s(4, 0.03, padding=1).eval()(torch.rand(1, 3, 50, 61)).shape == (1, 4, 50, 61)


def naive(scores, picture, window):
    """Pixel by pixel."""
    out = torch.zeros_like(scores)
    height, width = scores.shape[2:]
    for y in range(height):
        for x in range(width):
            for v in range(max(0, y - window // 2), min(height, y - window // 2 + window)):
                for u in range(max(0, x - window // 2), min(width, x - window // 2 + window)):
                    apart = (picture[:, :, y, x] - picture[:, :, v, u]).square().sum(1, keepdim=True)
                    out[:, :, y, x] += (1 - FALL_OFF * apart).relu() * scores[:, :, v, u]
    return out / window**2


@pytest.mark.parametrize("window", [1, 4, 5])
@pytest.mark.parametrize("size", [(5, 6), (17, 19)])
def test_local_product_is_pixel_by_pixel(size, window):
    generator = torch.Generator().manual_seed(0)
    scores, picture = torch.rand(2, 3, *size, generator=generator), torch.rand(2, 3, *size, generator=generator)
    found = local_product(scores, picture, window)
    torch.testing.assert_close(found, naive(scores, picture, window), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_local_product_is_counted_as_what_it_means(device):
    scores, picture = torch.rand(1, 4, 20, 24, device=device), torch.rand(1, 3, 20, 24, device=device)
    with FlopCounterMode(display=False) as counter:
        local_product(scores, picture, 6)
    assert counter.get_total_flops() == 2 * 4 * 20 * 24 * 36


def test_unknown_names():
    with pytest.raises(KeyError, match="no baseline is named 'unet'; there are fcn-8s"):
        baseline("unet")
    with pytest.raises(ValueError, match="depth 50, 101, 152; got 18"):
        resnet(18, 1)


def test_counting_works_in_inference_mode():
    """Multiply-adds counted in inference mode, where torch 2.4 counts none: the same number."""
    layer, x = torch.nn.Conv2d(3, 4, 3), torch.rand(1, 3, 10, 12)
    with torch.inference_mode():
        inside = count_macs(torch.nn.Conv2d(3, 4, 3), x.clone())
    assert inside == count_macs(layer, x) == 3 * 4 * 9 * 8 * 10
