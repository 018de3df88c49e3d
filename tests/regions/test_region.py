"""Region: numbering, neighbour tables, growing, and the masks it refuses."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lcnb.regions import Region

CROSS = torch.tensor([[[0, 1, 0], [1, 1, 1], [0, 1, 0]]]).bool()


def test_numbers_cells_in_reading_order():
    region = Region(CROSS)
    assert len(region) == 5
    assert region.shape == (1, 3, 3)
    assert region.rank.tolist() == [[[-1, 0, -1], [1, 2, 3], [-1, 4, -1]]]
    assert region.index.tolist() == [1, 3, 4, 5, 7]


def test_neighbour_table_by_hand():
    table = Region(CROSS).neighbours((3, 3))
    assert table.shape == (5, 9)
    assert table[2].tolist() == [5, 0, 5, 1, 2, 3, 5, 4, 5]  # the centre sees the four arms; 5 = nothing there
    assert table[0].tolist() == [5, 5, 5, 5, 0, 5, 1, 2, 3]  # the top arm sees beyond the border


def test_tables_are_built_once_for_each_kernel_and_dilation():
    region = Region(CROSS)
    assert region.neighbours((3, 3)) is region.neighbours((3, 3), (1, 1))
    assert region.neighbours((3, 3)) is not region.neighbours((3, 3), (2, 2))


def test_neighbours_do_not_cross_images():
    region = Region(torch.ones(2, 1, 1, dtype=torch.bool))
    assert region.neighbours((3, 3))[:, 4].tolist() == [0, 1]
    assert (region.neighbours((3, 3)) == 2).sum() == 16
    assert region.image.tolist() == [0, 1]


@pytest.mark.parametrize(("kernel", "dilation"), [((2, 3), (1, 1)), ((3, 0), (1, 1)), ((3, 3), (0, 1))])
def test_refuses_kernels_without_a_centre(kernel, dilation):
    with pytest.raises(ValueError, match="odd sides"):
        Region(CROSS).neighbours(kernel, dilation)


def test_keeps_its_own_copy_of_the_mask():
    mask = CROSS.clone()
    region = Region(mask)
    mask[:] = False
    assert region.mask.sum() == 5


@settings(max_examples=50, deadline=None)
@given(shape=st.tuples(*[st.integers(0, 4)] * 3), seed=st.integers(0, 99), halo=st.integers(0, 3))
def test_rank_and_index_are_inverse_and_grow_contains(shape, seed, halo):
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.4
    region = Region(mask)
    assert region.rank.flatten()[region.index].tolist() == list(range(len(region)))
    assert int((region.rank >= 0).sum()) == len(region) == int(region.counts().sum())
    if mask.numel():
        grown = region.grow(halo)
        assert (grown.mask | ~mask).all()
        assert grown.rows_of(region).tolist() == grown.rank[mask].tolist()


def test_grow_by_hand_and_its_errors():
    mask = torch.zeros(1, 5, 5, dtype=torch.bool)
    mask[0, 2, 2] = True
    assert Region(mask).grow(1).mask[0].int().tolist() == [
        [0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0],
    ]  # fmt: skip
    with pytest.raises(ValueError, match="-1"):
        Region(mask).grow(-1)


def test_rows_of_refuses_a_region_that_is_not_inside():
    small, large = Region(CROSS), Region.full(1, 3, 3)
    assert large.rows_of(small).tolist() == [1, 3, 4, 5, 7]
    with pytest.raises(ValueError, match="4 cells"):
        small.rows_of(large)
    with pytest.raises(ValueError, match="different grids"):
        small.rows_of(Region.full(1, 2, 2))


def test_first_used_in_inference_mode_then_in_training():
    with torch.inference_mode():
        region = Region(torch.ones(1, 4, 4, dtype=torch.bool))
        region.neighbours((3, 3)), region.rank
    rows = torch.ones(37, 2, requires_grad=True)
    rows[region.rank].sum().backward()
    rows[region.neighbours((3, 3))].sum().backward()
    rows[region.index].sum().backward()
    assert rows.grad is not None
