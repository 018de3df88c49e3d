"""The cascade on Inception-ResNet-v2 is timm's network: the same numbers at stride 32, the same weights at stride 8."""

import pytest
import timm
import torch
from torch import nn

from lcnb.models import irnet_lc
from lcnb.models.inception import from_timm, inception_stages
from lcnb.models.irnet import IRNetConfig, initialise
from lcnb.regions import Region, RegionTensor
from tests.conftest import used
from tests.models.conftest import randomised

SHALLOW = (2, 2, 2)


def theirs(blocks=(10, 20, 10)):
    """timm's network with random weights and norms, in float64; with fewer blocks of each kind where asked."""
    torch.manual_seed(0)
    net = timm.create_model("inception_resnet_v2", num_classes=10)
    for name, count in zip(("repeat", "repeat_1", "repeat_2"), (*blocks[:2], blocks[2] - 1), strict=True):
        setattr(net, name, getattr(net, name)[:count])
    initialise(net)
    return randomised(net).double()


def backbone(state, blocks, **how):
    """Our three stages one behind the other with timm's values, every one of which has its place."""
    stages, _ = inception_stages(IRNetConfig(blocks=blocks, dilation=how.pop("dilation", (1, 1, 1))), **how)
    holder = nn.Module()
    holder.stages = nn.ModuleList(stages).double()
    holder.load_state_dict(from_timm(state, blocks))
    return nn.Sequential(*stages).eval()


@torch.inference_mode()
@pytest.mark.parametrize("blocks", [SHALLOW, (10, 20, 10)])
def test_features_equal_timms_at_stride_32(blocks):
    net = theirs(blocks)
    ours = backbone(net.state_dict(), blocks, output_stride=32, same=False)
    x = torch.randn(1, 3, 139, 171, dtype=torch.float64)
    expected = net.forward_features(x)
    got = ours(x)
    assert got.shape == expected.shape == (1, 1536, 3, 4)
    assert expected.std() > 0.01
    torch.testing.assert_close(got, expected, atol=1e-8, rtol=1e-8)
    single = ours.float()(x.float())
    torch.testing.assert_close(single.double(), expected, atol=1e-4 * float(expected.abs().max()), rtol=1e-4)


@torch.inference_mode()
def test_dilated_at_stride_8_it_computes_the_strided_network_at_more_places():
    """Every fourth cell of the stride-8 network is one of the stride-32 one, to the last digit, at the rim too."""
    state = theirs(SHALLOW).state_dict()
    dilated = backbone(state, SHALLOW, dilation=(1, 2, 4))
    strided = backbone(state, SHALLOW, output_stride=32)
    x = torch.randn(1, 3, 200, 261, dtype=torch.float64)
    dense = dilated(x)
    assert dense.shape == (1, 1536, 25, 33)
    torch.testing.assert_close(dense[:, :, ::4, ::4], strided(x), atol=1e-8, rtol=1e-8)


def test_channels_blocks_and_parameters():
    with torch.device("meta"):
        cascade = irnet_lc(variant="timm").eval()
        timms = timm.create_model("inception_resnet_v2", num_classes=0)
    x, shapes = torch.empty(1, 3, 512, 512, device="meta"), []
    for stage in cascade.stages:
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(1088, 64, 64), (2080, 64, 64), (1536, 64, 64)]
    assert [len(s) for s in cascade.stages] == [1 + 10 + 1, 20 + 1, 10 + 1]
    assert sum(p.numel() for p in cascade.stages.parameters()) == sum(p.numel() for p in timms.parameters())
    assert cascade.config["network"] == "irnet_lc-timm"


@pytest.fixture(scope="module")
def narrow():
    torch.manual_seed(0)
    return used(irnet_lc(5, 0.06, variant="timm", blocks=(1, 2, 2)), 4)


@torch.inference_mode()
def test_it_is_a_cascade_like_the_other(narrow):
    x = torch.rand(2, 3, 65, 90)
    dense, out = narrow.all_stages(x), narrow(x, 0.6)
    torch.testing.assert_close(narrow(x, 1.0).logits, dense[2], atol=1e-4, rtol=1e-4)
    assert narrow.mean.flatten().tolist() == [0.5] * 3
    assert out.stage.shape == (2, 9, 12)
    assert (out.exits.sum(0) > 0).sum() >= 2
    full = RegionTensor.from_dense(features := narrow.stages[0](narrow.normalise(x)), Region.full(2, 9, 12))
    torch.testing.assert_close(narrow.stages[1](full).to_dense(), narrow.stages[1](features), atol=1e-4, rtol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("rho", [0.0, 0.6, 1.0])
def test_it_runs_fused(narrow, rho):
    x = torch.rand(2, 3, 65, 90)
    expected, got = narrow(x, rho), narrow.for_inference()(x, rho)
    torch.testing.assert_close(got.logits, expected.logits, atol=1e-4, rtol=1e-4)
    assert got.stage.equal(expected.stage)


def test_refuses_another_variant_or_stride():
    with pytest.raises(ValueError, match="variant is one of paper, timm; got 'keras'"):
        irnet_lc(variant="keras")
    with pytest.raises(ValueError, match="output_stride is 8 or 32, got 16"):
        inception_stages(IRNetConfig(), output_stride=16)
