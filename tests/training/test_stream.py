"""Sample k is a function of the seed and k alone."""

import dataclasses
import pickle

import pytest
import torch
from torch.utils.data import DataLoader

from lcnb.datasets import load_dataset
from lcnb.training.interrupt import ignore_interrupts
from lcnb.training.stream import AugmentedStream, mix
from tests.training.conftest import SMALL


@pytest.fixture
def make(data):
    return lambda **changes: AugmentedStream(load_dataset("camvid", "train"), dataclasses.replace(SMALL, **changes))


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_samples_are_floats_and_class_numbers_of_the_crops_size(make):
    image, mask = make()[0]
    assert (type(image), image.dtype, tuple(image.shape)) == (torch.Tensor, torch.float32, (3, 32, 40))
    assert (type(mask), mask.dtype, tuple(mask.shape)) == (torch.Tensor, torch.int64, (32, 40))
    assert image.min() >= 0
    assert image.max() <= 1
    assert len(make()) == 12


def test_a_sample_does_not_depend_on_order_or_on_what_was_drawn_before(make):
    forward = [make()[k] for k in range(6)]
    torch.manual_seed(99)
    stream = make()
    for k in reversed(range(6)):
        torch.rand(k)
        assert same(stream[k], forward[k])
    assert not same(forward[0], forward[1])
    assert not same(make(seed=1)[0], make(seed=2)[0])
    state = torch.get_rng_state()
    make()[3]
    assert torch.equal(torch.get_rng_state(), state)


def test_every_epoch_shows_each_image_once_in_another_order(make, monkeypatch):
    stream, seen = make(), []
    monkeypatch.setattr(stream, "augment", lambda image, mask: (image, mask))
    read = type(stream.dataset).__getitem__
    monkeypatch.setattr(type(stream.dataset), "__getitem__", lambda self, k: seen.append(k) or read(self, k))
    for k in range(20):
        stream[k]
    epochs = [tuple(seen[i : i + 5]) for i in range(0, 20, 5)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len(set(epochs)) > 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_two_workers_give_the_same_batches_in_the_same_order(make):
    def batches(workers):
        prepare = ignore_interrupts if workers else None
        loader = DataLoader(make(), 2, sampler=range(2, 10), num_workers=workers, worker_init_fn=prepare)
        return list(loader)

    alone, helped = batches(0), batches(2)
    assert len(alone) == len(helped) == 4
    assert all(same(a, b) for a, b in zip(alone, helped, strict=True))
    assert torch.equal(alone[0][0][1], make()[3][0])


def test_mixed_seeds_are_spread_and_valid():
    seeds = {mix(s, k, use) for s in range(-2, 8) for k in range(200) for use in (1, 2, 3)}
    assert len(seeds) == 10 * 200 * 3
    assert all(0 <= s < 2**63 for s in seeds)
    assert mix(1, 2) != mix(2, 1)


def test_a_worker_that_is_spawned_gets_the_same_stream(make):
    """Workers that are started afresh (Windows, macOS): what training hands them survives the way."""
    sent, prepare = pickle.loads(pickle.dumps((make(), ignore_interrupts)))
    assert same(sent[3], make()[3])
    assert prepare is ignore_interrupts
