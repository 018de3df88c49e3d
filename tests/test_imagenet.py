"""A start from timm's checkpoint: every value in its place, heads untouched, and each misuse said in one sentence."""

import dataclasses

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from lcnb import WeightsError, imagenet, paths, weights
from lcnb.models import irnet_lc
from lcnb.models.variants import VARIANTS
from lcnb.training import TrainConfig, TrainingError, network

BLOCKS = (1, 1, 2)


@pytest.fixture(autouse=True)
def shallow(monkeypatch):
    """timm's network with one block of each kind (and its last): the files of the whole one have 220 MB."""
    defaults = {**VARIANTS["timm"].defaults, "blocks": BLOCKS}
    monkeypatch.setitem(VARIANTS, "timm", dataclasses.replace(VARIANTS["timm"], defaults=defaults))
    monkeypatch.setattr(paths, "checkout", lambda: None)


@pytest.fixture(scope="module")
def state():
    net = timm.create_model("inception_resnet_v2", num_classes=3)
    for name in ("repeat", "repeat_1", "repeat_2"):
        setattr(net, name, getattr(net, name)[:1])
    return {k: torch.randn_like(v) if v.is_floating_point() else v + 7 for k, v in net.state_dict().items()}


@pytest.fixture(scope="module")
def file(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("timm") / "model.safetensors"
    save_file(state, path)
    yield path
    path.unlink()


def cascade(**knobs):
    return irnet_lc(4, **{"variant": "timm", **knobs})


def refused(net, path, text):
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(WeightsError, match=text) as caught:
        imagenet.start(net, path)
    assert "\n" not in str(caught.value)
    assert all(v.equal(before[k]) for k, v in net.state_dict().items())


def test_every_value_has_its_place_and_heads_stay(state, file):
    net = cascade()
    heads = {k: v.clone() for k, v in net.heads.state_dict().items()}
    assert imagenet.start(net, file) is net
    assert all(v.equal(heads[k]) for k, v in net.heads.state_dict().items())
    got = net.state_dict()
    for ours, theirs in {
        "stages.0.0.0.0.weight": "conv2d_1a.conv.weight",
        "stages.0.0.5.1.running_var": "conv2d_4a.bn.running_var",
        "stages.0.0.7.branches.3.1.0.weight": "mixed_5b.branch3.1.conv.weight",
        "stages.0.1.branches.branches.1.1.0.weight": "repeat.0.branch1.1.conv.weight",
        "stages.0.2.branches.1.2.1.bias": "mixed_6a.branch1.2.bn.bias",
        "stages.1.0.up.bias": "repeat_1.0.conv2d.bias",
        "stages.1.1.branches.2.2.0.weight": "mixed_7a.branch2.2.conv.weight",
        "stages.2.1.up.weight": "block8.conv2d.weight",
        "stages.2.2.1.num_batches_tracked": "conv2d_7b.bn.num_batches_tracked",
    }.items():
        assert got[ours].equal(state[theirs]), ours
    sums = sorted(float(v.double().sum()) for k, v in got.items() if k.startswith("stages."))
    expected = sorted(float(v.double().sum()) for k, v in state.items() if not k.startswith("classif"))
    assert sums == pytest.approx(expected, rel=1e-9, abs=1e-9)  # added up in another order


@pytest.mark.parametrize("under", [None, "state_dict", "model"])
def test_a_pickled_state_dict_without_counters(under, state, tmp_path):
    old = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    torch.save(old if under is None else {under: old, "epoch": 3}, tmp_path / "old.pth")
    net = imagenet.start(cascade(), tmp_path / "old.pth")
    assert net.stages[2][2][0].weight.equal(state["conv2d_7b.conv.weight"])
    (tmp_path / "old.pth").unlink()


def changed(state, path, **tensors):
    save_file({k: v for k, v in {**state, **tensors}.items() if v is not None}, path)
    return path


def test_files_that_do_not_fit(state, tmp_path):
    net, path = cascade(), tmp_path / "x.safetensors"
    refused(net, tmp_path / "none.pth", r"none\.pth does not exist; it should be a checkpoint of timm's inception_resn")
    refused(net, changed({"layer1.weight": torch.ones(2)}, path), r"1 tensors are not of it, layer1\.weight for one")
    gone = {"conv2d_2b.bn.bias": None, "classif.weight": None}
    refused(net, changed(state, path, **gone), r"1 tensors are missing, stages\.0\.0\.2\.1\.bias for one")
    wide = {"conv2d_1a.conv.weight": torch.ones(32, 1, 3, 3)}
    refused(net, changed(state, path, **wide), r"stages\.0\.0\.0\.0\.weight is \(32, 1, 3, 3\), not \(32, 3, 3, 3\)")
    bad = {"block8.conv2d.bias": torch.full((2080,), torch.nan)}
    refused(net, changed(state, path, **bad), r"not finite, in stages\.2\.1\.up\.bias; fetch it again")
    path.write_bytes(b"nothing")
    refused(net, path, "is damaged or no checkpoint")
    torch.save(nn.Linear(1, 1), tmp_path / "module.pth")
    refused(net, tmp_path / "module.pth", "holds more than tensors, which is not run; save it as safetensors")
    path.unlink()


def test_networks_that_it_does_not_fit(file):
    refused(
        irnet_lc(4, 0.05),
        file,
        "for --network irnet-timm or lite0 only: the paper's 5/10/5 network has no",
    )
    refused(
        cascade(width=0.05), file, r"with 10/20/10 blocks at width 1 \(--width 1\), not 1/1/2 blocks at width 0\.05"
    )
    refused(cascade(blocks=(1, 1, 1)), file, r"not 1/1/1 blocks at width 1")


def test_training_starts_from_it(state, file):
    config = TrainConfig(network="irnet-timm", width=1.0, init=str(file))
    net = network.new_network(config, 4)
    assert net.stages[2][2][0].weight.equal(state["conv2d_7b.conv.weight"])
    with pytest.raises(WeightsError, match="for --network irnet-timm or lite0 only"):
        network.new_network(dataclasses.replace(config, network="irnet"), 4)
    with pytest.raises(TrainingError, match="network is one of irnet, irnet-timm, lite0; got keras"):
        dataclasses.replace(config, network="keras")


def test_what_is_a_checkpoint_from_elsewhere(file, tmp_path):
    net = cascade(width=0.05)
    ours = weights.save(net, tmp_path / "ours", {"classes": list("abcd")})
    assert imagenet.is_checkpoint(file)
    assert imagenet.is_checkpoint(tmp_path / "not-there.pth")
    assert not imagenet.is_checkpoint(ours)
    assert not imagenet.is_checkpoint(tmp_path / "ours")
    assert not imagenet.is_checkpoint("camvid-small")
    (tmp_path / "bad.safetensors").write_bytes(b"x")
    with pytest.raises(WeightsError, match="is damaged or no safetensors file"):
        imagenet.is_checkpoint(tmp_path / "bad.safetensors")
