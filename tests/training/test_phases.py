"""The paper's two steps and the arms of its table 2: what learns when, on which pixels, at what rate."""

import copy
import dataclasses
import itertools
import math

import pytest
import torch
from torch import nn

from lcnb.training import ARMS, TrainConfig, Trainer, TrainingError
from lcnb.training.frozen import fold_frozen_norms
from lcnb.training.objective import Objective, shuffled_regions
from lcnb.training.phases import Phase, phase_at, phases, prepare
from lcnb.weights import save
from tests.training.conftest import quiet, rows

CONFIG = TrainConfig(steps=12, cascade_steps=6, lr=8.0, cascade_lr=2.0, warmup=4)


def test_learning_rate_by_hand():
    first, second = phases(CONFIG)
    assert [first.learning_rate(s) for s in range(5)] == [2, 4, 6, 8, 8]
    assert first.learning_rate(8) == pytest.approx(4)
    assert first.learning_rate(6) == pytest.approx(4 * (1 + math.sqrt(0.5)))
    assert second.warmup == 0
    assert second.learning_rate(12) == pytest.approx(2)
    assert second.learning_rate(15) == pytest.approx(1)


@pytest.mark.parametrize(
    ("arm", "kinds", "weights"),
    [
        ("lc", ["deep", "cascade"], (1, 1, 1)),
        ("dsn", ["deep", "deep"], (1, 1, 1)),
        ("dsn-dropout", ["deep", "deep"], (1, 1, 1)),
        ("irnet", ["deep", "deep"], (0, 0, 1)),
        ("hard", ["deep", "hard"], (1, 1, 1)),
        ("shuffled", ["deep", "shuffled"], (1, 1, 1)),
        ("mc", ["single"] * 3, (1, 1, 1)),
    ],
)
def test_every_arm_sees_the_same_number_of_images(arm, kinds, weights):
    found = phases(dataclasses.replace(CONFIG, arm=arm))
    assert [p.kind for p in found] == kinds
    assert all(p.stage_weights == weights for p in found)
    assert [found[0].start, *(p.stop for p in found)][-1] == CONFIG.total_steps
    assert all(a.stop == b.start for a, b in itertools.pairwise(found))
    assert [phase_at(CONFIG, s).kind for s in (0, 11, 12, 17, 18)] == ["deep", "deep", "cascade", "cascade", "cascade"]


def test_the_arms_are_all_covered():
    assert set(ARMS) == {"lc", "dsn", "dsn-dropout", "irnet", "hard", "shuffled", "mc"}


def batch_of(size=(48, 64)):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, *size, generator=generator), torch.randint(4, (2, *size), generator=generator)


def phase(kind, **changes):
    return Phase(kind, 0, 10, 1.0, 0, (1.0, 1.0, 1.0), **changes)


def objective(model, rho=0.6):
    return Objective(model, dataclasses.replace(CONFIG, amp=False, rho=rho), None, 11)


@pytest.mark.parametrize("kind", ["cascade", "shuffled"])
def test_frozen_norms_neither_learn_nor_count(small_cascade, kind):
    model = copy_of(small_cascade)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    now = phase(kind, frozen_norm=True)
    prepare(model, now)
    objective(model)(*batch_of(), now).backward()
    assert min(gradients(model)) > 0
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(m.weight.grad is None and not m.training for m in norms)
    assert all(v.equal(before[k]) for k, v in model.state_dict().items())
    prepare(model, phase("deep"))
    assert all(m.weight.requires_grad and m.training for m in norms)


class OwnPass(nn.Conv2d):
    """Its forward pass does not reach `_conv_forward`."""

    def forward(self, x):
        return nn.functional.conv2d(x, self.weight * 2)


@pytest.mark.parametrize("conv", [nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), OwnPass(3, 4, 3)])
def test_a_frozen_norm_counts_behind_any_convolution(conv):
    pair = nn.Sequential(conv, nn.BatchNorm2d(4)).requires_grad_(False).eval()
    nn.init.uniform_(pair[1].running_mean)
    x = torch.rand(1, 3, 8, 8)
    right = pair(x)
    fold_frozen_norms(pair)
    torch.testing.assert_close(pair(x), right)


def copy_of(model):
    return copy.deepcopy(model).requires_grad_(True)


def gradients(model):
    return [sum(float(p.grad.abs().sum()) for p in s.parameters() if p.grad is not None) for s in model.stages]


def test_cascade_training_uses_the_cells_that_reach_a_stage(small_cascade):
    """At rho = 0 nothing reaches stage 2: its parameters get no gradient; at rho = 1 all do."""
    x, target = batch_of()
    model = copy_of(small_cascade)
    prepare(model, phase("cascade", frozen_norm=True))
    objective(model, rho=0.0)(x, target, phase("cascade")).backward()
    first, second, third = gradients(model)
    assert first > 0
    assert second == third == 0
    objective(model, rho=1.0)(x, target, phase("cascade")).backward()
    assert min(gradients(model)) > 0


def test_at_rho_one_cascade_training_is_deep_supervision(small_cascade):
    x, target = batch_of()
    model = copy_of(small_cascade)
    prepare(model, phase("cascade", frozen_norm=True))
    losses = [objective(model, rho=1.0)(x, target, phase(k)).item() for k in ("deep", "cascade", "hard")]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-4)


def test_hard_and_cascade_losses_share_stage_one_and_its_cells(small_cascade):
    x, _ = batch_of()
    model = copy_of(small_cascade)
    prepare(model, phase("cascade", frozen_norm=True))
    build = objective(model)
    with torch.no_grad():
        on_regions, reached = build._logits(x, phase("cascade"))
        dense, hard = build._logits(x, phase("hard"))
    assert on_regions[0].equal(dense[0])
    assert reached[1].equal(hard[1])
    assert reached[0].all()
    assert 0 < reached[1].float().mean() < 1
    assert not on_regions[1].equal(dense[1])


def test_shuffled_regions_by_hand():
    """Of four cells the second image keeps one, least confident in the first; the first two, by the second."""
    still_open = [torch.tensor([[[True, True, False, False]], [[False, False, False, True]]])]
    confidence = [torch.tensor([[[0.1, 0.2, 0.9, 0.8]], [[0.9, 0.8, 0.3, 0.1]]])]
    (kept,) = shuffled_regions(still_open, confidence)
    assert kept.tolist() == [[[False, False, True, True]], [[True, False, False, False]]]


@pytest.mark.parametrize("rho", [0.0, 0.6, (0.6, 0.5), 1.0])
@pytest.mark.parametrize("halo", [0, 1])
def test_shuffled_regions_have_the_sizes_of_the_images_own_and_are_nested(small_cascade, rho, halo):
    x = torch.rand(3, 3, 48, 64, generator=torch.Generator().manual_seed(2))
    config = dataclasses.replace(CONFIG, amp=False, halo=halo)
    object.__setattr__(config, "rho", rho)  # one for each exit is no setting of a run
    build = Objective(copy_of(small_cascade).eval(), config, None, 11)
    with torch.no_grad():
        _, own = build._logits(x, phase("cascade"))
        _, found = build._logits(x, phase("shuffled"))
    assert [r.sum((1, 2)).tolist() for r in found] == [r.sum((1, 2)).tolist() for r in own]
    for outer, inner in itertools.pairwise(found):
        assert not (inner & ~outer).any()
    if rho == 0.6:
        assert len(found) == 3
        assert not found[1].equal(own[1])
        assert 0 < found[2].sum() < found[1].sum()


@pytest.mark.parametrize(
    ("change", "words"), [({"batch": 1}, "batch is at least 2"), ({"freeze_norm": False}, "is on")]
)
def test_the_shuffled_arm_needs_another_image_and_frozen_norms(change, words):
    with pytest.raises(TrainingError, match=words):
        TrainConfig(arm="shuffled", **change)


def test_a_model_cascade_trains_one_stage_at_a_time(small_cascade):
    x, target = batch_of()
    for stage in range(3):
        model = copy_of(small_cascade)
        now = phase("single", stage=stage)
        prepare(model, now)
        objective(model)(x, target, now).backward()
        assert [g > 0 for g in gradients(model)] == [s == stage for s in range(3)]
        heads = [any(p.grad is not None and p.grad.any() for p in h.parameters()) for h in model.heads]
        assert heads == [s == stage for s in range(3)]


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_runs_to_its_end_and_scores_a_true_run(arm, small, tmp_path):
    config = dataclasses.replace(small, arm=arm, steps=3, cascade_steps=3, log_every=3)
    Trainer(config, tmp_path, say=quiet).run()
    last = rows(tmp_path)[-1]
    assert (last["step"], last["phase"]) == ("6", phases(config)[-1].kind)
    assert 0 <= float(last["miou_true"]) <= 1


def test_a_run_starts_from_weights(small, tmp_path):
    from lcnb.training.network import new_network

    torch.manual_seed(5)
    trained = new_network(small, 11)
    meta = {"dataset": "camvid", "classes": list("abcdefghijk"), "ignore_index": 11, "rho": 0.5, "licence": "none"}
    save(trained, tmp_path / "mine", meta)
    config = dataclasses.replace(small, init=str(tmp_path / "mine"), steps=0, cascade_steps=2)
    run = Trainer(config, tmp_path / "run", say=quiet)
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(run.model.state_dict()[name], value, atol=1e-3, rtol=1e-3)
    with pytest.raises(TrainingError, match=r"another network than irnet with 11 classes at width 0\.1"):
        Trainer(dataclasses.replace(config, width=0.1), tmp_path / "other", say=quiet)
