"""Idle OpenMP threads sleep: lcnb says so before torch is imported, unless the user has said something."""

import os
import subprocess
import sys

import pytest

from tests.cli.conftest import ROOT
from tests.test_addresses import BOOTSTRAP

SHOW = "import os, sys; print(os.environ.get('GOMP_SPINCOUNT'))"


@pytest.mark.parametrize(
    ("code", "given", "spins"),
    [
        ("import lcnb", {}, "1000"),
        (BOOTSTRAP, {}, "1000"),
        ("import lcnb", {"GOMP_SPINCOUNT": "5"}, "5"),
        ("import lcnb", {"OMP_WAIT_POLICY": "passive"}, "None"),
        ("import sys; sys.modules['torch'] = sys; import lcnb", {}, "None"),  # too late to matter
    ],
)
def test_spins(code, given, spins):
    env = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")} | given
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{SHOW}\nassert __import__('sys').modules.get('torch') in (None, sys)"],
        cwd=ROOT, env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{spins}\n"
