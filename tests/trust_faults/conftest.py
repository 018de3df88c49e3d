"""Places where writing fails for real, and a finished run and weights to lose there."""

import contextlib
import os
import subprocess

import pytest
import torch

from lcnb.cli import main
from lcnb.models.networks import NETWORKS
from tests.cli.conftest import data, data_root, home, lcnb  # noqa: F401
from tests.training.conftest import shallow_irnet

TRAIN = [
    "--dataset", "camvid", "--width", "0.05", "--batch", "2", "--crop", "32", "40", "--no-amp", "--log-every", "1",
    "--save-every", "1",
]  # fmt: skip
LIMIT = 700
"""Bytes a file may have where the size of files is limited."""


class Place:
    """A folder where writing fails while `broken`: "full", "read-only" or "limit" (of the size of a file)."""

    def __init__(self, folder, kind):
        self.folder, self.kind, self.limit = folder, kind, LIMIT
        folder.mkdir()
        self.mounted = kind != "limit" and _mount("-t", "tmpfs", "-o", "size=4m", "lcnb-test", str(folder))
        if kind == "full" and not self.mounted:
            pytest.skip("a small disk cannot be mounted here; root can")
        if kind == "read-only" and not self.mounted and os.access("/", os.W_OK):
            pytest.skip("no folder is read-only to root, and none can be mounted so here")

    @contextlib.contextmanager
    def broken(self):
        """While entered, nothing can be written, or nothing that is larger than a few hundred bytes."""
        resource = pytest.importorskip("resource", reason="Windows has no such limits")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        filling = self.folder / "filling"
        if self.kind == "full":
            _fill(filling)
        elif self.kind == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, hard))
        elif self.mounted:
            assert _mount("-o", "remount,ro", str(self.folder))
        else:
            self.folder.chmod(0o555)
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            if self.kind == "read-only" and self.mounted:
                assert _mount("-o", "remount,rw", str(self.folder))
            elif self.kind == "read-only":
                self.folder.chmod(0o755)
            filling.unlink(missing_ok=True)

    def close(self):
        """Back to a folder as any other."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


def _mount(*arguments):
    with contextlib.suppress(OSError):
        return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
    return False


def _fill(path):
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(handle, b"\0" * 4096):
            pass
    os.close(handle)


@pytest.fixture(params=["full", "read-only", "limit"])
def place(request, tmp_path):
    """Each way in which writing fails."""
    with contextlib.closing(Place(tmp_path / "place", request.param)) as made:
        yield made


@pytest.fixture
def full(tmp_path):
    """A disk that can be filled."""
    with contextlib.closing(Place(tmp_path / "place", "full")) as made:
        yield made


@pytest.fixture
def little(monkeypatch):
    """Networks that are trained have one block a stage."""
    monkeypatch.setitem(NETWORKS, "irnet", shallow_irnet())


@pytest.fixture(scope="session")
def begun(data_root, tmp_path_factory):  # noqa: F811
    """A training run of three steps that was stopped after the first, made by `lcnb train`."""
    folder = tmp_path_factory.mktemp("begun") / "run"

    def stop(line):
        if line.startswith("step      2"):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "irnet", shallow_irnet())
        patch.setattr("lcnb.paths.checkout", lambda: None)
        patch.setenv("LCNB_DATA", str(data_root))
        patch.setattr("lcnb.cli.train.say", stop)
        torch.set_num_threads(1)
        assert main(["train", *TRAIN, "--steps", "3", "--out", str(folder)]) == 130
    return folder
