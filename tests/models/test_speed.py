"""Sparse, and faster: with half of the cells active a stage takes less time than dense."""

import os
import statistics
import time

import pytest
import torch
import torch.nn.functional as F

from lcnb.models import irnet_lc
from lcnb.regions import Region, RegionTensor


def blobs(share, size, seed=0):
    """(1, size, size) bool: smooth patches that cover `share` of the cells."""
    noise = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    smooth = F.interpolate(noise, size=(size, size), mode="bicubic")[:, 0]
    return smooth >= smooth.flatten().quantile(1 - share)


@pytest.fixture
def all_cores():
    torch.set_num_threads(os.cpu_count() or 1)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.usefixtures("all_cores")
def test_half_of_the_cells_take_less_time_than_all_at_full_width():
    """Stages 2 and 3 of the paper's network with their heads, 512x512, on this CPU; interleaved, medians."""
    cascade = irnet_lc(num_classes=21).eval()
    dense = torch.randn(1, 1152, 64, 64).to(memory_format=torch.channels_last)
    packed = RegionTensor.from_dense(dense, Region(blobs(0.5, 64)))
    seconds = {"dense": [], "half": []}
    with torch.inference_mode():
        for turn in range(4):
            for name, x in (("dense", dense), ("half", packed)):
                start = time.perf_counter()
                for stage, head in zip(cascade.stages[1:], cascade.heads[1:], strict=True):
                    x = stage(x)
                    head(x)
                if turn:  # the first run warms up
                    seconds[name].append(time.perf_counter() - start)
    whole, half = (statistics.median(seconds[k]) for k in ("dense", "half"))
    print(f"dense {whole * 1e3:.0f} ms, half of the cells {half * 1e3:.0f} ms: {half / whole:.2f} of dense")
    assert half < whole
