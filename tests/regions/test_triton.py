"""The `triton` backend where there is no GPU: its cases under the interpreter, its builds, when it is available."""

import importlib
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from lcnb.cli import info
from lcnb.machine import version
from lcnb.paths import extra
from lcnb.regions import Region, backends, unavailable, use_backend
from lcnb.regions.backends import _BACKENDS, select
from lcnb.regions.gather import GatherBackend
from lcnb.regions.triton_support import _too_old
from tests.regions.contract import random_mask

ROOT = Path(__file__).resolve().parents[2]
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None or _too_old(version("triton")), reason="triton is not there, or too old"
)


def python(*arguments, **environment):
    """A Python of its own: Triton decides on its interpreter when it is imported.

    It gets two minutes of one core: of its time, not the clock's, so that a busy machine fails nothing.
    """
    clean = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET" and not k.startswith("PYTEST_")}
    clean |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    limited = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_CPU, (120, 120)); "
    limited += "os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, *arguments]
    if sys.platform == "linux":
        command = [sys.executable, "-c", limited, *command]
    result = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, check=False)
    said = f"exit code {result.returncode} (-9 or -24: more than two minutes of processor time)\n"
    assert result.returncode == 0, said + result.stdout[-4000:] + result.stderr[-2000:]
    return result.stdout


@needs_triton
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_interpreted():
    """The contract and the operators, about 30 seconds of one core."""
    options = ["-p", "no:cacheprovider", "tests/regions/triton_cases.py"]
    said = python("-m", "pytest", *options, TRITON_INTERPRET="1")
    assert " passed" in said
    assert "skipped" not in said


@needs_triton
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_compiles_for_gpus_that_are_not_here(tmp_path):
    built = python("-W", "error", "-m", "tests.regions.triton_builds", TRITON_CACHE_DIR=str(tmp_path)).splitlines()
    assert len(built) == 24
    for line in built:
        if "fp32/ieee" in line:
            assert line.endswith("fma.rn")
        else:  # the tensor cores are used
            assert line.endswith("mma.sync" if "sm_80" in line else "wgmma.mma_async")


def test_lcnb_does_not_import_triton():
    """Torchvision may (it brings in torch's compiler), so models are asked about lcnb's own kernels only."""
    python("-c", (
        "import sys, lcnb; lcnb.use_backend, lcnb.Region\n"
        "assert 'triton' not in sys.modules\n"
        "lcnb.irnet_lc\n"
        "assert not [m for m in sys.modules if m in ('lcnb.regions.triton_kernels', 'lcnb.regions.triton_backend')]"
    ))  # fmt: skip


@pytest.fixture
def absent(monkeypatch):
    """As if the backend had never been asked for, on a machine without a GPU, with triton installed."""
    monkeypatch.delitem(_BACKENDS, "triton", raising=False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: types.SimpleNamespace(name=name))
    monkeypatch.setattr("lcnb.regions.triton_support.version", lambda name: "3.6.0")


def test_says_that_there_is_no_gpu(absent):
    assert "triton" not in backends()
    assert "no CUDA device; TRITON_INTERPRET=1" in unavailable()["triton"]
    with pytest.raises(KeyError, match="'triton' cannot run here: there is no CUDA device"), use_backend("triton"):
        pass


def test_says_that_it_is_not_installed(absent, monkeypatch):
    """Triton not installed: `lcnb info` and the backend say what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert f"`{extra('triton')}`" in unavailable()["triton"]


def test_says_that_it_cannot_be_imported(absent, monkeypatch):
    def broken(name):
        raise ImportError("libtriton.so: undefined symbol")

    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(importlib, "import_module", broken)
    assert "cannot be imported (ImportError: libtriton.so: undefined symbol)" in unavailable()["triton"]


@pytest.mark.parametrize("gpu", [True, False])
def test_is_available_with_a_gpu_or_with_the_interpreter(absent, monkeypatch, gpu):
    monkeypatch.setattr(importlib, "import_module", lambda name: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setenv("TRITON_INTERPRET", "0" if gpu else "true")
    assert unavailable() == {}
    assert "triton" in backends()


@pytest.mark.parametrize(
    ("found", "old"),
    [("3.0.0", True), ("2.3.1", True), ("3.1.0", True), ("3.2.0", False), ("3.10.0+git", False), ("x", False)],
)
def test_an_old_triton_is_not_used(absent, monkeypatch, found, old):
    """A Triton that is too old for the kernels: it is not used, and `lcnb info` says why."""
    monkeypatch.setattr("lcnb.regions.triton_support.version", lambda name: found)
    monkeypatch.setattr(importlib, "import_module", lambda name: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert unavailable() == ({"triton": f"triton {found} is too old: 3.2, which comes with torch 2.6, is the oldest "
                             "that can be used"} if old else {})  # fmt: skip


def test_info_says_why(absent):
    found = info.collect()
    assert "triton" not in found["backends"]
    assert "no CUDA device" in found["backends_unavailable"]["triton"]
    assert "\n  not triton: there is no CUDA device" in info.text(found)


@needs_triton
@pytest.mark.parametrize(
    ("dtype", "groups", "name"),
    [
        (torch.float32, 1, "triton"), (torch.float16, 1, "triton"), (torch.bfloat16, 1, "triton"),
        (torch.float64, 1, "gather"), (torch.float32, 2, "gather"),
    ],
)  # fmt: skip
def test_declares_what_it_does(monkeypatch, dtype, groups, name):
    from lcnb.regions.triton_backend import TritonBackend

    monkeypatch.setitem(_BACKENDS, "triton", TritonBackend())
    with use_backend("triton"):
        assert select(dtype, groups).name == name


@needs_triton
def test_features_on_a_cpu_go_to_gather():
    from lcnb.regions.triton_backend import TritonBackend

    region = Region(random_mask((1, 5, 5)))
    given = (torch.randn(len(region), 4), region, torch.randn(6, 4, 3, 3), torch.randn(6), (1, 1), 1)
    assert TritonBackend().conv2d(*given).equal(GatherBackend().conv2d(*given))
