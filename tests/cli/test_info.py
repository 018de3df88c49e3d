"""`lcnb info` explains broken set-ups, and survives them."""

import functools
import json
import os

import pytest

from lcnb.cli import info
from lcnb.machine import PACKAGES
from lcnb.regions import native
from tests.cli.conftest import ROOT, spawn


@pytest.fixture
def found(home):
    """What `collect` says of a sound installation without data, as a start for the sentences."""
    return info.collect()


def test_a_sound_installation_without_data(found):
    assert set(found["versions"]) == set(PACKAGES)
    assert found["errors"] == {}
    assert found["torch"]["threads"] >= 1
    assert {"gather", "reference"} <= set(found["backends"])
    assert set(found["datasets"]) == {"streets", "camvid", "voc2012", "cityscapes"}
    assert [p.split(":")[0][:24] for p in found["problems"]] == ["the embedded data set st", "no weights are in weight"]


def test_lists_data_and_weights(lcnb, data):
    code, out, error = lcnb("info")
    assert (code, error) == (0, "")
    for words in ("camvid", "train 3, val 2", str(data / "camvid"), "tiny", "not found", "region backends: gather"):
        assert words in out
    assert "no weights" not in out


def line_on_kernels(said):
    (line,) = [line for line in said.splitlines() if line.startswith("native CPU kernels: ")]
    return line.removeprefix("native CPU kernels: ")


def test_says_whether_there_are_native_kernels(lcnb, found, monkeypatch):
    here = {"lanes": getattr(native.kernels(), "lanes", None), "why_not": native.why_not()}
    assert found["native"] == here
    if native.kernels() is not None:
        assert line_on_kernels(lcnb("info")[1]) == f"compiled for this processor, {here['lanes']} floats at a time"
    monkeypatch.setattr(native, "_found", functools.cache(lambda: (None, "there is no C compiler")))
    code, out, _ = lcnb("info")
    assert code == 0
    assert line_on_kernels(out) == "none, torch's operations run instead (there is no C compiler)"
    assert not any("compiler" in problem for problem in info.collect()["problems"])  # all runs without one


def test_survives_kernels_that_cannot_even_be_looked_for(lcnb, monkeypatch):
    def explode():
        raise RuntimeError("a broken loader")

    monkeypatch.setattr(native, "_found", functools.cache(explode))
    code, out, error = lcnb("info")
    assert (code, error) == (0, "")
    assert line_on_kernels(out).startswith("unknown")
    assert "RuntimeError: a broken loader" in out


def test_json_is_all_of_it(lcnb, data):
    found = json.loads(lcnb("info", "--json")[1])
    assert found["datasets"]["camvid"]["splits"] == {"train": 3, "val": 2}
    assert found["weights"]["tiny"] == str(data / "weights" / "tiny")
    assert found["hardware"]["cores"] >= 1


def test_says_when_nothing_is_wrong(found):
    assert "what is wrong: nothing found" in info.text(found | {"problems": []})
    assert "what is wrong:\n  - x" in info.text(found | {"problems": ["x"]})


def test_lcnb_data_that_is_missing_or_empty(home, monkeypatch):
    (home / "empty").mkdir()
    monkeypatch.setenv("LCNB_DATA", f"{home}/nowhere{os.pathsep}{home}/empty")
    wrong = info.collect()["problems"]
    assert any(f"LCNB_DATA names {home}/nowhere, which is no folder" in p for p in wrong)
    assert any(f"LCNB_DATA names {home}/empty, but no data set" in p for p in wrong)


def test_lcnb_data_that_serves_is_not_blamed(data):
    assert not any("LCNB_DATA names" in p for p in info.collect()["problems"])


def test_a_damaged_data_set_is_named(data, home, tmp_path, monkeypatch):
    for folder in ("val", "valannot"):
        (tmp_path / "bad" / "camvid" / folder).mkdir(parents=True)
    (tmp_path / "bad" / "camvid" / "val.txt").write_text("gone.png\n")
    monkeypatch.setenv("LCNB_DATA", str(tmp_path / "bad"))
    found = info.collect()
    assert any(p.startswith("camvid: ") and "gone.png" in p for p in found["problems"])
    assert "val damaged" in info.text(found)


def sound(found, **other):
    """`found` without the sentences on data."""
    return found | {"datasets": None, "weights": {"a": "b"}, "damaged_weights": []} | other


def test_this_set_up_is_sound_but_for_its_data(found):
    assert info.problems(sound(found)) == []


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ({"torch": "OSError: libcudart.so"}, "torch cannot be imported (OSError: libcudart.so): install"),
        ({"torchvision": "RuntimeError: operator torchvision::nms does not exist"}, "was built for another torch than"),
        ({"torchvision": "ImportError: undefined symbol: _ZN"}, "was built for another torch than"),
        ({"torchvision": "No module"}, "torchvision cannot be imported (No module)"),
    ],
)
def test_broken_torch_in_words(found, errors, words):
    said = info.problems(sound(found, errors=errors))
    assert len(said) == 1
    assert words in said[0]


@pytest.mark.parametrize(
    ("module", "error", "words"),
    [
        ("torch", "ImportError('no libtorch')", "torch cannot be imported (ImportError: no libtorch)"),
        (
            "torchvision",
            "RuntimeError('operator torchvision::nms does not exist')",
            "was built for another torch than",
        ),
    ],
)
def test_survives_an_installation_that_cannot_be_imported(tmp_path, module, error, words):
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / f"{module}.py").write_text(f"raise {error}")
    result = spawn("info", cwd=tmp_path, PYTHONPATH=f"{tmp_path / 'fake'}{os.pathsep}{ROOT}")
    assert (result.returncode, result.stderr) == (0, "")
    assert words in result.stdout
    assert "data sets: unknown" in result.stdout
    assert line_on_kernels(result.stdout).startswith("unknown") == (module == "torch")
