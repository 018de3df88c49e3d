"""Both networks on every frame: right answers, times in turns, counters that are medians."""

import statistics

import numpy as np
import pytest
import torch

from lcnb.video import Duel, Summary, fps
from lcnb.video.compare import WARMUP, WINDOW


@pytest.fixture(scope="module")
def duel(small_cascade):
    return Duel(small_cascade, 0.6)


def test_answers_are_those_of_the_networks(duel, small_cascade, picture):
    seen = duel.one(picture, 3)
    with torch.inference_mode():
        cascade, dense = (small_cascade(picture[None] / 255, rho) for rho in (0.6, 1.0))
    assert np.array_equal(seen.cascade.labels, cascade.labels[0].numpy())
    assert np.array_equal(seen.dense.labels, dense.labels[0].numpy())
    assert np.array_equal(seen.stage, cascade.pixel_stage()[0].numpy())
    assert seen.exits == pytest.approx(cascade.exits[0].tolist())
    assert (seen.number, seen.dense.labels.dtype) == (3, np.uint8)
    assert min(seen.dense.ms, seen.cascade.ms) > 0


def test_one_of_them_alone(duel, picture):
    alone = duel.one(picture, sides=("dense",))
    assert (alone.cascade, alone.stage, alone.exits) == (None, None, ())
    assert duel.one(picture, sides=("cascade",)).dense is None


def test_the_dense_form_is_the_one_that_was_quicker(small_cascade, picture, monkeypatch):
    duel = Duel(small_cascade, 0.6)
    clock = iter(range(10**6))
    monkeypatch.setattr("lcnb.video.compare.time.perf_counter", lambda: next(clock))
    slow = duel._forms["plain"]

    def slower(x):
        next(clock)
        return slow(x)

    duel._forms["plain"] = slower
    duel.prepare(picture)
    assert duel.tried == {"rho = 1": 1000, "plain": 2000}
    assert duel.opponent == "rho = 1"


def test_they_take_turns_and_warm_up_once_a_size(small_cascade, picture, monkeypatch):
    duel, order = Duel(small_cascade, 0.6), []
    once = Duel._once

    def noted(self, form, frame):
        found = once(self, form, frame)
        order.append("cascade" if found[2] is not None else "dense")
        return found

    monkeypatch.setattr(Duel, "_once", noted)
    list(duel.compare([picture] * 3))
    warm, timed = order[:-6], order[-6:]
    assert len(warm) == 3 * (1 + WARMUP)
    assert timed == ["dense", "cascade", "cascade", "dense", "dense", "cascade"]
    duel.one(picture[:, :40])
    assert len(order) == 2 * len(warm) + 8


def test_counters_are_running_medians(duel, picture, monkeypatch):
    times = [100.0, 100.0, 100.0, 900.0] + [50.0] * WINDOW
    for side in duel._recent.values():
        side.clear()
    monkeypatch.setattr(duel, "_once", lambda form, frame: (np.zeros((48, 64), np.uint8), times[len(shown)], None))
    shown = []
    for _ in times:
        shown.append(duel.one(picture, sides=("dense",)).dense.fps)
    assert shown[3] == pytest.approx(10)  # one slow frame does not move it
    assert shown[-1] == pytest.approx(20)  # and what is long ago is forgotten


def test_fps_and_summary(duel, picture):
    assert fps([100.0, 50.0, 1000.0]) == pytest.approx(10)
    summary = Summary()
    for seen in duel.compare([picture] * 3):
        assert summary.note(seen) is seen
    told = summary.as_dict()
    assert told["frames"] == 3
    assert told["speedup"] == pytest.approx(
        statistics.median(summary.dense) / statistics.median(summary.cascade), abs=1e-3
    )
    assert told["fps"]["dense"] == pytest.approx(1000 / statistics.median(told["ms"]["dense"]), rel=1e-2)
    assert sum(told["exits"]) == pytest.approx(1, abs=1e-3)


def test_frames_are_asked_for_one_at_a_time(duel, picture):
    asked = []

    def frames():
        for k in range(5):
            asked.append(k)
            yield picture

    coming = duel.compare(frames())
    next(coming)
    assert asked == [0]


@pytest.mark.parametrize("rho", [1.5, (0.5, 0.5, 0.5), -0.1])
def test_a_wrong_threshold_is_said_at_once(small_cascade, rho):
    with pytest.raises(ValueError, match="rho"):
        Duel(small_cascade, rho)
