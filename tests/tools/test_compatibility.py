"""Oldest and newest packages: what is kept, the page, the jobs, and (marked `long`) the environments themselves."""

import json
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from tests.test_setup import ROOT, bounds
from tools import compatibility as built

PYTHONS = ("3.11", "3.12", "3.13")


@pytest.fixture(scope="module")
def kept():
    return json.loads(built.TARGET.read_text(encoding="utf-8"))["environments"]


def test_every_environment_that_was_kept_is_well(kept):
    """The environments measured in docs/results/compatibility.json: all tests passed, and notebook 00 ran."""
    assert [(row["python"], row["failures"]) for row in kept if not built.good(row)] == []
    assert {(row["which"], row["python"].rpartition(".")[0]) for row in kept} >= {
        ("oldest", "3.11"), ("newest", "3.11"), ("newest", "3.12"), ("newest", "3.13"),
    }  # fmt: skip


def test_oldest_means_the_bounds(kept):
    assert all((ROOT / name).exists() for name in built.TESTS)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = bounds([*project["dependencies"], *project["optional-dependencies"]["notebooks"]])
    (row,) = [r for r in kept if r["which"] == "oldest" and r["python"].startswith("3.11.")]
    assert set(row["versions"]) == set(wanted)
    for name, bound in wanted.items():
        oldest = bound.removeprefix(">=")
        # 5.9 may have become 5.9.4: the first of them with a wheel.
        assert re.fullmatch(rf"{re.escape(oldest)}(\.\d+)*", row["versions"][name]), (name, row["versions"][name])


def test_a_row_of_the_same_environment_is_replaced(tmp_path):
    file = tmp_path / "found.json"
    row = {"which": "oldest", "python": "3.11.7", "tests": {}}
    for change in ({}, {"which": "newest"}, {"python": "3.9.1"}, {"tests": {"passed": 3}, "python": "3.11.9"}):
        built.keep(file, row | change)
    found = json.loads(file.read_text(encoding="utf-8"))["environments"]
    assert [(r["python"], r["which"]) for r in found] == [
        ("3.9.1", "oldest"),
        ("3.11.9", "oldest"),
        ("3.11.7", "newest"),
    ]


@pytest.mark.parametrize(
    "change", [{"tests": {"passed": 900, "failed": 1}}, {"tests": {"passed": 3, "failed": 0}}, {"notebook": False}]
)
def test_what_is_not_well(change):
    row = {"tests": {"passed": 900, "failed": 0}, "notebook": True}
    assert built.good(row)
    assert not built.good(row | change)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("which", "python"), [("oldest", "3.11"), *(("newest", version) for version in PYTHONS)])
def test_environment(which, python, tmp_path):
    """The oldest and the newest packages, on each Python: the tests that meet them pass, and notebook 00 runs."""
    if shutil.which(f"python{python}") is None:
        pytest.skip(f"Python {python} is not installed")
    file = tmp_path / "found.json"
    command = [sys.executable, "-m", "tools.compatibility", which, "--python", python, "--to", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    (row,) = json.loads(file.read_text(encoding="utf-8"))["environments"]
    assert built.good(row)
