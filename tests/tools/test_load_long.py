"""The loads, really done (`make test-long`). `python -m tools.load` keeps what they give."""

import json
import subprocess
import sys

import pytest

from tests.browser.lab import ROOT, chromium
from tools.load.samples import verdict

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


def done(name, tmp_path):
    """The load in a process of its own."""
    file = tmp_path / "load.json"
    ended = subprocess.run(
        [sys.executable, "-m", "tools.load", name, "--to", str(file)], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr[-3000:]
    found = json.loads(file.read_text(encoding="utf-8"))["loads"][name]
    assert found["ok"]
    assert verdict(found)["flat"]


def test_kernels_in_sequence(tmp_path):
    """Thirty kernels of notebook 00 in a row: all succeed, and no memory, handle, thread, process or file stays."""
    done("kernels-in-sequence", tmp_path)


def test_kernels_at_once(tmp_path):
    """Four kernels of notebook 00 at once: all succeed, and nothing of them stays."""
    done("kernels-at-once", tmp_path)


@pytest.mark.browser
def test_slider(tmp_path):
    """A slider dragged for five minutes in a real browser: memory, handles and threads stay, the picture follows."""
    if chromium() is None:
        pytest.skip("no chromium found")
    done("slider", tmp_path)


def test_callbacks(tmp_path):
    """Three sliders moved 500 times: memory, handles and threads stay."""
    done("callbacks", tmp_path)


def test_film(tmp_path):
    """A film of 1,000 frames through both networks: memory, handles and threads stay."""
    done("film", tmp_path)


def test_player(tmp_path):
    """The live player over 1,000 frames: memory, handles and threads stay, and no frame is lost."""
    done("player", tmp_path)


def test_true_runs(tmp_path):
    """2,000 true runs, each on a picture of another size: memory, handles and threads stay."""
    done("runs", tmp_path)
