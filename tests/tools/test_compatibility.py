"""Oldest and newest packages: what is kept, the page, the jobs, and (marked `long`) the environments themselves."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

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
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = bounds([*project["dependencies"], *project["optional-dependencies"]["notebooks"]])
    (row,) = [r for r in kept if r["which"] == "oldest" and r["python"].startswith("3.11.")]
    assert set(row["versions"]) == set(wanted)
    for name, bound in wanted.items():
        oldest = bound.removeprefix(">=")
        # 5.9 may have become 5.9.4: the first of them with a wheel.
        assert re.fullmatch(rf"{re.escape(oldest)}(\.\d+)*", row["versions"][name]), (name, row["versions"][name])


def test_the_page_is_what_the_results_give():
    assert built.PAGE.read_text(encoding="utf-8") == built.page(), "run: python -m tools.compatibility --page"


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


def test_a_python_that_is_not_there():
    assert built.interpreter(None) == Path(sys.executable)
    here = ".".join(map(str, sys.version_info[:2]))
    assert built.interpreter(here).exists()
    with pytest.raises(built.MissingPython, match=r"Python 3\.99 is not installed"):
        built.interpreter("3.99")


def test_the_tests_that_it_names_are_there():
    assert all((ROOT / name).exists() for name in built.TESTS)


def test_there_is_a_job_for_each():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "compat.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["packages"]["strategy"]["matrix"]
    assert matrix["python"] == list(PYTHONS)
    assert matrix["packages"] == list(built.RESOLUTION)
    assert workflow["jobs"]["imports"]["strategy"]["matrix"]["python"] == list(PYTHONS)
    assert {"schedule", "workflow_dispatch", "push"} == set(workflow[True])  # `on` is YAML's word for true


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("which", "python"), [("oldest", "3.11"), *(("newest", version) for version in PYTHONS)])
def test_environment(which, python, tmp_path):
    """The oldest and the newest packages, on each Python: the tests that meet them pass, and notebook 00 runs."""
    try:
        built.interpreter(python)
    except built.MissingPython as error:
        pytest.skip(str(error))
    file = tmp_path / "found.json"
    command = [sys.executable, "-m", "tools.compatibility", which, "--python", python, "--to", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    (row,) = json.loads(file.read_text(encoding="utf-8"))["environments"]
    assert built.good(row)
