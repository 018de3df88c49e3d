"""Tiny notebooks, a tiny data set and tiny weights, all made here; nothing of the checkout is found by accident."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lcnb.cli import main
from lcnb.datasets import spec
from lcnb.models import irnet_lc
from lcnb.weights import save

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = """\
dataset: str = "streets"
profile: str = "quick"
device: str = "cpu"
rho: float = 0.985
seed: int = 0"""


def write_notebook(path, *cells, title="A notebook"):
    """Write a notebook of markdown (title), the standard parameters and the given code cells."""
    made = [{"cell_type": "markdown", "id": "title", "metadata": {}, "source": f"# {title}\n\nFirst. Second."}]
    codes = [(PARAMETERS, ["parameters"]), *((code, []) for code in cells)]
    for number, (code, tags) in enumerate(codes):
        made.append(
            {
                "cell_type": "code",
                "id": f"code-{number}",
                "metadata": {"tags": tags},
                "source": code,
                "outputs": [],
                "execution_count": None,
            }
        )
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The working directory: an empty folder, with no data and no checkout in reach."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for module in ("lcnb.paths", "lcnb.cli.info", "lcnb.running.notebooks", "lcnb.running.scrub"):
        monkeypatch.setattr(f"{module}.checkout", lambda: None)
    monkeypatch.delenv("LCNB_DATA", raising=False)
    return folder


@pytest.fixture(scope="session")
def data_root(tmp_path_factory):
    """A data root with a camvid of 3 + 2 images of 48x64 and the weights `tiny` and `other` (4 classes)."""
    root = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(0)
    for split, number in (("train", 3), ("val", 2)):
        for folder in (split, f"{split}annot"):
            (root / "camvid" / folder).mkdir(parents=True)
        for i in range(number):
            image = generator.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            mask = generator.integers(0, 12, (6, 8), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            Image.fromarray(image).save(root / "camvid" / split / f"{i}.png")
            Image.fromarray(mask).save(root / "camvid" / f"{split}annot" / f"{i}.png")
    torch.manual_seed(0)
    camvid = spec("camvid")
    meta = {"dataset": "camvid", "classes": list(camvid.classes), "ignore_index": 11, "rho": 0.5, "licence": "none"}
    save(irnet_lc(11, width=0.05, blocks=(1, 1, 1)).eval(), root / "weights" / "tiny", meta)
    four = {**meta, "classes": ["a", "b", "c", "d"]}
    save(irnet_lc(4, width=0.05, blocks=(1, 1, 1)).eval(), root / "weights" / "other", four)
    return root


@pytest.fixture
def data(home, data_root, monkeypatch):
    """LCNB_DATA points at `data_root`."""
    monkeypatch.setenv("LCNB_DATA", str(data_root))
    return data_root


class Command:
    """The `lcnb` command, run in this process."""

    def __init__(self, capsys):
        self.capsys = capsys

    def __call__(self, *arguments):
        """(exit code, stdout, stderr)."""
        self.capsys.readouterr()
        return main([str(a) for a in arguments]), *self.capsys.readouterr()

    def ok(self, *arguments):
        """What it printed; it must end well and print no error."""
        code, out, error = self(*arguments)
        assert (code, error) == (0, "")
        return out

    def refused(self, *arguments, words, code=1):
        """What it printed as an error: one printable line that has these words."""
        found, _, error = self(*arguments)
        assert (found, len(error.splitlines())) == (code, 1), error
        assert error.startswith("lcnb: error: ")
        assert error.rstrip("\n").isprintable()
        assert "defect of lcnb" not in error
        assert words in error
        return error


@pytest.fixture
def lcnb(home, capsys):
    """The command, with an empty working directory."""
    return Command(capsys)


def environment(**changes):
    """Of a child process that imports this checkout's lcnb from anywhere."""
    path = os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH", "")) if p)
    return {**os.environ, "PYTHONPATH": path, **changes}


def spawn(*arguments, cwd, timeout=300, **env):
    """Run `python -m lcnb` as a person would; returns the finished process."""
    return subprocess.run(
        [sys.executable, "-m", "lcnb", *map(str, arguments)],
        cwd=cwd, env=environment(**env), capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
