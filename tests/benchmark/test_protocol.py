"""Opponents take turns, warm-up does not count, and medians are medians."""

import pytest
import torch

from lcnb.benchmark import Opponent, Protocol, Stopwatch, Times, measure, stopwatch_for


def ticking(fake, name, seconds, log=None):
    """An opponent that takes seconds[turn], and a lot of time to prepare."""

    def run(turn):
        if log is not None:
            log.append((turn, name))
        fake.now += seconds[turn]

    def prepare(turn):
        fake.now += 100

    return Opponent(name, run, prepare)


def test_turns_warm_up_and_order(fake):
    log = []
    a = ticking(fake, "a", [9, 1, 2, 3], log)
    b = ticking(fake, "b", [9, 10, 20, 40], log)
    rounds = []
    times = measure([a, b], Protocol(1, 3), fake, lambda done, total: rounds.append((done, total)))
    assert times["a"].seconds == (1, 2, 3)
    assert times["b"].seconds == (10, 20, 40)
    assert log == [(0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b"), (3, "b"), (3, "a")]
    assert rounds == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_no_gradients_inside(fake):
    seen = []
    measure([Opponent("a", lambda _: seen.append(torch.is_inference_mode_enabled()))], Protocol(0, 1), fake)
    assert seen == [True]


def test_statistics_golden():
    times = Times((0.004, 0.001, 0.003, 0.002, 0.005))
    assert times.p50 == pytest.approx(0.003)
    assert times.quantile(0.95) == pytest.approx(0.0048)
    assert times.spread == pytest.approx((0.004 - 0.002) / 0.003)
    assert times.as_ms() == {"p50": 3.0, "p95": 4.8, "min": 1.0, "spread": 0.6667, "n": 5}
    assert Times((0.5,)).as_ms() == {"p50": 500.0, "p95": 500.0, "min": 500.0, "spread": 0.0, "n": 1}
    assert Times((0.0, 0.0)).spread == 0


@pytest.mark.parametrize(("warmup", "repeats"), [(-1, 3), (0, 0)])
def test_protocol_refuses(warmup, repeats):
    with pytest.raises(ValueError, match="repeats at least 1"):
        Protocol(warmup, repeats)


@pytest.mark.parametrize("names", [[], ["a", "a"]])
def test_opponents_have_names(fake, names):
    with pytest.raises(ValueError, match="names of their own"):
        measure([Opponent(n, print) for n in names], Protocol(0, 1), fake)


def test_wall_clock():
    watch = stopwatch_for("cpu")
    assert type(watch) is Stopwatch
    for _ in range(3):
        watch.mark()
    laps = watch.laps()
    assert len(laps) == 2
    assert all(lap >= 0 for lap in laps)
    assert watch.laps() == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_clock():
    watch = stopwatch_for("cuda")
    x = torch.rand(2048, 2048, device="cuda")
    times = measure([Opponent("product", lambda _: x @ x)], Protocol(1, 3), watch)
    assert all(t > 0 for t in times["product"].seconds)
