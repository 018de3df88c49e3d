"""Any network in stages: the same answers, and clear words where it cannot be cut."""

import copy
import urllib.error

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from timm.layers import DropBlock2d, DropPath, SEModule
from torch import nn
from torchvision.models import resnet101
from torchvision.models.segmentation import FCN_ResNet50_Weights, FCN_ResNet101_Weights, fcn_resnet50

import lcnb
from lcnb.datasets import spec
from lcnb.models import LayerCascade, SplitError, adaptive_fcn_resnet50, adaptive_fcn_resnet101, cascade_cost, split
from lcnb.models.backbones import ADAPTIVE
from lcnb.weights import save
from tests.regions.contract import random_mask

CUTS = ["layer3.10", "layer3", "layer4"]


def calm(net):
    """Random residual networks blow up; scale the last norm of each block, so that numbers stay small."""
    for name, module in net.named_modules():
        if name.endswith("bn3"):
            nn.init.constant_(module.weight, 0.2)
    return net.eval()


@pytest.fixture(scope="module")
def x():
    return torch.rand(2, 3, 64, 72, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return calm(resnet101(weights=None, replace_stride_with_dilation=[False, True, True]))


@pytest.fixture(scope="module")
def cascade(resnet):
    torch.manual_seed(1)
    return split(resnet, CUTS, num_classes=5)


@pytest.fixture(scope="module")
def fcn():
    torch.manual_seed(0)
    return calm(fcn_resnet50(weights=None, weights_backbone=None, num_classes=21, aux_loss=True))


@pytest.fixture(scope="module")
def adaptive(fcn):
    """As with torchvision's weights, but they are random."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FCN_ResNet50_Weights, "get_state_dict", lambda self, **options: fcn.state_dict())
        return adaptive_fcn_resnet50()


def middle_rho(cascade, x):
    """A threshold that about half of the cells pass at exit 1."""
    return float(cascade.all_stages(x)[0].detach().softmax(1).amax(1).median())


def close(a, b):
    scale = b.abs().max()
    torch.testing.assert_close(a / scale, b / scale, atol=2e-5, rtol=0)


@torch.inference_mode()
def test_resnet101_at_rho_one_is_the_dense_network(resnet, cascade, x):
    features = resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(cascade.normalise(x)))))
    features = resnet.layer4(resnet.layer3(resnet.layer2(resnet.layer1(features))))
    expected = cascade.heads[2](features)
    assert expected.shape == (2, 5, 8, 9)
    close(cascade.all_stages(x)[2], expected)
    close(cascade(x, rho=1).logits, expected)
    assert not cascade.training


@torch.inference_mode()
def test_later_stages_run_on_the_region_only(cascade, x, monkeypatch):
    seen, rho = [], middle_rho(cascade, x)
    for module in [*cascade.stages[1:], *cascade.heads[1:]]:
        forward = module.forward
        monkeypatch.setattr(module, "forward", lambda t, forward=forward: seen.append(len(t.region)) or forward(t))
    out = cascade(x, rho=(rho, 1))
    monkeypatch.undo()
    assert out.exits[:, 1].eq(0).all()
    assert seen == [int((out.stage > 0).sum())] * 4
    assert 0 < seen[0] < out.stage.numel()
    left = (out.stage == 0)[:, None].expand_as(out.logits)
    assert out.logits[left].equal(cascade.all_stages(x)[0][left])


def test_blocks_are_the_original_ones(resnet, cascade):
    assert cascade.stages[0].get_submodule("layer3.10") is resnet.layer3[10]
    assert cascade.stages[1].get_submodule("layer3.11.conv2") is resnet.layer3[11].conv2
    shared = {p.data_ptr() for p in resnet.parameters()} - {p.data_ptr() for p in resnet.fc.parameters()}
    assert shared == {p.data_ptr() for p in cascade.stages.parameters()}
    imagenet = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    assert cascade.config == {"network": "split", "num_classes": 5, "names": CUTS, **imagenet}
    twin = copy.deepcopy(cascade)
    assert twin.stages[0].get_submodule("layer3.10") is not resnet.layer3[10]


def test_cost_is_that_of_the_parts(cascade):
    cost = cascade_cost(cascade, 64, 64)
    cells, block = 8 * 8, 1024 * 256 + 9 * 256 * 256 + 256 * 1024
    assert cost.stages[1] == 12 * block * cells
    assert cost.heads[2] == (9 * 2048 * 512 + 512 * 5) * cells


@torch.inference_mode()
def test_pretrained_fcn_gives_torchvisions_labels_at_rho_one(fcn, adaptive, x):
    expected = fcn(adaptive.normalise(x))
    out = adaptive(x, rho=1)
    assert out.exits.tolist() == [[0, 1]] * 2
    assert out.labels.shape == expected["out"].argmax(1).shape
    assert (out.labels == expected["out"].argmax(1)).float().mean() > 0.999
    assert (adaptive(x, rho=0).labels == expected["aux"].argmax(1)).float().mean() > 0.999
    half = adaptive(x, rho=middle_rho(adaptive, x))
    assert 0.2 < float(half.exits[:, 0].mean()) < 0.8
    assert half.work.shape == (2, 2)


def test_pretrained_fcn_knows_the_classes_of_voc(adaptive):
    about = spec("voc2012")
    assert tuple(adaptive.meta["classes"]) == about.classes
    assert (adaptive.meta["dataset"], adaptive.meta["ignore_index"]) == ("voc2012", about.ignore_index)
    assert adaptive.meta["weights"] == "FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1"
    assert FCN_ResNet101_Weights.DEFAULT.meta["categories"] == FCN_ResNet50_Weights.DEFAULT.meta["categories"]


@torch.inference_mode()
def test_fcn_resnet101_end_to_end(x):
    cascade = lcnb.adaptive_fcn_resnet101(weights=None)
    assert cascade.meta["name"] == "fcn_resnet101"
    assert cascade(x[:1], rho=0.9).labels.shape == (1, 64, 72)
    cost = cascade_cost(cascade, 520, 520)
    assert cost.dense / 1e9 == pytest.approx(FCN_ResNet101_Weights.DEFAULT.meta["_ops"], rel=0.01)


def failing(error):
    def get(self, **options):
        assert options["weights_only"]
        raise error

    return get


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (urllib.error.URLError("no route to host"), "could not fetch .*fcn_resnet101_coco.*no route.*put the file at"),
        (
            RuntimeError('invalid hash value (expected "7ecb50ca", got "1")'),
            "are damaged .invalid hash.*remove the file",
        ),
        (EOFError(), "are damaged .EOFError"),
    ],
)
def test_weights_that_do_not_arrive(error, words, monkeypatch):
    monkeypatch.setattr(FCN_ResNet101_Weights, "get_state_dict", failing(error))
    monkeypatch.setattr("torchvision.models.segmentation.fcn_resnet101", lambda **options: fcn_resnet50(**options))
    with pytest.raises(lcnb.WeightsError, match=words):
        adaptive_fcn_resnet101()


def test_weights_of_another_network(monkeypatch):
    monkeypatch.setattr(FCN_ResNet50_Weights, "get_state_dict", lambda self, **options: {"a": torch.zeros(1)})
    with pytest.raises(lcnb.WeightsError, match="do not fit the network"):
        adaptive_fcn_resnet50()
    with pytest.raises(lcnb.WeightsError, match="no weights 'BEST' for fcn_resnet50; take \"COCO_WITH"):
        adaptive_fcn_resnet50("BEST")
    with pytest.raises(lcnb.WeightsError, match="no weights"):
        adaptive_fcn_resnet50(FCN_ResNet101_Weights.DEFAULT)


def test_prepared_for_inference_it_gives_the_same(adaptive):
    x, fast = torch.rand(1, 3, 64, 80), adaptive.for_inference()
    for rho in (0.5, 1.0):
        torch.testing.assert_close(fast(x, rho).logits, adaptive(x, rho).logits, atol=1e-3, rtol=1e-3)


def test_what_only_irnet_can_is_refused_by_name(adaptive, tmp_path):
    with pytest.raises(lcnb.WeightsError, match="irnet_lc"):
        save(adaptive, tmp_path / "a", {})


class Plain(nn.Module):
    """Functions between modules, a parameter of its own, a module that runs twice, a classifier of images behind."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.two = nn.Conv2d(8, 8, 3, padding=1)
        self.scale = nn.Parameter(torch.rand(1, 8, 1, 1))
        self.act = nn.ReLU()
        self.three = nn.Conv2d(8, 6, 1)
        self.down = nn.Conv2d(6, 6, 3, 2, 1)
        self.fc = nn.Linear(6, 2)

    def forward(self, x, scale=2.0):
        x = self.stem(x)
        x = self.act(self.two(x) * self.scale) + x
        x = self.three(self.act(x))
        return self.fc(self.down(torch.relu(x)).mean((2, 3)))


class Skipping(Plain):
    def forward(self, x):
        first = self.stem(x)
        return self.three(self.two(first) + first)


class Undecided(Plain):
    def forward(self, x):
        x = self.stem(x)
        return self.two(x) if x.mean() > 0 else self.three(x)


@torch.inference_mode()
def test_functions_and_parameters_between_modules(x):
    net = Plain().eval()
    cascade = split(net, ["stem", "three"], num_classes=4)
    a = net.stem(cascade.normalise(x))
    expected = net.three(net.act(net.act(net.two(a) * net.scale) + a))
    close(cascade.stages[1](cascade.stages[0](cascade.normalise(x))), expected)
    close(cascade(x, 1).logits, cascade.heads[1](expected))
    assert split(net, ["three"], num_classes=4)(x).exits.tolist() == [[1], [1]]


class Changing(Plain):
    """Changes maps in place, as a statement and at the end, and drops what a function is told to in training."""

    def forward(self, x, mask=None, *, keep=1.0):
        x = self.stem(x) if mask is None else x * mask
        x = self.two(x)
        F.relu_(x)
        x = F.dropout(self.act(x), keep / 2, self.training)
        x = self.three(x)
        x += 1
        return nn.Module() if x.mean() > 0 else None  # what is behind the last cut does not matter


class Mode(Plain):
    def forward(self, x):
        x = self.stem(x)
        if self.training:
            x = x + 1
        return self.three(x)


class Checked(Undecided):
    """As in segmentation_models_pytorch, whose check of the size depends on values."""

    requires_divisible_input_shape = True


def vgg():
    """A cut behind each convolution, whose activation writes into its result."""
    torch.manual_seed(0)
    parts = [nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*parts, nn.Conv2d(8, 6, 1))


def writing_heads(inplace=True):
    torch.manual_seed(1)
    return [nn.Sequential(nn.ReLU(inplace=inplace), nn.Conv2d(c, 4, 1)) for c in (8, 8, 6)]


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("inference", [False, True])
def test_what_writes_into_its_input_gets_a_copy(x, by_hand, inference):
    net, pure = vgg(), vgg()
    pure[1].inplace = pure[3].inplace = False
    stages = [net[:1], net[1:3], net[3:]]
    cascade = LayerCascade(stages, writing_heads()) if by_hand else split(net, ["0", "2", "4"], heads=writing_heads())
    expected = split(pure, ["0", "2", "4"], heads=writing_heads(inplace=False))
    assert any(m.inplace for m in cascade.modules() if isinstance(m, nn.ReLU))
    assert cascade.training
    with torch.inference_mode(inference):
        for _ in range(2):  # the first run finds out which parts write
            for got, wanted in zip(cascade.all_stages(x), expected.all_stages(x), strict=True):
                assert torch.equal(got, wanted)
            rho = middle_rho(expected, x)
            for limits in (1, (rho, 1), rho):
                assert torch.equal(cascade(x, limits).logits, expected(x, limits).logits)
    for maps in () if inference else (cascade.all_stages(x), cascade.stages_on_regions(x, rho)[0]):
        sum(m.square().mean() for m in maps).backward()
    assert inference or all(p.grad is not None for p in cascade.parameters())


def test_a_trace_follows_modes_statements_and_defaults(x):
    torch.manual_seed(0)
    net = Changing().eval()
    cascade = split(net, ["stem", "three"], num_classes=4)
    a = F.relu(net.two(net.stem(cascade.normalise(x))))
    run = cascade.stages[1]
    with torch.no_grad():
        close(run(cascade.stages[0](cascade.normalise(x))), net.three(net.act(a)))
        features = cascade.stages[0](cascade.normalise(x))
        for module in (cascade.train(), copy.deepcopy(cascade)):
            assert not torch.equal(module.stages[1](features), module.stages[1](features))
        assert torch.equal(cascade.eval().stages[1](features), run(features))
    with pytest.raises(SplitError, match=r"another way in training.*test_split.py:\d+, `if self.training:`"):
        split(Mode(), ["stem", "three"], num_classes=4)


class Random(nn.Module):
    """A residual block that drops at random in training, with an operation of its own there."""

    def __init__(self, drop):
        super().__init__()
        self.conv, self.drop = nn.Conv2d(8, 8, 3, padding=1), drop

    def forward(self, x):
        return x + self.drop(self.conv(x))


class Flat(nn.Module):
    def forward(self, x):
        return x.flatten(2).view(x.shape) if self.training else x


@pytest.mark.parametrize("drop", [DropPath(0.5), DropBlock2d(0.3, 3), DropBlock2d(0.3, 3, inplace=True)])
def test_what_drops_in_training_runs_on_regions(drop, x):
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), Random(drop), nn.Conv2d(8, 8, 1))
    state = torch.get_rng_state()
    cascade = split(net.eval(), ["0", "2"], heads=[nn.Identity()] * 2).train()
    assert torch.equal(torch.get_rng_state(), state)
    maps, _ = cascade.stages_on_regions(x, middle_rho(cascade, x))
    maps[-1].square().mean().backward()
    assert net[1].conv.weight.grad is not None


def test_training_is_tried_too():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8), nn.Sequential(nn.BatchNorm2d(8), Flat())).eval()
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(SplitError, match=r"stage 2 cannot run on a region in training: 2.1 \(Flat\), flatten"):
        split(net, ["1", "2"], num_classes=3)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module.training for module in net.modules())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_dtype_is_the_models(dtype, x):
    net = vgg().to(dtype).eval()
    cascade = split(net, ["2", "4"], num_classes=3, mean=(0, 0, 0), std=np.ones(3))
    assert cascade.mean.dtype == cascade.normalise(x).dtype == cascade(x, 0.5).logits.dtype == dtype
    assert torch.equal(cascade(x, 1).logits, cascade.heads[1](net(x.to(dtype))))
    again = split(net, ["2", "4"], num_classes=3, mean=torch.zeros(3), std=[1, 1, 1])
    assert again.config["mean"] == [0.0, 0.0, 0.0]
    torch.set_default_dtype(torch.float64)
    try:
        assert split(vgg().float(), ["2", "4"], num_classes=3)(x.float(), 1).logits.dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


def test_statistics_are_the_models(x):
    net = vgg()
    net[0].pretrained_cfg = {"mean": (0.5, 0.4, 0.3), "std": (0.1, 0.2, 0.3)}
    cascade = split(net, ["2", "4"], num_classes=3)
    assert (cascade.config["mean"], cascade.config["std"]) == ([0.5, 0.4, 0.3], [0.1, 0.2, 0.3])
    assert cascade.mean.flatten().tolist() == pytest.approx([0.5, 0.4, 0.3])
    with pytest.raises(ValueError, match=r"leave out your own normalisation.*mean=\[0, 0, 0\]"):
        cascade((x - cascade.mean) / cascade.std)
    assert split(net, ["2", "4"], num_classes=3, mean=[0] * 3, std=[1] * 3)(x - 1).labels.shape == (2, 64, 72)


def test_global_pool_over_the_active_cells(x):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), SEModule(8), nn.Conv2d(8, 8, 1)).eval()
    with pytest.raises(SplitError, match=r'1 \(SEModule\), mean: .*every cell.*global_pool="active" takes the mean'):
        split(net, ["0", "2"], num_classes=3)
    cascade = split(net, ["0", "2"], num_classes=3, global_pool="active")
    assert cascade.config["global_pool"] == "active"
    with torch.no_grad():
        close(cascade(x, 1).logits, cascade.heads[1](net(cascade.normalise(x))))
        features = net[0](cascade.normalise(x))
        mask = random_mask((2, 16, 18), 0.3)
        out = cascade(x, 0.5, criterion=lambda logits: torch.where(mask, 0.0, 1.0))
        mean = (features * mask[:, None]).sum((2, 3), keepdim=True) / mask.sum((1, 2))[:, None, None, None]
        se = net[1]
        gate = se.gate(se.fc2(se.act(se.bn(se.fc1(mean)))))
        expected = cascade.heads[1](lcnb.RegionTensor.from_dense(net[2](features * gate), lcnb.Region(mask))).to_dense()
        close(torch.where(mask[:, None], out.logits, 0), expected)
    with pytest.raises(lcnb.RegionOpError):
        net[1](lcnb.RegionTensor.from_dense(features, lcnb.Region(mask)))


REFUSED = {
    "size check": (Checked, ["stem", "two"], "requires_divisible_input_shape = False, or cut model.encoder"),
    "part": (lambda: nn.ModuleDict({"a": Undecided()}), ["a.stem"], "ut model.a alone .names without 'a.'"),
    "unknown": (Plain, ["stem", "thre"], "no module 'thre'.*three"),
    "none": (Plain, [], "got none"),
    "order": (Plain, ["two", "stem"], "'stem' does not run behind 'two'"),
    "twice": (Plain, ["act", "three"], "'act' runs 2 times"),
    "never": (Skipping, ["stem", "down"], "'down' runs 0 times"),
    "skip": (Skipping, ["two", "three"], "behind 'two' more than one map is needed: the result of stem"),
    "untraceable": (Undecided, ["stem", "two"], r"cannot be traced at .*py:\d+, `return self.two.* > 0 .*LayerCascade"),
    "stride": (Plain, ["three", "down"], r"stage 2 cannot run on a region: down \(Conv2d\), conv2d: stride \(2, 2\)"),
    "image": (Plain, ["three", "fc"], r"stage 2 gives \(1, 2\), not a map"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_with_the_way_out(case):
    build, names, words = REFUSED[case]
    with pytest.raises(SplitError, match=words):
        split(build(), names, num_classes=2)


HEADS = {
    "number": ([nn.Conv2d(8, 2, 1)], "2 stages need as many heads, got 1"),
    "channels": ([nn.Conv2d(8, 2, 1), nn.Conv2d(7, 2, 1)], "head 2 cannot take the map"),
    "classes": ([nn.Conv2d(8, 2, 1), nn.Conv2d(6, 3, 1)], "2, 3 classes; they have to know the same"),
    "grid": ([nn.Conv2d(8, 2, 1), nn.Conv2d(6, 2, 1, stride=2)], r"head 2 makes .* same grid"),
    "region": (
        [nn.Conv2d(8, 2, 1), nn.Sequential(nn.GroupNorm(2, 6), nn.Conv2d(6, 2, 1))],
        r"the head of stage 2 cannot run on a region: 0 \(GroupNorm\), group_norm: its statistics",
    ),
}


@pytest.mark.parametrize("case", HEADS)
def test_heads_have_to_fit(case):
    heads, words = HEADS[case]
    with pytest.raises(SplitError, match=words):
        split(Plain(), ["stem", "three"], heads=heads)


def test_heads_or_classes():
    for wrong in (0, 2.5, True):
        with pytest.raises(SplitError, match=f"number of classes, at least 1; got {wrong}"):
            split(Plain(), ["stem"], num_classes=wrong)
    for wrong in ({"rho": 2}, {"rho": (0.5, 0.5)}, {"std": (0, 1, 1)}, {"mean": (0.5,)}, {"global_pool": "mean"}):
        with pytest.raises(ValueError, match="got"):
            split(Plain(), ["stem", "three"], num_classes=2, **wrong)
    for options in ({}, {"num_classes": 2, "heads": [nn.Identity()]}):
        with pytest.raises(SplitError, match="either num_classes"):
            split(Plain(), ["stem"], **options)
    assert issubclass(SplitError, lcnb.LcnbError)
    assert ADAPTIVE["fcn_resnet101"] is adaptive_fcn_resnet101
