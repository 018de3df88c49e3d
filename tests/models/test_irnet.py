"""IRNet is the network of the paper: channels, parameters, cost, shapes."""

import pytest
import torch

from lcnb.models import cascade_cost, irnet_lc


def meta_irnet(**knobs):
    with torch.device("meta"):
        return irnet_lc(**knobs).eval()


def stage_shapes(cascade, height, width):
    features, shapes = cascade.normalise(torch.empty(1, 3, height, width, device="meta")), []
    for stage in cascade.stages:
        features = stage(features)
        shapes.append(tuple(features.shape[1:]))
    return shapes


def test_channels_and_output_stride():
    assert stage_shapes(meta_irnet(), 512, 512) == [(1152, 64, 64), (2144, 64, 64), (2144, 64, 64)]
    first = meta_irnet().stages[0]
    assert first[0](torch.empty(1, 3, 512, 512, device="meta")).shape == (1, 384, 64, 64)
    assert [len(s) for s in meta_irnet().stages] == [1 + 5 + 1, 10 + 1, 5]


def test_parameters_are_those_of_table_6():
    cascade = meta_irnet(num_classes=21)
    total = sum(p.numel() for p in cascade.parameters()) / 1e6
    assert total == pytest.approx(35.5, abs=0.3)
    backbone = [sum(p.numel() for p in s.parameters()) / 1e6 for s in cascade.stages]
    assert backbone == pytest.approx([4.2, 15.7, 10.4], abs=0.1)


def test_cost_at_512():
    cost = cascade_cost(meta_irnet(), 512, 512)
    assert [c / 1e9 for c in cost.stages] == pytest.approx([21.9, 64.1, 42.8], rel=0.02)
    assert sum(cost.heads[:2]) / cost.single_head == pytest.approx(0.094, abs=0.005)
    work = torch.tensor([[1.0, 0.77, 0.48]])
    expected = sum(w * (s + h) for w, s, h in zip(work[0].tolist(), cost.stages, cost.heads, strict=True))
    assert cost.of(work).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (32, 40), (65, 33), (361, 479)])
def test_any_size_gives_labels_of_that_size(size):
    cascade = irnet_lc(num_classes=3, width=0.05, blocks=(1, 1, 1)).eval()
    with torch.inference_mode():
        out = cascade(torch.rand(1, 3, *size))
    assert out.labels.shape == (1, *size)
    assert out.stage.shape == (1, -(-size[0] // 8), -(-size[1] // 8))


@pytest.mark.parametrize("width", [0.125, 0.25, 0.53, 1.5])
def test_width_derives_every_sum(width):
    cascade = meta_irnet(width=width)
    shapes = stage_shapes(cascade, 64, 64)
    assert all(c % 4 == 0 for c, _, _ in shapes)
    assert shapes[1][0] / 2144 == pytest.approx(width, rel=0.05)
    if width == 0.25:
        assert [s[0] for s in shapes] == [288, 536, 536]


def test_knobs():
    narrow = irnet_lc(num_classes=2, width=0.1, blocks=(1, 1, 1), dilation=(1, 2, 4), dropout=0.5, head_channels=64)
    out = narrow.train().all_stages(torch.rand(2, 3, 32, 40))
    assert [tuple(o.shape) for o in out] == [(2, 2, 4, 5)] * 3
    with pytest.raises(TypeError, match="depth"):
        irnet_lc(depth=3)
