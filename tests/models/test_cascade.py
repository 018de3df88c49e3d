"""The cascade's identities: what must hold whatever the weights are."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lcnb.errors import TraceError
from lcnb.models import CRITERIA, LayerCascade, max_softmax, rethreshold
from lcnb.models.exits import to_pixels
from lcnb.regions import Region, RegionTensor, use_backend

RHOS = [0.0, 0.3, 0.5, 0.9, 0.985, 1.0]

pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.fixture(scope="module")
def cascade(small_cascade):
    return small_cascade


def test_all_three_exits_are_used_in_these_tests(cascade, x):
    assert (cascade(x, 0.6).exits.mean(0) > 0.05).all()


@pytest.mark.parametrize("backend", ["gather", "reference"])
def test_rho_one_is_the_last_stage_of_the_dense_network(cascade, x, backend):
    with use_backend(backend):
        out = cascade(x, rho=1)
    dense = cascade.all_stages(x)
    torch.testing.assert_close(out.logits, dense[2], atol=1e-4, rtol=1e-4)
    assert (out.stage == 2).all()
    assert out.exits.tolist() == [[0, 0, 1]] * 3
    assert out.work.tolist() == [[1, 1, 1]] * 3


def test_rho_zero_is_stage_one_alone_with_no_later_work(cascade, x, monkeypatch):
    dense = cascade.all_stages(x)

    def explode(*_):
        raise AssertionError("a later stage ran")

    for module in [*cascade.stages[1:], *cascade.heads[1:]]:
        monkeypatch.setattr(module, "forward", explode)
    out = cascade(x, rho=0)
    assert out.logits.equal(dense[0])
    assert (out.stage == 0).all()
    assert out.exits.tolist() == out.work.tolist() == [[1, 0, 0]] * 3


@pytest.mark.parametrize("rho", RHOS)
def test_a_batch_equals_its_images_one_by_one(cascade, x, rho):
    together = cascade(x, rho)
    for i in range(len(x)):
        alone = cascade(x[i : i + 1], rho)
        torch.testing.assert_close(together.logits[i], alone.logits[0], atol=1e-4, rtol=1e-4)
        assert together.stage[i].equal(alone.stage[0])
        assert together.exits[i].equal(alone.exits[0])


def test_the_set_that_leaves_at_stage_one_never_grows_with_rho(cascade, x):
    previous = None
    for rho in sorted([*RHOS, 0.4, 0.6, 0.7, 0.8]):
        now = cascade(x, rho).stage == 0
        assert previous is None or not (now & ~previous).any()
        previous = now


def test_cached_stages_never_fall_with_rho(cascade, x):
    logits, previous = cascade.all_stages(x), None
    for rho in sorted([*RHOS, 0.4, 0.6, 0.7, 0.8]):
        out = cascade.rethreshold(logits, rho)
        assert previous is None or (out.stage >= previous).all()
        previous = out.stage


@pytest.mark.parametrize("rho", RHOS)
def test_cached_and_true_agree_at_stage_one_and_in_form(cascade, x, rho):
    true, cached = cascade(x, rho), cascade.rethreshold(cascade.all_stages(x), rho)
    assert (true.mode, cached.mode) == ("true", "cached")
    assert (true.stage == 0).equal(cached.stage == 0)
    assert true.labels.shape == cached.labels.shape == (3, 96, 120)
    torch.testing.assert_close(true.exits.sum(1), torch.ones(3))
    torch.testing.assert_close(cached.exits.sum(1), torch.ones(3))
    torch.testing.assert_close(
        cached.work, torch.stack([(cached.stage >= s).float().mean((1, 2)) for s in range(3)], 1)
    )


def test_true_run_sees_zeros_where_cells_have_left(cascade, x):
    """The oracle of a true run: the dense later stages on a map that is zeroed before every k x k layer."""
    out = cascade(x, 0.6)
    features = cascade.stages[0](cascade.normalise(x))
    region = Region(out.stage > 0)
    with use_backend("reference"):
        again = cascade.heads[1](cascade.stages[1](RegionTensor.from_dense(features, region))).to_dense()
    left_at_two = (out.stage == 1)[:, None].expand_as(again)
    assert left_at_two.any()
    torch.testing.assert_close(out.logits[left_at_two], again[left_at_two], atol=1e-4, rtol=1e-4)


def test_one_threshold_per_exit(cascade, x):
    out = cascade(x, rho=(1, 0))
    assert out.exits.tolist() == [[0, 1, 0]] * 3
    assert cascade(x, rho=(0.6, 0.6)).stage.equal(cascade(x, rho=0.6).stage)


@pytest.mark.parametrize("criterion", CRITERIA.values(), ids=CRITERIA.keys())
def test_ends_of_the_scale_for_every_criterion(cascade, x, criterion):
    assert (cascade(x, 0, criterion=criterion).stage == 0).all()
    assert (cascade(x, 1, criterion=criterion).stage == 2).all()
    confidence = cascade(x, 0.7, criterion=criterion).confidence
    assert confidence.dtype == torch.float32
    assert confidence.min() >= 0
    assert confidence.max() <= 1


def test_halo_restores_context_and_is_charged(cascade, x):
    plain, wide = cascade(x, 0.6), cascade(x, 0.6, halo=2)
    assert plain.stage.eq(0).equal(wide.stage.eq(0))
    assert (wide.work[:, 1:] > plain.work[:, 1:]).all()
    assert plain.work[:, 1].allclose(1 - plain.exits[:, 0])
    dense = cascade.all_stages(x)
    everywhere = cascade(x, 0.6, halo=20)  # grown to the whole grid: equal to the cached view
    cached = cascade.rethreshold(dense, 0.6)
    assert everywhere.stage.equal(cached.stage)
    torch.testing.assert_close(everywhere.logits, cached.logits, atol=1e-4, rtol=1e-4)


class Fixed(nn.Module):
    """A head that answers with given logits."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, x):
        if isinstance(x, RegionTensor):
            return RegionTensor.from_dense(self.logits, x.region)
        return self.logits


def fixed(*maps):
    return LayerCascade([nn.AvgPool2d(8), nn.Identity(), nn.Identity()], [Fixed(m) for m in maps])


@pytest.mark.parametrize("value", [1e4, 3e38, float("inf")])
def test_saturated_logits(value):
    """Softmax is exactly 1: rho = 1 still keeps all cells, anything below lets them go."""
    sure = torch.zeros(1, 3, 2, 2)
    sure[:, 1] = value if value != float("inf") else 200.0
    net, x = fixed(sure, sure, sure), torch.rand(1, 3, 16, 16)
    assert (max_softmax(sure) == 1).all()
    assert (net(x, 1).stage == 2).all()
    assert (net(x, 0.9999).stage == 0).all()
    assert (net(x, 0.5).labels == 1).all()


def test_tied_logits():
    """Confidence 1/K exactly: strictly above rho means that rho = 1/K does not let them go; rho = 0 does."""
    tied = torch.zeros(1, 4, 2, 2)
    net, x = fixed(tied, tied, tied), torch.rand(1, 3, 16, 16)
    assert (net(x, 0.25).stage == 2).all()
    assert (net(x, 0.2499).stage == 0).all()
    for criterion in CRITERIA.values():
        assert (net(x, 0, criterion=criterion).stage == 0).all()
    assert (CRITERIA["certainty"](tied) == 0).all()


def test_assembly_by_hand():
    """Four cells that leave at stages 1, 2, 3, 3: logits, labels and shares are those of the stage they left at."""
    weak, sure = torch.tensor([0.2, 0.0]), torch.tensor([9.0, 0.0])
    first, second, third = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    first[0, :, 0, 0], first[0, :, 0, 1], first[0, :, 1, 0], first[0, :, 1, 1] = sure, weak, weak, weak
    second[0, :, 0, 1], second[0, :, 1, 0] = sure.flip(0), weak
    third[0, :, 1, 0], third[0, :, 1, 1] = sure, sure.flip(0)
    for out in (fixed(first, second, third)(torch.rand(1, 3, 16, 16), 0.9), rethreshold([first, second, third], 0.9)):
        assert out.stage.tolist() == [[[0, 1], [2, 2]]]
        assert out.exits.tolist() == [[0.25, 0.25, 0.5]]
        assert out.work.tolist() == [[1, 0.75, 0.5]]
        assert out.logits[0, :, 0, 1].tolist() == [0.0, 9.0]
        assert out.labels[0, ::15, ::15].tolist() == [[0, 1], [0, 1]]
        assert out.pixel_stage()[0, :8, 8:].eq(1).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), rho=st.floats(0, 1), scale=st.sampled_from([0.1, 1.0, 30.0]))
def test_ledger_matches_a_loop_over_cells(seed, rho, scale):
    maps = [scale * torch.randn(2, 3, 3, 4, generator=torch.Generator().manual_seed(seed + i)) for i in range(3)]
    out = rethreshold(maps, rho)
    scores = [max_softmax(m) for m in maps]
    for b in range(2):
        for i in range(3):
            for j in range(4):
                stage = next((s for s in (0, 1) if rho == 0 or (scores[s][b, i, j] > rho and rho < 1)), 2)
                assert out.stage[b, i, j] == stage
                assert out.logits[b, :, i, j].equal(maps[stage][b, :, i, j])
                assert out.confidence[b, i, j] == scores[stage][b, i, j]


def test_pixels_take_the_stage_of_their_nearest_cell():
    cells = torch.arange(6).view(1, 2, 3)
    assert to_pixels(cells, (16, 24))[0, ::8, ::8].tolist() == cells[0].tolist()
    assert to_pixels(cells, (3, 3)).tolist() == [[[0, 1, 2], [3, 4, 5], [3, 4, 5]]]
    assert to_pixels(cells, (1, 1)).tolist() == [[[4]]]


def test_heads_and_stages_must_pair():
    with pytest.raises(ValueError, match="2 stages, 1 heads"):
        LayerCascade([nn.Identity(), nn.Identity()], [nn.Identity()])


def test_gradients_reach_every_stage_of_a_true_run(cascade):
    with torch.inference_mode(False), torch.enable_grad():
        out = cascade(torch.rand(1, 3, 64, 64), 0.6)
        out.logits.sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for h in cascade.heads for p in h[-1].parameters())
        cascade.zero_grad(set_to_none=True)


class Calls(nn.Module):
    """A method of a cascade as a module, which is what can be traced and exported."""

    def __init__(self, cascade, method):
        super().__init__()
        self.cascade, self.method = cascade, method

    def forward(self, x):
        return getattr(self.cascade, self.method)(x)


def trace(module, x):
    return torch.jit.trace(module, x)


def export(module, x):
    return torch.export.export(module, (x,), strict=False).module()


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.* is deprecated", "ignore:Unable to find the path of the module")
@pytest.mark.parametrize("record", [trace, export])
def test_all_stages_can_be_traced_and_exported_and_a_true_run_cannot(cascade, x, record):
    recorded, other = record(Calls(cascade, "all_stages"), x), x.flip(3)
    for got, expected in zip(recorded(other), cascade.all_stages(other), strict=True):
        torch.testing.assert_close(got, expected)
    cached = cascade.rethreshold(recorded(x), 0.5, size=x.shape[2:])
    assert cached.labels.equal(cascade.rethreshold(cascade.all_stages(x), 0.5).labels)
    for refused in (cascade, Calls(cascade.for_inference(), "all_stages")):
        with pytest.raises(TraceError, match=r"depends on the image; trace or export .*all_stages"):
            record(refused, x)
