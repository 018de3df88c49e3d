"""Pictures of twelve million pixels, in a process of their own whose memory is looked at."""

import json
import subprocess
import sys

import pytest

from tests.cli.conftest import ROOT, environment

CODE = """
import json, resource, sys
import torch
import lcnb
network = lcnb.load("streets-small")
if sys.argv[1] == "fused":
    network = network.for_inference()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with torch.inference_mode():
    out = network(torch.rand(1, 3, 3000, 4000, generator=torch.Generator().manual_seed(0)), 0.9)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([list(out.labels.shape), out.exits.sum().item(), (peak - before) / 1e6]))
"""


@pytest.mark.long
@pytest.mark.parametrize(("form", "gigabytes"), [("plain", 2.0), ("fused", 4.0)])
def test_twelve_million_pixels(form, gigabytes):
    """A picture of 4000x3000 pixels, plain and fused, at quarter width: it runs, in less than 2 and 4 GB"""
    done = subprocess.run(
        [sys.executable, "-c", CODE, form], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    shape, exits, taken = json.loads(done.stdout)
    assert shape == [1, 3000, 4000]
    assert exits == pytest.approx(1)
    assert taken < gigabytes
