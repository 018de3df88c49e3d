"""The rows that tests/trust.py counts."""

import json
import os
import subprocess
import sys

import pytest

from tests.cli.conftest import ROOT

TESTS = '''
import pytest

@pytest.mark.trust("inputs")
@pytest.mark.parametrize("n", [1, 2, 3])
def test_cases(n):
    """Three numbers."""
    assert n != 2

@pytest.mark.trust("faults", saved=True)
def test_many(record_property):
    """Many inside one.

    More is not of the row.
    """
    record_property("tried", 20)

@pytest.mark.trust("load")
@pytest.mark.skipif(True, reason="not here")
def test_skipped():
    """Not here."""

@pytest.mark.real
@pytest.mark.trust("load")
def test_left_out():
    """Not chosen."""
'''


def run(folder, *options):
    hooks = "pytest_addoption, pytest_collection_modifyitems, pytest_configure"
    (folder / "conftest.py").write_text(f"from tests.trust import {hooks}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    command += ["--rootdir", str(folder), str(folder), *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_counts_cases_and_keeps_failures_apart(tmp_path):
    (tmp_path / "test_some.py").write_text(TESTS)
    file = tmp_path / "found.json"
    run(tmp_path, "-m", "not real", "--trust-report", str(file))
    found = json.loads(file.read_text())
    rows = {row["test"].split("::")[1]: row for row in found["rows"]}
    assert list(rows) == ["test_cases", "test_many", "test_skipped"]
    numbers = {name: (row["tried"], row["passed"], row["skipped"], row["saved"]) for name, row in rows.items()}
    assert numbers["test_cases"] == (3, 2, 0, False)
    assert numbers["test_many"] == (20, 20, 0, True)
    assert numbers["test_skipped"] == (0, 0, 1, False)
    assert rows["test_many"]["case"] == "Many inside one"
    assert found["machine"]["cores"] >= 1


def test_a_report_keeps_the_rows_of_tests_that_did_not_run(tmp_path):
    (tmp_path / "test_some.py").write_text(TESTS)
    file = tmp_path / "found.json"
    for choice in ("not real", "real", "nothing_at_all or not real"):
        run(tmp_path, "-m", choice, "--trust-report", str(file), *(["--collect-only"] if "at_all" in choice else []))
    rows = {row["test"].split("::")[1]: row["tried"] for row in json.loads(file.read_text())["rows"]}
    assert rows == {"test_cases": 3, "test_many": 20, "test_skipped": 0, "test_left_out": 1}


UNKNOWN_AREA = '@pytest.mark.trust("luck")\ndef test_it():\n    """Luck."""\n'
NO_LINE = '@pytest.mark.trust("load")\ndef test_it(): ...\n'


@pytest.mark.parametrize("text", [UNKNOWN_AREA, NO_LINE])
def test_a_mark_without_an_area_or_a_line_is_refused(tmp_path, text):
    (tmp_path / "test_some.py").write_text(f"import pytest\n{text}")
    ended = run(tmp_path)
    assert ended.returncode != 0
    assert "trust() needs one of" in ended.stdout + ended.stderr


def test_a_report_needs_one_process(tmp_path):
    (tmp_path / "test_some.py").write_text(TESTS)
    ended = run(tmp_path, "-n", "2", "--trust-report", "found.json")
    assert ended.returncode != 0
    assert "--trust-report counts in one process" in ended.stderr
