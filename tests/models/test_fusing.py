"""Stages of other people's networks as programs: the same numbers, and as much fused as can be."""

import pytest
import torch
import torch.nn.functional as F
from timm.models.convnext import ConvNeXtBlock
from timm.models.res2net import Bottle2neck
from torch import nn
from torchvision.models.convnext import CNBlock

from lcnb.models.fusing import Fused, FusionError
from lcnb.regions import Region, RegionTensor
from lcnb.regions.rows import AsIs, Convolution, Copy, MaxPool
from lcnb.regions.workspace import Workspace
from tests.models.conftest import randomised
from tests.regions.contract import random_mask

pytestmark = pytest.mark.usefixtures("no_grad")


def conv(inputs, outputs, kernel=1, **more):
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, **more)


def unit(inputs, outputs, kernel=1, act=nn.ReLU):
    return nn.Sequential(conv(inputs, outputs, kernel, bias=False), nn.BatchNorm2d(outputs), act(inplace=True))


class Block(nn.Module):
    """Whatever a function makes of layers."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.make = forward
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x):
        return self.make(self, x)


def bottleneck(m, x):
    return F.relu(m.b(m.a(x)) + x)


def with_a_shortcut(m, x):
    out = m.b(m.a(x))
    out += m.shortcut(x)
    return m.relu(out)


def scaled(m, x):
    return torch.add(x, m.a(x) * 0.3, alpha=0.5).relu()


def growing(m, x):
    for layer in (m.a, m.b):
        x = torch.cat([x, layer(x)], 1)
    return x


def inception(m, x):
    return torch.cat([m.a(x), m.b(m.c(x)), F.max_pool2d(x, 3, 1, 1), m.pool(x)], dim=1)


def in_place(m, x):
    y = m.a(x)
    z = F.relu(y, inplace=True)
    return y + z


def one_value_twice(m, x):
    y = m.a(x)
    return torch.cat([y, y], 1) + torch.cat([m.b(x), y], 1)


def sized(m, x):
    return m.a(x) * (1.0 if x.shape[1] == 8 else 2.0)


def summed_and_used(m, x):
    y = m.a(x)
    return torch.cat([y + m.b(x), y], 1)


def neighbours_of_what_is_added_to(m, x):
    y = m.a(x)
    return y + m.k(y)


def untraceable(m, x):
    return m.a(x) if float(x.features.sum() if isinstance(x, RegionTensor) else x.sum()) < 1e9 else x


BLOCKS = {
    "bottleneck": (
        Block(bottleneck, a=unit(8, 4, 3), b=nn.Sequential(conv(4, 8), nn.BatchNorm2d(8))),
        {Convolution: 2},
    ),
    "shortcut": (
        Block(with_a_shortcut, a=unit(8, 6), b=conv(6, 10, 3), shortcut=conv(8, 10), relu=nn.ReLU(True)),
        {Convolution: 3},
    ),
    "scaled sum": (Block(scaled, a=conv(8, 8, 3)), {Convolution: 1, Copy: 1}),
    "dense block": (Block(growing, a=unit(8, 3, 3), b=unit(11, 3, 3)), {Convolution: 2, Copy: 2}),
    "branches": (
        Block(inception, a=unit(8, 4), b=unit(3, 5, 3), c=unit(8, 3), pool=nn.MaxPool2d(3, 1, 1)),
        {Convolution: 2, MaxPool: 1, AsIs: 1},
    ),
    "depthwise, ReLU6": (
        nn.Sequential(
            unit(8, 24, act=nn.ReLU6), conv(24, 24, 5, groups=24), nn.BatchNorm2d(24), nn.ReLU6(), conv(24, 8)
        ),
        {Convolution: 3},
    ),
    "groups": (nn.Sequential(conv(8, 8, 3, groups=2), nn.ReLU()), {AsIs: 2}),
    "method of two": (Block(lambda m, x: m.a(x).mul(m.b(x).sigmoid()), a=conv(8, 8), b=conv(8, 8, 3)), None),
    "norm first": (nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(), conv(8, 8, 3)), {AsIs: 2, Convolution: 1}),
    "other activations": (
        nn.Sequential(conv(8, 8, 3), nn.SiLU(), conv(8, 8), nn.Hardswish(True)),
        {Convolution: 2, AsIs: 2},
    ),
    "in place": (Block(in_place, a=conv(8, 8, 3)), None),
    "twice": (Block(one_value_twice, a=conv(8, 4), b=conv(8, 4, 3)), None),
    "called twice, with norms apart": (
        Block(lambda m, x: m.b(m.c(m.a(m.c(x)))), a=nn.BatchNorm2d(8), b=nn.BatchNorm2d(8), c=conv(8, 8)),
        None,
    ),
    "asks for its size": (Block(sized, a=conv(8, 8)), {AsIs: 1}),
    "summed and used": (Block(summed_and_used, a=conv(8, 4, 3), b=conv(8, 4, 3)), None),
    "neighbours": (Block(neighbours_of_what_is_added_to, a=conv(8, 6), k=conv(6, 6, 3)), {Convolution: 2, Copy: 1}),
    "pool after pool": (nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.AvgPool2d(3, 1, 1)), {MaxPool: 1, AsIs: 1}),
    "dropout": (nn.Sequential(nn.Dropout(0.5), conv(8, 8), nn.Dropout2d(0.5)), {Convolution: 1}),
    "not traceable": (nn.Sequential(conv(8, 8), Block(untraceable, a=conv(8, 8, 3))), {Convolution: 1, AsIs: 1}),
    "chunks": (Bottle2neck(8, 2, base_width=64, norm_layer=nn.BatchNorm2d), None),
    "channels last": (CNBlock(8, 0.5, 0.0), None),
    "channels last, weights reshaped": (ConvNeXtBlock(8, ls_init_value=0.5), None),
    "nothing": (nn.Identity(), {}),
}


def rows_of(packed):
    return torch.cat([packed.features, torch.zeros(1, packed.features.shape[1])])


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("name", BLOCKS)
def test_equals_the_module(name, keeps):
    module, jobs = BLOCKS[name]
    torch.manual_seed(0)
    module = randomised(module)
    fused = Fused(module, torch.randn(1, 8, 6, 6), torch.float32, "block", keeps=keeps)
    for fraction in (0.4, 1.0):
        region = Region(random_mask((2, 9, 11), fraction))
        packed = RegionTensor.from_dense(torch.randn(2, 8, 9, 11), region)
        expected = module(RegionTensor(packed.features.clone(), region)).features
        given = rows_of(packed)
        found = fused.program([given], Workspace(region, given))
        torch.testing.assert_close(found[:-1], expected, atol=1e-4, rtol=1e-4)
        assert not keeps or given[:-1].equal(packed.features)
        assert (found[-1] == 0).all()
    kinds = [type(job) for job in fused.program.jobs]
    if jobs is not None and not keeps:
        assert {kind: kinds.count(kind) for kind in set(kinds)} == jobs


def test_a_buffer_is_used_again():
    """A long chain needs one buffer of each width, however long it is."""
    chain = nn.Sequential(*[nn.Sequential(unit(8, 24), unit(24, 8, 3)) for _ in range(6)])
    fused = Fused(randomised(chain), torch.zeros(1, 8, 6, 6), torch.float32, "chain")
    assert sorted(fused.program.widths.values()) == [8, 24]


def test_a_stem_ends_where_the_grid_does_not_change_any_more():
    stage = nn.Sequential(
        unit(3, 4, 3), nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2, 2), unit(6, 6, 3), unit(6, 5)
    )
    fused = Fused(randomised(stage), torch.rand(1, 3, 32, 32), torch.float32, "first", first=True)
    x = torch.rand(2, 3, 40, 52)
    (maps,) = fused.stem(x)
    region = Region.full(2, 10, 13)
    assert maps.shape == (2, 6, 10, 13)
    given = rows_of(RegionTensor.from_dense(maps, region))
    found = fused.program([given], Workspace(region, given))
    expected = RegionTensor.from_dense(stage(x), region).features
    torch.testing.assert_close(found[:-1], expected, atol=1e-4, rtol=1e-4)
    assert [type(job) for job in fused.program.jobs] == [Convolution, Convolution]


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 8, 3, 2, 1),
        nn.Conv2d(8, 8, 3),
        nn.Conv2d(8, 8, 2, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
    ],
    ids=["stride", "no padding", "even kernel", "pooled to one cell", "padded by reflection"],
)
def test_what_no_job_does_is_refused(layer):
    with pytest.raises(FusionError, match=type(layer).__name__):
        Fused(nn.Sequential(conv(8, 8), layer), torch.zeros(1, 8, 9, 9), torch.float32, "block")


def test_norms_of_timm_bring_their_activation_along():
    timm = pytest.importorskip("timm")
    module = nn.Sequential(conv(8, 8, 3, bias=False), timm.layers.BatchNormAct2d(8), conv(8, 4))
    fused = Fused(randomised(module), torch.zeros(1, 8, 6, 6), torch.float32, "block")
    assert [(type(job), job.after) for job in fused.program.jobs] == [(Convolution, "relu"), (Convolution, None)]
