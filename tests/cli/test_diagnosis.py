"""Broken set-ups, made for real where a test can make them, and what `lcnb info` says of each."""

import json
import os
import shutil
import sys

import pytest

from lcnb.cli import diagnosis, info, probes
from lcnb.paths import extra
from tests.cli.conftest import ROOT, spawn

pytestmark = pytest.mark.trust("compatibility")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """What `collect` finds here, without the sentences on data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("empty"))
        found = info.collect()
    return found | {"datasets": None, "weights": {"a": "b"}, "damaged_weights": []}


def only(sound, **other):
    (said,) = diagnosis.problems(sound | other)
    return said


def requirement(name, wanted, installed, extra, fits):
    return [{"name": name, "wanted": wanted, "installed": installed, "extra": extra, "fits": fits}]


def test_a_package_of_the_core_is_missing(sound):
    """A package that lcnb needs is not installed."""
    said = only(sound, requirements=requirement("safetensors", ">=0.4", None, None, False))
    assert said == "lcnb needs safetensors>=0.4, and it is not here: `pip install safetensors`"


def test_jupyter_is_missing(sound):
    """The notebooks' packages are not installed."""
    rows = requirement("jupyterlab", ">=4.2", None, "notebooks", False)
    rows += requirement("papermill", ">=2.6", None, "notebooks", False)
    said = only(sound, requirements=rows)
    assert said == f"the notebooks need jupyterlab, papermill: install with `{extra('notebooks')}`"


def test_an_old_package(sound):
    """A package that is older than what is needed."""
    said = only(sound, requirements=requirement("ipywidgets", ">=8.1", "7.8.5", "notebooks", False))
    assert (
        said == "ipywidgets 7.8.5 is here, and the notebooks need ipywidgets>=8.1: `pip install --upgrade ipywidgets`"
    )


def test_requirements_of_the_source_tree_are_those_of_the_installed_package(monkeypatch):
    """A source tree that was never installed knows its requirements too."""

    def gone(name):
        raise probes.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(probes.importlib.metadata, "requires", gone)
    rows = {r["name"]: r for r in probes.requirements()}
    assert rows["torch"]["fits"]
    assert rows["torch"]["extra"] is None
    assert rows["jupyterlab"]["extra"] == "notebooks"
    assert "pytest" not in rows


def test_versions_are_compared():
    """Versions are compared as numbers."""
    assert probes._within("2.15.0", ">=2.4")
    assert probes._within("2.5.0.dev1+cu1", ">=2.4")
    assert not probes._within("2.3.1", ">=2.4")


def test_a_kernel_of_another_python(sound, tmp_path, monkeypatch):
    """Jupyter's kernel starts another Python."""
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    spec = {"argv": ["/opt/other/bin/python", "-m", "ipykernel_launcher"], "display_name": "x", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    said = only(sound, kernel=probes.kernel())
    assert said.startswith(f"Jupyter's kernel `python3` starts /opt/other/bin/python, not {sys.executable}")


def test_the_kernel_of_this_python_by_any_name(sound, monkeypatch):
    """The same Python under another name is no fault."""
    beside = os.path.join(os.path.dirname(sys.executable), "python3.99")
    assert diagnosis.problems(sound | {"kernel": beside}) == []


def test_sliders_without_their_browser_part(sound, tmp_path, monkeypatch):
    """JupyterLab would show sliders as text."""
    from jupyter_core import paths

    assert probes.widgets() is not None
    monkeypatch.setattr(paths, "jupyter_path", lambda *parts: [str(tmp_path.joinpath(*parts))])
    said = only(sound, widgets=probes.widgets())
    assert "JupyterLab has no jupyterlab_widgets, so sliders would show as text" in said


@pytest.mark.parametrize(
    ("torch", "words"),
    [
        ({"cuda": None, "gpus": [], "threads": 2}, "this torch is built without CUDA"),
        ({"cuda": "12.8", "gpus": [], "threads": 2}, "torch (built for CUDA 12.8) sees no GPU: update the driver"),
    ],
)
def test_a_gpu_that_torch_does_not_use(sound, torch, words):
    """A GPU that torch does not use."""
    assert words in only(sound, torch=torch, driver="535.1")


def test_no_gpu_is_no_fault(sound):
    """A machine without a GPU is no fault."""
    assert diagnosis.problems(sound | {"torch": {"cuda": "12.8", "gpus": [], "threads": 2}, "driver": None}) == []


def test_damaged_weights_are_named(data, monkeypatch, tmp_path):
    """Shipped weights that are damaged."""
    shutil.copytree(data / "weights" / "tiny", tmp_path / "weights" / "tiny")
    file = tmp_path / "weights" / "tiny" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    monkeypatch.setenv("LCNB_DATA", str(tmp_path))
    said = [p for p in info.collect()["problems"] if "is damaged" in p]
    assert said
    assert str(file) in said[0]


def test_a_cache_that_cannot_be_written(sound, tmp_path, monkeypatch):
    """A cache folder that cannot be written."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LCNB_CACHE", str(tmp_path / "file" / "cache"))
    assert "set LCNB_CACHE to a folder of yours" in only(sound, cache=probes.cache())


@pytest.mark.parametrize(
    ("other", "words"),
    [({"free_gb": 0.2}, "only 0.2 GB are free"), ({"hardware": {"memory_gb": 1.9}}, "has 1.9 GB of memory")],
)
def test_too_little_room(sound, other, words):
    """Too little disk, or memory."""
    assert words in only(sound, **other)


@pytest.mark.parametrize("module", ["numpy", "safetensors", "PIL", "torchvision", "jupyter_client", "packaging"])
def test_survives_a_package_that_is_not_there(tmp_path, module):
    """Any package that is missing: the report still comes, and blames no other."""
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / f"{module}.py").write_text(f"raise ModuleNotFoundError('No module named {module!r}')")
    result = spawn("info", cwd=tmp_path, PYTHONPATH=f"{tmp_path / 'fake'}{os.pathsep}{ROOT}")
    assert (result.returncode, result.stderr) == (0, "")
    assert "what is wrong" in result.stdout
    if module != "packaging":
        assert module in result.stdout.split("what is wrong")[1]
