"""What can run on a region, and what refuses: found by trying."""

import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18
from torchvision.models.segmentation import fcn_resnet50

import lcnb
from lcnb.models import cascade_cost, inspect, irnet_lc, split
from lcnb.models.inspect import remaining

C = 8


@pytest.fixture
def x():
    return torch.rand(2, C, 12, 10, generator=torch.Generator().manual_seed(3))


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Tokens(nn.Module):
    """Attention over all cells, as in a vision transformer."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(C, 2, batch_first=True)

    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        return x + self.attention(tokens, tokens, tokens)[0].transpose(1, 2).view_as(x)


class Squeeze(nn.Module):
    """Squeeze and excitation: each channel is scaled by its mean over the map."""

    def __init__(self):
        super().__init__()
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Conv2d(C, C, 1)

    def forward(self, x):
        return x * self.fc(self.pool(x)).sigmoid()


class Bottleneck(nn.Module):
    """A residual block with functions in it, which writes into its input."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(C, C, 3, padding=2, dilation=2, bias=False), nn.BatchNorm2d(C)
        self.scale = nn.Parameter(torch.rand(1, C, 1, 1))

    def forward(self, x):
        F.relu_(x)
        return torch.cat([x + self.norm(self.conv(x)) * self.scale, F.avg_pool2d(x, 3, 1, 1)], dim=1)


RUNS = {
    "conv": nn.Conv2d(C, 4, 3, padding=1),
    "separable": nn.Sequential(nn.Conv2d(C, C, (1, 7), padding=(0, 3)), nn.Conv2d(C, C, (7, 1), padding="same")),
    "depthwise": nn.Conv2d(C, C, 5, padding=2, groups=C),
    "pool": nn.MaxPool2d(3, 1, 1),
    "residual": Bottleneck(),
    "mask": Call(lambda x: x * torch.rand(1, C, 12, 10, generator=torch.Generator().manual_seed(1))),
    "layer norm": Call(lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (C,)).permute(0, 3, 1, 2)),
    "training": nn.Sequential(nn.BatchNorm2d(C), nn.Dropout2d(0.5), nn.GELU()).train(),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_runs(name, x):
    report = inspect(nn.Sequential(RUNS[name]), x)
    assert report.runs("0"), report["0"].refusal
    assert RUNS[name].training


REFUSED = {
    "stride": (nn.Conv2d(C, C, 3, 2, 1), r"^conv2d: stride \(2, 2\).*cut the network behind it"),
    "even": (nn.Conv2d(C, C, 2, padding="same"), r"^conv2d: a kernel of \(2, 2\) has no centre; use odd sides"),
    "valid": (nn.Conv2d(C, C, 3), r"^conv2d: padding .* keeps it with padding=\(1, 1\)"),
    "upsample": (nn.Upsample(scale_factor=2), "^interpolate: resizing.*to_dense"),
    "interpolate": (Call(lambda x: F.interpolate(x, (24, 20), mode="bilinear")), "^interpolate: resizing"),
    "attention": (Tokens(), "^flatten: the layout of a RegionTensor is fixed"),
    "scaled dot product": (Call(lambda x: F.scaled_dot_product_attention(x, x, x)), "attention mixes all cells"),
    "linear": (Call(lambda x: F.linear(x, torch.ones(4, 10))), "^linear: it looks at the last axis.*1x1 convolution"),
    "linear of flat": (nn.Sequential(nn.Flatten(), nn.Linear(C * 120, 3)), "^flatten: the layout"),
    "global pool": (nn.AdaptiveAvgPool2d(1), "^adaptive_avg_pool2d: .*needs every cell"),
    "adaptive pool": (nn.AdaptiveMaxPool2d((6, 5)), "^adaptive_max_pool2d: .*needs every cell"),
    "squeeze": (Squeeze(), "^adaptive_avg_pool2d"),
    "mean": (Call(lambda x: x - x.mean((2, 3), keepdim=True)), "^mean: a mean over space"),
    "shuffle": (
        Call(lambda x: x.view(2, 2, C // 2, 12, 10).transpose(1, 2).reshape(2, C, 12, 10)),
        "^view: the layout",
    ),
    "layer norm": (Call(lambda x: F.layer_norm(x, (10,))), "^layer_norm: its statistics are over the last axes"),
    "group norm": (nn.GroupNorm(2, C), "^group_norm: its statistics need every cell"),
    "position": (Call(lambda x: x + torch.zeros(1, C, 12, 10)), "^add: a dense map meets packed features"),
    "index": (Call(lambda x: x[:, :, :4]), "^getitem: only channels can be taken"),
    "matmul": (Call(lambda x: x @ torch.ones(10, 10)), "^matmul: .*mix all cells"),
    "leaves": (
        Call(lambda x: x if isinstance(x, torch.Tensor) else x.to_dense()),
        "its result is no longer on the region",
    ),
    "cheats": (
        Call(lambda x: x if isinstance(x, torch.Tensor) else x * 2),  # treats a region as something else than its map
        "its result on all cells is not that on the dense map",
    ),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", REFUSED)
def test_refuses_with_the_operation_and_the_way_out(name, x):
    module, words = REFUSED[name]
    report = inspect(nn.Sequential(module), x)
    assert not report.runs("0")
    assert re.search(words, report["0"].refusal), report["0"].refusal
    assert (report.obstacle is None) == bool(report.ends)


def test_inside_a_refused_module_the_rest_can_run(x):
    report = inspect(nn.Sequential(Squeeze()), x)
    assert [report.runs(n) for n in ("0", "0.pool", "0.fc")] == [False, False, True]
    attention = inspect(nn.Sequential(Tokens()), x)["0.attention"].refusal
    assert attention.startswith("takes (2, 120, 8) and (2, 120, 8) and (2, 120, 8), not a map (B, C, H, W)")


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return resnet18(weights=None).eval()


@pytest.fixture(scope="module")
def picture():
    return torch.rand(1, 3, 64, 64)


def test_shares_add_up_and_match_the_arithmetic(resnet, picture):
    report = inspect(resnet, picture)
    assert report["conv1"].macs == 3 * 64 * 49 * 32 * 32
    assert sum(c.macs for c in report.calls if c.parent is None) == report.macs
    assert report.share("layer1") == pytest.approx(4 * 64 * 64 * 9 * 16 * 16 / report.macs)
    assert report["layer2.0.relu"].calls == 2
    with pytest.raises(KeyError, match="no module named 'layer9' ran; there are conv1"):
        report["layer9"]


def test_the_way_to_cut_is_one_that_split_takes(resnet, picture):
    """Of a strided network only the part on its finest useful grid can be in later stages."""
    report = inspect(resnet, picture, exits=(0.5, 0.3, 0.2))
    assert report.ends == ("maxpool", "layer1.0", "layer1")
    assert report.obstacle is None
    cascade = split(resnet, report.ends, num_classes=3)
    assert cascade.stage_count == 3
    left = report.macs - report["layer1"].macs * (1 - (0.5 + 0.2) / 2)
    assert report.speedup == pytest.approx(report.macs / left)


def test_auxiliary_heads_and_parallel_branches(picture):
    net = fcn_resnet50(weights=None, weights_backbone=None, aux_loss=True)
    report = inspect(net, picture, exits=(0.6, 0.4))
    assert report.ends == ("backbone.layer2", "classifier")  # the end of a block, close to where the chain begins
    assert all(report.runs(n) for n in ("backbone.layer3", "backbone.layer4", "classifier", "aux_classifier"))
    assert (report.shares["backbone.layer4.2"], report.shares["backbone.layer2.1"]) == (0.4, 1.0)
    assert not net.backbone.layer1[0].conv1.weight.grad
    assert net.training
    branches = inspect(nn.Sequential(nn.Conv2d(3, C, 3, 2, 1), Parallel(), nn.Upsample(scale_factor=2)), picture)
    assert branches["1.a"].bypassed
    assert branches.ends == ("0", "1")


class Parallel(nn.Module):
    """Two branches that meet in a function the module around them cannot run on a region."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(C, C, 3, padding=1), nn.Conv2d(C, C, 1)

    def forward(self, x):
        return self.a(x) + self.b(x)


def test_a_cascade_has_its_own_stages(picture):
    cascade = irnet_lc(4, width=0.05, blocks=(1, 1, 1)).eval()
    exits = (0.5, 0.3, 0.2)
    report = inspect(cascade, picture, exits)
    cost = cascade_cost(cascade, 64, 64)
    left = float(cost.of(torch.tensor([[1.0, 0.5, 0.2]]))[0])
    assert report.macs == cost.dense
    assert report.speedup == pytest.approx(cost.dense / left)
    assert all(report.runs(f"{part}.{s}") for part in ("stages", "heads") for s in (1, 2))
    with pytest.raises(ValueError, match="3 stages"):
        inspect(cascade, picture, exits=(0.5, 0.5))


@pytest.mark.parametrize("exits", [(1.0,), (0.5, 0.6), (1.5, -0.5)])
def test_exits_are_shares(exits, resnet, picture):
    with pytest.raises(ValueError, match="sum 1"):
        inspect(resnet, picture, exits)


def test_a_network_without_any_strided_part_is_cut_inside():
    net = nn.Sequential(*(nn.Conv2d(4, 4, 3, padding=1) for _ in range(6)))
    report = inspect(net, torch.rand(1, 4, 9, 9), exits=(0.5, 0.5))
    assert report.ends == ("2", "5")
    assert report.speedup == pytest.approx(1 / 0.75)
    assert remaining(report.calls, report.shares)["3"] == report["3"].macs / 2


def test_it_is_printed(resnet, picture):
    report = lcnb.inspect(resnet, picture, exits=(0.5, 0.5))
    text, page = str(report), report._repr_markdown_()
    assert "conv1" in text
    assert "no: conv2d: stride (2, 2) changes the grid" in text
    assert 'lcnb.split(model, ["maxpool", "layer1"], ...)' in text
    assert f"speed-up to expect at these exits, by multiply-adds: {report.speedup:.2f}" in text
    assert page.startswith("| module | class | share | left | on a region |\n| --- |")
    widths = {len(line.split("|")) for line in page.splitlines() if line.startswith("|")}
    assert widths == {7}
    shares = [float(line.split("|")[3].strip(" %")) for line in page.splitlines()[2:] if line.startswith("|")]
    assert sum(shares) == pytest.approx(100, abs=1)


def test_what_does_not_run_is_named(picture):
    net = resnet18(weights=None)
    net.spare = nn.Conv2d(3, 3, 1)
    report = inspect(net, picture)
    assert report.unused == ("spare",)
    assert not any(hasattr(v, "_lcnb_behind") for v in net.parameters())


class Collecting(nn.Module):
    """Collects what its parts give by hooks, as transformers 5 does, and counts on each running once."""

    def __init__(self):
        super().__init__()
        self.stem, self.body, self.seen = nn.Conv2d(3, C, 3, 4, 1), nn.Sequential(*(norm_block() for _ in range(3))), []
        for module in (self.stem, *self.body):
            module.register_forward_hook(lambda m, given, found: self.seen.append(found))

    def forward(self, x):
        self.seen.clear()
        self.body(self.stem(x))
        assert [type(found) for found in self.seen] == [torch.Tensor] * 4
        return torch.cat(self.seen, 1)


def norm_block():
    return nn.Sequential(nn.Conv2d(C, C, 3, padding=1), nn.BatchNorm2d(C), nn.ReLU(inplace=True), nn.Identity())


@pytest.mark.parametrize("inference", [False, True])
def test_hooks_run_once_and_modules_never_inside_them(picture, inference):
    with torch.inference_mode(inference):
        net = Collecting()
        report = inspect(net, picture)
    assert report.runs("body")
    assert len(net.seen) == 4
    assert all(len(m._forward_hooks) == 1 for m in (net.stem, *net.body))


def test_suggested_stages_end_with_blocks_on_one_grid(picture):
    net = nn.Sequential(norm_block(), nn.Conv2d(C, C, 3, 2, 1), nn.BatchNorm2d(C), norm_block(), norm_block())
    net = nn.Sequential(nn.Conv2d(3, C, 3, 4, 1), *net, nn.Conv2d(C, C, 2, 2), norm_block())
    thirds = (0.5, 0.3, 0.2)
    assert inspect(net, picture, thirds).ends == ("0", "1")
    fine = inspect(net, picture, thirds, grid=8, time=True)
    assert fine.ends == ("3", "4", "5")
    assert fine.speedup == pytest.approx(fine.macs / (fine.macs - fine["4"].macs * (0.5 + 0.8)))
    assert fine.measured.keys() == {"4", "5"}
    assert re.search(r"^4 .*50%  +\d+\.\d\dx  yes$", str(fine), re.MULTILINE)
    assert "| left | measured | on a region |" in fine._repr_markdown_()
    with pytest.raises(ValueError, match="lies on a grid of 32; there are 4, 8, 16"):
        inspect(net, picture, grid=32)


def test_little_is_called_not_worth_it(picture):
    net = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3), nn.Conv2d(64, 2, 3, 2, 1), nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1))
    report = inspect(net, picture)
    assert report.speedup < 1.1
    assert "not worth it: 1.00 is the speed-up" in str(report)
    assert "lcnb.split" not in str(report)
