"""What is the fastest is measured once, kept whole, never trusted blindly, and has no say in the labels."""

import json
import math

import pytest
import torch

from lcnb.regions import autotune
from lcnb.regions.native import kernels
from lcnb.regions.rows import TORCH, C, Convolution, MaxPool, Slot, Tunable

CPU = torch.device("cpu")


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setenv("LCNB_CACHE", str(tmp_path / "cache"))
    return autotune.table_file()


@pytest.fixture
def measured(monkeypatch):
    """The keys of what was measured."""
    keys = []
    monkeypatch.setattr(autotune, "measure", lambda job, *_: keys.append(job.key) or (TORCH, 0.25))
    return keys


def layer(outputs=8, size=3):
    weight = torch.randn(outputs, 6, size, size)
    return Convolution(Slot("a", 0, 6), [Slot("b", 0, outputs)], weight, torch.zeros(outputs))


@pytest.mark.parametrize(
    ("sparse", "dense", "expected"),
    [
        ((1.0, 2.0), (1.5, 1.5), 0.75),
        ((1.0, 2.0), (3.0, 3.0), math.inf),
        ((2.0, 4.0), (1.0, 1.0), 0.25),
        ((5.0, 6.0), (1.0, 1.0), 0.0),
        ((5.0, 5.0), (1.0, 1.0), 0.0),
        ((1.0, 2.0), (1.5, 2.0), 1.0),
    ],
)
def test_crossing(sparse, dense, expected):
    assert autotune.crossing(0.5, sparse, dense) == pytest.approx(expected)


def test_every_shape_is_measured_once_and_kept(table, measured):
    layers = [layer(), layer(), layer(9)]
    autotune.settle(layers, torch.float32, CPU)
    assert measured == [layers[0].key, layers[2].key]
    assert {(one.sparse, one.dense_from) for one in layers} == {(TORCH, 0.25)}
    autotune.settle(iter([again := layer()]), torch.float32, CPU)
    assert len(measured) == 2
    assert again.dense_from == 0.25
    autotune.settle([layer()], torch.bfloat16, CPU)
    autotune.settle([layer()], torch.float32, CPU, native=False)
    assert len(measured) == (4 if kernels() is not None else 3)
    assert len(json.loads(table.read_text())) == len(measured) - 1


def test_never_is_kept_too(table, monkeypatch):
    monkeypatch.setattr(autotune, "measure", lambda *_: (C, None))
    for _ in range(2):
        autotune.settle([one := layer()], torch.float32, CPU)
        assert one.dense_from == math.inf
        assert one.sparse == (TORCH if kernels() is None else C)
        monkeypatch.setattr(autotune, "measure", None)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"x": 3}', '{"x": {"y": "z"}}', '{"x": {"y": ["C", -1]}}', '{"x": {"y": ["D", 1]}}']
)
def test_a_damaged_table_is_measured_again(table, measured, content):
    table.parent.mkdir(parents=True)
    table.write_text(content)
    autotune.settle([layer()], torch.float32, CPU)
    assert len(measured) == 1
    assert len(autotune.read(table)) == 1


def test_where_nothing_can_be_written_the_choice_still_holds(tmp_path, monkeypatch, measured):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LCNB_CACHE", str(tmp_path / "file" / "below"))
    autotune.settle([one := layer()], torch.float32, CPU)
    assert one.dense_from == 0.25


def test_what_depends_on_the_machine_is_in_the_key(monkeypatch):
    keys = {autotune.machine_key(torch.float32, CPU), autotune.machine_key(torch.bfloat16, CPU)}
    keys.add(autotune.machine_key(torch.float32, CPU, native=True))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    keys.add(autotune.machine_key(torch.float32, CPU))
    monkeypatch.setattr(autotune, "cpu_model", lambda: "another")
    keys.add(autotune.machine_key(torch.float32, CPU))
    assert len(keys) == 5


def slowed(monkeypatch, kind, name):
    """One implementation of a kind of job takes much longer."""
    pause, quick = torch.randn(300, 300), getattr(kind, name)

    def slow(self, rows, work, outs):
        for _ in range(60):
            torch.mm(pause, pause)
        quick(self, rows, work, outs)

    monkeypatch.setattr(kind, name, slow)


@pytest.mark.parametrize(("slow", "expected"), [("on_map", None), ("in_torch", 0.0)])
def test_a_measured_fraction_follows_what_the_implementations_cost(slow, expected, monkeypatch):
    """A map made slow is never taken; a gather made slow always gives way to it."""
    slowed(monkeypatch, MaxPool, slow)
    one = MaxPool(Slot("a", 0, 4), Slot("b", 0, 4), (3, 3), (1, 1))
    assert autotune.measure(one, torch.float32, CPU, native=False) == (TORCH, expected)
    assert one.source == Slot("a", 0, 4)


@pytest.mark.parametrize(("slow", "expected"), [("in_c", TORCH), ("in_torch", C)])
def test_a_measured_kernel_follows_what_the_kernels_cost(slow, expected, monkeypatch):
    if kernels() is None:
        pytest.skip("there are no kernels of ours here")
    slowed(monkeypatch, Convolution, slow)
    assert autotune.measure(layer(size=1), torch.float32, CPU, native=True) == (expected, None)


def test_preparing_a_cascade_measures_it_unless_told_not_to(table, measured, small_cascade):
    unmeasured = list(small_cascade.for_inference(measure=False).tunable())
    assert {job.dense_from for job in unmeasured if job.maps} == {0.9, 0.15}
    assert {job.sparse for job in unmeasured} == {TORCH}
    assert measured == []
    assert all(job.dense_from == 0.25 for job in small_cascade.for_inference().tunable())
    assert len(measured) == len(set(measured)) > 5


def test_every_job_of_a_cascade_is_among_those_that_are_settled(small_cascade, monkeypatch):
    used, run = set(), Tunable.run
    monkeypatch.setattr(Tunable, "run", lambda self, frame: used.add(id(self)) or run(self, frame))
    prepared = small_cascade.for_inference(measure=False)
    prepared.all_stages(torch.rand(1, 3, 64, 64))
    assert used == {id(job) for job in prepared.tunable()}
