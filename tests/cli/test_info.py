"""`lcnb info` survives broken set-ups, made for real where a test can make them, and says what is wrong with each."""

import functools
import json
import os
import shutil
import sys

import pytest

from lcnb.cli import info
from lcnb.machine import PACKAGES
from lcnb.paths import extra
from lcnb.regions import native
from tests.cli.conftest import ROOT, spawn


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What `collect` says here, in an empty folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("empty"))
        patch.delenv("LCNB_DATA", raising=False)
        for module in ("lcnb.paths", "lcnb.cli.info"):
            patch.setattr(f"{module}.checkout", lambda: None)
        return info.collect()


def wrong(found, **other):
    """The sentences, but those on data."""
    return info.problems(found | {"datasets": None, "weights": {"a": "b"}, "damaged_weights": []} | other)


def test_a_sound_installation_without_data(found):
    assert set(found["versions"]) == set(PACKAGES)
    assert (found["errors"], found["torch"]["threads"] >= 1) == ({}, True)
    assert {"gather", "reference"} <= set(found["backends"])
    assert set(found["datasets"]) == {"streets", "camvid", "voc2012", "cityscapes"}
    assert [p.split(":")[0][:24] for p in found["problems"]] == ["the embedded data set st", "no weights are in weight"]
    assert wrong(found) == []
    assert "what is wrong: nothing found" in info.text(found | {"problems": []})
    assert "what is wrong:\n  - x" in info.text(found | {"problems": ["x"]})


def test_lists_data_and_weights(lcnb, data):
    out = lcnb.ok("info")
    for words in ("camvid", "train 3, val 2", str(data / "camvid"), "tiny", "not found", "region backends: gather"):
        assert words in out
    assert "no weights" not in out
    assert "LCNB_DATA names" not in out
    found = json.loads(lcnb("info", "--json")[1])
    assert found["datasets"]["camvid"]["splits"] == {"train": 3, "val": 2}
    assert found["weights"]["tiny"] == str(data / "weights" / "tiny")


def line_on_kernels(said):
    (line,) = [line for line in said.splitlines() if line.startswith("native CPU kernels: ")]
    return line.removeprefix("native CPU kernels: ")


def test_says_whether_there_are_native_kernels(lcnb, found, monkeypatch):
    here = {"lanes": getattr(native.kernels(), "lanes", None), "why_not": native.why_not()}
    assert found["native"] == here
    if native.kernels() is not None:
        assert line_on_kernels(lcnb("info")[1]) == f"compiled for this processor, {here['lanes']} floats at a time"
    monkeypatch.setattr(native, "_found", functools.cache(lambda: (None, "there is no C compiler")))
    out = lcnb.ok("info")
    assert line_on_kernels(out) == "none, torch's operations run instead (there is no C compiler)"
    assert "compiler" not in out.partition("what is wrong")[2]  # all runs without one


def test_survives_kernels_that_cannot_even_be_looked_for(lcnb, monkeypatch):
    def explode():
        raise RuntimeError("a broken loader")

    monkeypatch.setattr(native, "_found", functools.cache(explode))
    out = lcnb.ok("info")
    assert line_on_kernels(out).startswith("unknown")
    assert "RuntimeError: a broken loader" in out


def test_lcnb_data_that_is_missing_or_empty(home, monkeypatch):
    (home / "empty").mkdir()
    monkeypatch.setenv("LCNB_DATA", f"{home}/nowhere{os.pathsep}{home}/empty")
    said = "\n".join(info.collect()["problems"])
    assert f"LCNB_DATA names {home}/nowhere, which is no folder" in said
    assert f"LCNB_DATA names {home}/empty, but no data set" in said


def test_damaged_data_and_weights_are_named(data, home, monkeypatch):
    """Shipped weights that are damaged, and a data set that misses a file."""
    shutil.copytree(data / "weights" / "tiny", home / "bad" / "weights" / "tiny")
    file = home / "bad" / "weights" / "tiny" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    for folder in ("val", "valannot"):
        (home / "bad" / "camvid" / folder).mkdir(parents=True)
    (home / "bad" / "camvid" / "val.txt").write_text("gone.png\n")
    monkeypatch.setenv("LCNB_DATA", str(home / "bad"))
    found = info.collect()
    assert any(p.startswith("camvid: ") and "gone.png" in p for p in found["problems"])
    assert any(str(file) in p and "is damaged" in p for p in found["problems"])
    assert "val damaged" in info.text(found)


def requirement(name, wanted, installed=None, extra=None):
    return {"name": name, "wanted": wanted, "installed": installed, "extra": extra, "fits": False}


UNUSED = {"gpus": [], "threads": 2}
FAULTS = {
    "a package of the core is missing": (
        {"requirements": [requirement("safetensors", ">=0.4")]},
        "lcnb needs safetensors>=0.4, and it is not here: `pip install safetensors`",
    ),
    "Jupyter is missing": (
        {"requirements": [requirement(n, ">=2", extra="notebooks") for n in ("jupyterlab", "papermill")]},
        f"the notebooks need jupyterlab, papermill: install with `{extra('notebooks')}`",
    ),
    "an old package": (
        {"requirements": [requirement("ipywidgets", ">=8.1", "7.8.5", "notebooks")]},
        "ipywidgets 7.8.5 is here, and the notebooks need ipywidgets>=8.1: `pip install --upgrade ipywidgets`",
    ),
    "torch without CUDA": ({"torch": UNUSED | {"cuda": None}, "driver": "535.1"}, "this torch is built without CUDA"),
    "an old driver": (
        {"torch": UNUSED | {"cuda": "12.8"}, "driver": "535.1"},
        "torch (built for CUDA 12.8) sees no GPU: update the driver",
    ),
    "a full disk": ({"free_gb": 0.2}, "only 0.2 GB are free"),
    "little memory": ({"hardware": {"memory_gb": 1.9}}, "has 1.9 GB of memory"),
    "no libcudart": (
        {"errors": {"torch": "OSError: libcudart.so"}},
        "torch cannot be imported (OSError: libcudart.so): install",
    ),
    "an ABI mismatch": (
        {"errors": {"torchvision": "ImportError: undefined symbol: _ZN"}}, "was built for another torch than",
    ),
    "no torchvision": ({"errors": {"torchvision": "No module"}}, "torchvision cannot be imported (No module)"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_sentence(found, fault):
    """Missing and old packages, a GPU that torch does not use, too little room: a sentence for each"""
    other, words = FAULTS[fault]
    (said,) = wrong(found, **other)
    assert words in said


def test_no_gpu_and_the_same_python_by_another_name_are_no_faults(found):
    """A machine without a GPU; a kernel that is the same Python under another name: no fault"""
    beside = os.path.join(os.path.dirname(sys.executable), "python3.99")
    assert wrong(found, torch=UNUSED | {"cuda": "12.8"}, driver=None, kernel=beside) == []


def test_requirements_of_the_source_tree_are_those_of_the_installed_package(monkeypatch):
    def gone(name):
        raise info.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(info.importlib.metadata, "requires", gone)
    rows = {r["name"]: r for r in info.requirements()}
    assert (rows["torch"]["fits"], rows["torch"]["extra"], rows["jupyterlab"]["extra"]) == (True, None, "notebooks")
    assert "pytest" not in rows


@pytest.mark.parametrize(("version", "fits"), [("2.15.0", True), ("2.5.0.dev1+cu1", True), ("2.3.1", False)])
def test_versions_are_compared_as_numbers(version, fits):
    assert info._within(version, ">=2.4") == fits


def test_a_kernel_of_another_python(found, tmp_path, monkeypatch):
    """Jupyter's kernel starts another Python."""
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    spec = {"argv": ["/opt/other/bin/python", "-m", "ipykernel_launcher"], "display_name": "x", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    (said,) = wrong(found, kernel=info.kernel())
    assert said.startswith(f"Jupyter's kernel `python3` starts /opt/other/bin/python, not {sys.executable}")


def test_sliders_without_their_browser_part(found, tmp_path, monkeypatch):
    """JupyterLab would show no slider."""
    from jupyter_core import paths

    assert all(info.widgets().values())
    monkeypatch.setattr(paths, "jupyter_path", lambda *parts: [str(tmp_path.joinpath(*parts))])
    assert [said.partition(",")[0] for said in wrong(found, widgets=info.widgets())] == [
        f"JupyterLab has no {package}" for package in ("jupyterlab_widgets", "anywidget")
    ]


def test_a_cache_that_cannot_be_written(found, tmp_path, monkeypatch):
    """A cache folder that cannot be written."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LCNB_CACHE", str(tmp_path / "file" / "cache"))
    (said,) = wrong(found, cache=info.cache())
    assert "set LCNB_CACHE to a folder of yours" in said


MISSING = ("numpy", "safetensors", "PIL", "jupyter_client", "packaging")
BROKEN = {
    **{name: f'ModuleNotFoundError("No module named {name!r}")' for name in MISSING},
    "torch": "ImportError('no libtorch')",
    "torchvision": "RuntimeError('operator torchvision::nms does not exist')",
}
SAID = {"torchvision": "was built for another torch than", "packaging": ""}


@pytest.mark.parametrize("module", BROKEN)
def test_survives_a_package_that_cannot_be_imported(tmp_path, module):
    """Any package that is missing or broken: the report still comes, and blames no other."""
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / f"{module}.py").write_text(f"raise {BROKEN[module]}")
    quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # else an old ipykernel's debugger warns
    result = spawn("info", cwd=tmp_path, PYTHONPATH=f"{tmp_path / 'fake'}{os.pathsep}{ROOT}", **quiet)
    assert (result.returncode, result.stderr) == (0, "")
    assert SAID.get(module, module) in result.stdout.split("what is wrong")[1]
    if module.startswith("torch"):
        assert "data sets: unknown" in result.stdout
        assert line_on_kernels(result.stdout).startswith("unknown") == (module == "torch")
