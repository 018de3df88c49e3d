"""A step does what it says: schedule, average, loss; and whatever goes wrong is said in one sentence."""

import dataclasses
import json
import math
import time

import pytest
import torch

from lcnb.datasets import load_dataset
from lcnb.errors import DataError
from lcnb.models import irnet_lc
from lcnb.training import Trainer, TrainingError, load_checkpoint, objective, trainer
from lcnb.training.phases import phases
from lcnb.weights import save
from tests.datasets import trees
from tests.training.conftest import quiet, rows


def test_a_run_from_start_to_end(small, tmp_path):
    said, watched = [], []
    net = Trainer(small, tmp_path / "run", say=said.append, watch=watched.append).run()
    state = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert state["step"] == 6
    assert not net.training
    assert all(torch.equal(v, state["average"][k]) for k, v in net.state_dict().items())
    log = rows(tmp_path / "run")
    assert [int(r["step"]) for r in log] == [1, 2, 3, 4, 5, 6]
    assert all(math.isfinite(float(r["loss"])) and float(r["images_per_s"]) > 0 for r in log)
    assert [bool(r["miou_stage3"]) for r in log] == [False] * 5 + [True]
    assert [(r["step"], r["phase"]) for r in watched] == [(k, "deep") for k in range(1, 7)]
    assert watched[-1]["miou_true"] == float(log[-1]["miou_true"])
    assert "val mIoU stage1 " in said[-1]
    assert "true " in said[-1]
    assert json.loads((tmp_path / "run" / "config.json").read_text()) == json.loads(
        json.dumps(dataclasses.asdict(small))
    )
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"checkpoint.pt", "log.csv", "config.json"}


def test_logged_and_scored_as_often_as_asked(small, tmp_path):
    config = dataclasses.replace(small, log_every=4, val_every=3, val_images=1, steps=7)
    Trainer(config, tmp_path, say=quiet).run()
    assert [(int(r["step"]), bool(r["miou_stage1"])) for r in rows(tmp_path)] == [
        (3, True), (4, False), (6, True), (7, True),
    ]  # fmt: skip


def test_scoring_does_not_count_as_training(small, tmp_path, monkeypatch):
    score = trainer.scores_of
    monkeypatch.setattr(trainer, "scores_of", lambda *args: (time.sleep(1), score(*args))[1])
    Trainer(dataclasses.replace(small, val_every=1, val_images=1), tmp_path, say=quiet).run()
    assert float(rows(tmp_path)[-1]["images_per_s"]) > small.batch  # five pauses of a second would leave less


def test_the_rate_of_the_schedule_is_the_one_that_is_used_and_logged(small, tmp_path, monkeypatch):
    run, used = Trainer(small, tmp_path, say=quiet), []
    step = run.optimiser.step
    monkeypatch.setattr(
        run.optimiser, "step", lambda: (used.append([g["lr"] for g in run.optimiser.param_groups]), step())
    )
    run.run()
    expected = [phases(small)[0].learning_rate(s) for s in range(6)]
    assert used == [[v, v] for v in expected]
    assert [float(r["lr"]) for r in rows(tmp_path)] == pytest.approx(expected, abs=1e-8)


def test_the_average_by_hand(small, tmp_path, monkeypatch):
    """Decay min(ema, (1 + t) / (10 + t)): .1 in the first step, then the .15 of the settings."""
    run = Trainer(dataclasses.replace(small, ema=0.15, steps=4), tmp_path, say=quiet)
    states = [copied(run.model.state_dict())]
    update = run._update_average
    monkeypatch.setattr(run, "_update_average", lambda: (states.append(copied(run.model.state_dict())), update()))
    run.run()
    expected = states[0]
    for decay, state in zip([0.1, 0.15, 0.15, 0.15], states[1:], strict=True):
        expected = {k: decay * expected[k] + (1 - decay) * v for k, v in state.items()}
    for name, value in run.average.items():
        if name.endswith("num_batches_tracked"):
            assert int(value) == 4
        else:
            torch.testing.assert_close(value, expected[name])


def copied(state):
    return {k: v.clone() for k, v in state.items()}


def test_weight_decay_is_for_kernels_only(small, tmp_path):
    kernels, rest = Trainer(small, tmp_path, say=quiet).optimiser.param_groups
    assert (kernels["weight_decay"], rest["weight_decay"]) == (small.weight_decay, 0)
    assert {p.dim() for p in kernels["params"]} == {4}
    assert {p.dim() for p in rest["params"]} == {1}


def test_the_loss_falls_on_an_easy_problem(small, data, tmp_path):
    """Left half bright and class 3, right half dark and class 5."""
    for k in range(5):
        image, mask = trees.colours(k, (48, 64)) // 8, trees.labels([5], size=(48, 64))
        image[:, :32] += 200
        mask[:, :32] = 3
        trees.write(image, data / "train" / f"train_{k:03}.png")
        trees.write(mask, data / "trainannot" / f"train_{k:03}.png")
    config = dataclasses.replace(
        small, steps=40, lr=3e-2, crop=(48, 64), scale=(1, 1), dropout=0.0, log_every=20, save_every=40
    )
    Trainer(config, tmp_path / "run", say=quiet).run()
    losses = [float(r["loss"]) for r in rows(tmp_path / "run")]
    guessing = 3 * math.log(11)
    assert guessing > 2 * losses[0] > 2 * losses[1]
    assert losses[1] < 0.3 * guessing


def taught(small, tmp_path, **knobs):
    """A teacher's file, and the settings of a run that imitates it."""
    first = Trainer(dataclasses.replace(small, steps=1, seed=5), tmp_path / "first", say=quiet).run()
    meta = {"classes": list(load_dataset("camvid", "train").spec.classes)}
    save(first, tmp_path / "teacher.safetensors", meta=meta)
    return dataclasses.replace(small, teacher=str(tmp_path / "teacher.safetensors"), **knobs)


@pytest.mark.parametrize("arm", ["lc", "hard", "dsn", "mc"])
def test_a_teacher_is_imitated_in_every_arm_and_learns_nothing(arm, small, data, tmp_path):
    config = taught(small, tmp_path, arm=arm, steps=2, cascade_steps=2, rho=0.2)
    runner = Trainer(config, tmp_path / arm, say=quiet)
    before = copied(runner.objective.teacher.state_dict())
    learned = runner.run().state_dict()
    assert all(torch.equal(v, before[k]) for k, v in runner.objective.teacher.state_dict().items())
    assert not any("teacher" in name for name in load_checkpoint(tmp_path / arm / "checkpoint.pt")["model"])
    alone = Trainer(dataclasses.replace(config, imitate=0.0), tmp_path / "alone", say=quiet).run().state_dict()
    assert any(not torch.equal(v, alone[k]) for k, v in learned.items())


def test_imitation_alone_brings_a_network_to_its_teacher(small):
    """Without a label the imitation is all of the loss, and it falls; factor 0 leaves nothing to learn."""
    torch.manual_seed(0)
    teacher, model = (irnet_lc(3, 0.05, blocks=(1, 1, 1)) for _ in range(2))
    with torch.no_grad():
        teacher.heads[-1][-1].weight.mul_(20)  # one that has an opinion
    x, nothing = torch.rand(2, 3, 32, 40), torch.full((2, 32, 40), 255)
    config, (phase, *_) = dataclasses.replace(small, imitate=2.0), phases(small)
    shared = objective.Objective(model, config, None, 255, teacher)
    optimiser, losses = torch.optim.Adam(model.parameters(), 1e-2), []
    for _ in range(30):
        losses.append(shared(x, nothing, phase))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]
    idle = dataclasses.replace(config, imitate=0.0)
    assert objective.Objective(model, idle, None, 255, teacher)(x, nothing, phase) == 0


@pytest.mark.parametrize("there", [False, True])
def test_bfloat16_is_used_only_where_the_device_has_it(there, small, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "has_bfloat16", lambda device: there)
    config = dataclasses.replace(small, amp=True)
    run = Trainer(config, tmp_path / "run", say=quiet)
    assert run.objective.config.amp is there
    assert run.config.amp  # what was asked for goes into the checkpoint: it resumes on any machine


def test_a_teacher_of_other_classes_is_refused_before_the_first_step(small, tmp_path):
    net = irnet_lc(2, 0.05, blocks=(1, 1, 1))
    save(net, tmp_path / "other.safetensors", meta={"classes": ["cat", "dog"]})
    config = dataclasses.replace(small, teacher=str(tmp_path / "other.safetensors"))
    with pytest.raises(TrainingError, match=r"knows 2 classes \(cat, dog\); the data has 11 classes \(Sky, "):
        Trainer(config, tmp_path / "run", say=quiet)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(small, tmp_path):
    config = dataclasses.replace(small, lr=1e30, warmup=0, save_every=1)
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) .* at step [1-5];.* intact.* lower .* than 1e\+30"):
        Trainer(config, tmp_path, say=quiet).run()
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    assert 1 <= state["step"] <= 5
    assert len(rows(tmp_path)) == state["step"]


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(small, tmp_path, monkeypatch):
    """The square root of 0 is finite and its slope is not."""
    run = Trainer(dataclasses.replace(small, save_every=1), tmp_path, say=quiet)
    true_loss = objective.stage_losses

    def steep(logits, *rest):
        return (logits[0].sum() * 0).sqrt() if run.step == 2 else true_loss(logits, *rest)

    monkeypatch.setattr(objective, "stage_losses", steep)
    with pytest.raises(TrainingError, match=r"the loss is -?0 and its gradient's norm nan at step 2"):
        run.run()
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    assert state["step"] == 2
    assert all(v.isfinite().all() for v in state["model"].values())
    assert all(torch.equal(p, state["model"][name]) for name, p in run.model.named_parameters())


def test_pictures_without_a_label_train_without_harm(small, data, tmp_path):
    for k in range(5):
        trees.write(trees.labels([11]), data / "trainannot" / f"train_{k:03}.png")
    net = Trainer(dataclasses.replace(small, steps=2), tmp_path / "run", say=quiet).run()
    assert all(v.isfinite().all() for v in net.state_dict().values())
    assert [float(r["loss"]) for r in rows(tmp_path / "run")] == [0, 0]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_picture_is_named_in_one_sentence(workers, small, data, tmp_path):
    run = Trainer(dataclasses.replace(small, workers=workers), tmp_path / "run", say=quiet)
    for path in (data / "train").iterdir():
        path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(
        DataError, match=r"^/.*/train/train_00\d\.png is damaged or cut off .*; fetch it again$"
    ) as caught:
        run.run()
    assert "\n" not in str(caught.value)
