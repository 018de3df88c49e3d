"""A run that was stopped, by whatever means, ends with the very weights of one that was not."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from lcnb.training import Trainer, TrainingError, load_checkpoint
from lcnb.training.checkpoint import save_checkpoint
from tests.training.conftest import quiet, rows, timeless


class Crash(Exception):
    """Stands for a power cut."""


def crash_at(step):
    def say(line):
        if line.startswith(f"step {step:>6} "):
            raise Crash

    return say


def finish(config, folder):
    Trainer(config, folder, resume=True, say=quiet).run()


def identical(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(identical(v, b[k]) for k, v in a.items())
    if isinstance(a, list):
        return len(a) == len(b) and all(map(identical, a, b))
    return a == b


def assert_same_run(folder, other):
    """Checkpoints equal bit by bit (weights, average, optimiser, settings), logs equal but for the speed."""
    assert identical(load_checkpoint(folder / "checkpoint.pt"), load_checkpoint(other / "checkpoint.pt"))
    assert timeless(folder) == timeless(other)
    assert (folder / "config.json").read_text() == (other / "config.json").read_text()


FINISHED = {}


@pytest.fixture
def unbroken(small, tmp_path, tmp_path_factory):
    """A copy of the run that nothing stopped; it is made once."""
    if not FINISHED:
        FINISHED["run"] = tmp_path_factory.mktemp("unbroken") / "run"
        Trainer(small, FINISHED["run"], say=quiet).run()
    return shutil.copytree(FINISHED["run"], tmp_path / "unbroken")


@pytest.mark.parametrize("amp", [False, True])
def test_a_crash_after_the_checkpoint(amp, small, tmp_path):
    """A training that was stopped and resumed ends with the very weights of an unbroken one, in float32 and bfloat16"""
    torch.set_num_threads(2)  # as real runs have, and still bit by bit
    config, broken = dataclasses.replace(small, amp=amp), tmp_path / "broken"
    Trainer(config, tmp_path / "unbroken", say=quiet).run()
    with pytest.raises(Crash):
        Trainer(config, broken, say=crash_at(5)).run()
    assert load_checkpoint(broken / "checkpoint.pt")["step"] == 3
    assert [row["step"] for row in rows(broken)] == ["1", "2", "3", "4", "5"]
    finish(config, broken)
    assert_same_run(broken, tmp_path / "unbroken")


def test_a_crash_before_the_first_checkpoint(small, tmp_path, unbroken):
    """A training that was killed before its first checkpoint, with a half-written file left"""
    with pytest.raises(Crash):
        Trainer(small, tmp_path / "broken", say=crash_at(2)).run()
    (tmp_path / "broken" / ".checkpoint.pt.half.pt").touch()  # as a kill in the middle of writing leaves it
    said = []
    Trainer(small, tmp_path / "broken", resume=True, say=said.append).run()
    assert "has no checkpoint yet: starting at step 0" in said[0]
    assert {p.name for p in (tmp_path / "broken").iterdir()} == {"checkpoint.pt", "log.csv", "config.json"}
    assert_same_run(tmp_path / "broken", unbroken)


def test_the_comparison_sees_a_difference(small, tmp_path, unbroken):
    Trainer(dataclasses.replace(small, seed=1), tmp_path / "other", say=quiet).run()
    a, b = (load_checkpoint(f / "checkpoint.pt") for f in (tmp_path / "other", unbroken))
    assert not identical(a["model"], b["model"])
    assert not identical(a["optimiser"], b["optimiser"])


def test_ctrl_c_ends_the_step_saves_and_stops(small, tmp_path, unbroken, ctrl_c, monkeypatch):
    """Ctrl-C while training: the step is ended, saved, and resumed bit by bit"""
    said = []
    run = Trainer(small, tmp_path / "broken", say=said.append)
    step = run.optimiser.step

    def interrupted():
        if run.step == 3:
            ctrl_c()
        step()

    monkeypatch.setattr(run.optimiser, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.run()
    assert said[-1] == "stopped at step 4 of 6; the checkpoint is saved, --resume goes on"
    assert load_checkpoint(run.checkpoint)["step"] == 4
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finish(small, tmp_path / "broken")
    assert_same_run(tmp_path / "broken", unbroken)


def test_a_second_ctrl_c_stops_at_once(small, tmp_path, ctrl_c, monkeypatch):
    run = Trainer(small, tmp_path, say=quiet)
    monkeypatch.setattr(run.optimiser, "step", lambda: (ctrl_c(), ctrl_c()) if run.step == 4 else None)
    with pytest.raises(KeyboardInterrupt):
        run.run()
    assert load_checkpoint(run.checkpoint)["step"] == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_run_in_another_thread_leaves_signals_alone(small, tmp_path, ctrl_c):
    seen = []
    config = dataclasses.replace(small, steps=1)
    run = Trainer(config, tmp_path, say=lambda line: seen.append(signal.getsignal(signal.SIGINT)))
    thread = threading.Thread(target=run.run)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
    assert load_checkpoint(run.checkpoint)["step"] == 1


def test_resuming_a_finished_run_gives_its_network(small, tmp_path, unbroken):
    before = (unbroken / "checkpoint.pt").read_bytes(), timeless(unbroken)
    net = Trainer(small, unbroken, resume=True, say=quiet).run()
    assert ((unbroken / "checkpoint.pt").read_bytes(), timeless(unbroken)) == before
    assert identical(dict(net.state_dict()), load_checkpoint(unbroken / "checkpoint.pt")["average"])


def test_a_run_is_never_overwritten(small, unbroken):
    """`lcnb train` into the folder of a finished run, without --resume"""
    before = (unbroken / "checkpoint.pt").read_bytes()
    with pytest.raises(TrainingError, match=r"unbroken already holds a run; add --resume to go on, or name another"):
        Trainer(small, unbroken, say=quiet)
    assert (unbroken / "checkpoint.pt").read_bytes() == before
    assert len(rows(unbroken)) == 6


def test_other_settings_are_refused_by_name(small, unbroken):
    other = dataclasses.replace(small, lr=5e-4, crop=(40, 40), seed=3, workers=1, log_every=2)
    with pytest.raises(TrainingError) as caught:
        Trainer(other, unbroken, resume=True, say=quiet)
    message = str(caught.value)
    assert "(crop: [32, 40] there, [40, 40] here, lr: 0.001 there, 0.0005 here, seed: 0 there, 3 here)" in message
    assert "workers" not in message
    assert len(rows(unbroken)) == 6


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_settings_that_change_no_weight_may_change(small, tmp_path, unbroken):
    with pytest.raises(Crash):
        Trainer(small, tmp_path / "broken", say=crash_at(4)).run()
    other = dataclasses.replace(small, workers=2, save_every=1, val_every=5, val_images=1)
    finish(other, tmp_path / "broken")
    for part in ("model", "average", "optimiser"):
        mine, theirs = (load_checkpoint(f / "checkpoint.pt")[part] for f in (tmp_path / "broken", unbroken))
        assert identical(mine, theirs)
    assert [row["step"] for row in rows(tmp_path / "broken")] == ["1", "2", "3", "4", "5", "6"]
    assert json.loads((tmp_path / "broken" / "config.json").read_text())["workers"] == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state.update(model={"weight": torch.ones(1)}),
        lambda state: state["model"].pop("heads.0.2.bias"),
        lambda state: state["average"].pop("heads.0.2.bias"),
        lambda state: state.update(optimiser={"state": {}}),
    ],
    ids=["other network", "tensor missing", "average missing", "optimiser"],
)
def test_a_checkpoint_that_does_not_fit_is_named_and_kept(damage, small, unbroken):
    """A damaged checkpoint that a training is to resume from"""
    path = unbroken / "checkpoint.pt"
    state = load_checkpoint(path)
    damage(state)
    save_checkpoint(path, state)
    before = path.read_bytes()
    with pytest.raises(TrainingError, match=r"checkpoint\.pt does not fit its own settings") as caught:
        Trainer(small, unbroken, resume=True, say=quiet)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


SCRIPT = """
import os, signal, sys, time
import torch
from lcnb.models.networks import NETWORKS
from lcnb.training import Trainer
from tests.training.conftest import SMALL, shallow_irnet
from tests.training.test_resume import killable

def killed_while_writing(state, file, save=torch.save):
    save(state, file)
    if state["step"] == 7:
        file.truncate(1000)
        os.kill(os.getpid(), signal.SIGKILL)

torch.set_num_threads(1)
torch.save = killed_while_writing
NETWORKS["irnet"] = shallow_irnet()
Trainer(killable(SMALL), sys.argv[1], resume=True, say=lambda line: time.sleep(0.1)).run()
"""


def killable(small):
    """Twelve steps, each of them saved."""
    return dataclasses.replace(small, steps=12, save_every=1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_kill_9_between_two_checkpoints_and_in_the_middle_of_one(small, tmp_path):
    """`kill -9` while training, between two checkpoints and in the middle of writing one: it resumes bit by bit"""
    root, folder = Path(__file__).parents[2], tmp_path / "killed"

    def start():
        return subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], cwd=root)

    first = start()
    while logged(folder) < 4:
        assert first.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    first.kill()
    assert first.wait() == -signal.SIGKILL
    assert 3 <= load_checkpoint(folder / "checkpoint.pt")["step"] < 7

    assert start().wait() == -signal.SIGKILL  # by itself, in the middle of writing the seventh
    assert load_checkpoint(folder / "checkpoint.pt")["step"] == 6
    assert len(list(folder.glob(".checkpoint.pt.*"))) == 1

    finish(killable(small), folder)
    Trainer(killable(small), tmp_path / "unbroken", say=quiet).run()
    assert_same_run(folder, tmp_path / "unbroken")
    assert {p.name for p in folder.iterdir()} == {"checkpoint.pt", "log.csv", "config.json"}


def logged(folder):
    file = folder / "log.csv"
    return file.read_text().count("\n") - 1 if file.exists() else 0


def seen_by(config, folder, monkeypatch, **options):
    """A run to its end: (the batches of its steps, the average, the trainer)."""
    batches, true = [], Trainer._train_step

    def noted(self, objective, phase, x, target):
        batches.append((self.step, x.clone(), target.clone(), phase.learning_rate(self.step)))
        return true(self, objective, phase, x, target)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_step", noted)
        run = Trainer(config, folder, say=quiet, **options)
        run.run()
    return batches, run.average, run


def test_branches_of_one_trunk_see_the_same_crops(small, tmp_path, monkeypatch):
    """Those that the trunk would have seen next; weights, average and step are its own, the optimiser is new."""
    trunk = dataclasses.replace(small, arm="dsn", steps=2, cascade_steps=0, dropout=0.0)
    seen_by(trunk, tmp_path / "trunk", monkeypatch)
    changes = {"steps": 2, "cascade_steps": 2, "rho": 0.12}
    arms = [
        dataclasses.replace(trunk, arm=arm, halo=halo, **changes)
        for arm, halo in (("dsn", 0), ("lc", 1), ("shuffled", 0))
    ]
    found = [seen_by(c, tmp_path / f"{c.arm}", monkeypatch, begin=tmp_path / "trunk") for c in arms]
    whole = seen_by(arms[0], tmp_path / "whole", monkeypatch)[0][2:]
    for batches, _, _ in found:
        assert [b[0] for b in batches] == [2, 3]
        for (_, x, target, rate), (_, other, truth, pace) in zip(batches, whole, strict=True):
            assert x.equal(other)
            assert target.equal(truth)
            assert rate == pace
    (_, deep, run), (_, cascade, _), (_, shuffled, _) = found
    assert not all(deep[k].equal(cascade[k]) for k in deep)
    assert not all(shuffled[k].equal(cascade[k]) for k in deep)
    assert next(iter(run.optimiser.state.values()))["step"] == 2

    start = Trainer(arms[1], tmp_path / "new", say=quiet, begin=tmp_path / "trunk")
    kept = torch.load(tmp_path / "trunk" / "checkpoint.pt", weights_only=True)
    assert start.step == 2
    assert all(v.equal(kept["average"][k]) for k, v in start.average.items())
    assert all(v.equal(kept["model"][k]) for k, v in start.model.state_dict().items())


def test_a_branch_goes_on_from_its_own_checkpoint(small, tmp_path, monkeypatch):
    trunk = dataclasses.replace(small, arm="dsn", steps=2, cascade_steps=0)
    seen_by(trunk, tmp_path / "trunk", monkeypatch)
    config = dataclasses.replace(trunk, arm="lc", cascade_steps=1)
    options = {"begin": tmp_path / "trunk"}
    _, average, _ = seen_by(config, tmp_path / "lc", monkeypatch, **options)
    again = Trainer(config, tmp_path / "lc", resume=True, say=quiet, **options)
    assert again.step == 3
    assert all(v.equal(average[k]) for k, v in again.average.items())


def test_what_a_run_does_not_begin_from(small, tmp_path, monkeypatch):
    trunk = dataclasses.replace(small, arm="dsn", steps=1, cascade_steps=0)
    seen_by(trunk, tmp_path / "trunk", monkeypatch)
    for changes, words in (
        ({"steps": 2, "cascade_steps": 1}, r"another first step of training \(steps: 1 there, 2 here\)"),
        ({"seed": 5, "cascade_steps": 1}, r"another first step of training \(seed: 0 there, 5 here\)"),
    ):
        with pytest.raises(TrainingError, match=words):
            Trainer(dataclasses.replace(trunk, **changes), tmp_path / "x", say=quiet, begin=tmp_path / "trunk")
    with pytest.raises(TrainingError, match="does not exist"):
        Trainer(dataclasses.replace(trunk, cascade_steps=1), tmp_path / "x", say=quiet, begin=tmp_path / "none")
    longer = dataclasses.replace(trunk, cascade_steps=2)
    seen_by(longer, tmp_path / "longer", monkeypatch)
    with pytest.raises(TrainingError, match="is at step 3, not at the 1 of the first step"):
        Trainer(longer, tmp_path / "x", say=quiet, begin=tmp_path / "longer")
