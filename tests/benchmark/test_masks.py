"""Masks hold the share that was asked for, to a cell."""

import itertools

import pytest
import torch

from lcnb.benchmark.masks import KINDS, nested_masks, open_after

SHARES = [1, 0.75, 0.5, 0.25, 0.1, 0.05, 0]


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 45, 60), (2, 1, 7)])
@pytest.mark.parametrize("kind", KINDS)
def test_exact_and_nested(kind, shape):
    masks = nested_masks(SHARES, shape, kind, seed=5)
    cells = shape[1] * shape[2]
    for share, mask in zip(SHARES, masks, strict=True):
        assert mask.shape == shape
        assert mask.dtype == torch.bool
        assert mask.flatten(1).sum(1).tolist() == [round(share * cells)] * shape[0]
    for larger, smaller in itertools.pairwise(masks):
        assert (larger | ~smaller).all()


@pytest.mark.parametrize("kind", KINDS)
def test_seed_repeats_and_images_differ(kind):
    first, again, other = (nested_masks([0.5], (2, 32, 32), kind, seed)[0] for seed in (0, 0, 1))
    assert first.equal(again)
    assert not first.equal(other)
    assert not first[0].equal(first[1])


def rough(mask):
    """Share of neighbouring cells that differ."""
    return (mask[:, :, 1:] != mask[:, :, :-1]).float().mean().item()


def test_kinds_differ_in_how_ragged_they_are():
    blobs, boundaries, random = (rough(nested_masks([0.25], (4, 64, 64), k)[0]) for k in KINDS)
    assert blobs < boundaries < random


def test_open_after_the_papers_exits():
    behind_1, behind_2 = open_after((0.23, 0.29), (2, 64, 64))
    assert behind_1[0].sum() == round(0.77 * 4096)
    assert behind_2[1].sum() == round(0.48 * 4096)
    assert (behind_1 | ~behind_2).all()
    assert not open_after((0.5, 0.5), (1, 8, 8))[1].any()


@pytest.mark.parametrize("exits", [(-0.1, 0.2), (0.6, 0.5)])
def test_exits_that_cannot_be(exits):
    with pytest.raises(ValueError, match="shares of all cells"):
        open_after(exits, (1, 8, 8))


def test_refuses():
    with pytest.raises(ValueError, match="one of blobs, boundaries, random; got 'dots'"):
        nested_masks([0.5], (1, 8, 8), "dots")
    with pytest.raises(ValueError, match=r"between 0 and 1, got 1.5"):
        nested_masks([1.5], (1, 8, 8))
