"""Of a parallel run, each file stays in one process: its fixtures, some of which take minutes, are made once."""

import re
import subprocess
import sys

import pytest

from tests.cli.conftest import ROOT
from tests.conftest import ONE_BROWSER, group

FILES = ("tests/test_addresses.py", "tests/test_paths.py")


def test_what_uses_the_browser_is_one_group():
    assert {group(f"{name}test_page.py::test_a[x]") for name in ONE_BROWSER[:1]} == {group(f"{ONE_BROWSER[1]}::test_b")}
    assert group("tests/test_paths.py::test_a[b::c]") == "tests/test_paths.py"


@pytest.mark.slow
def test_no_file_is_split():
    options = ["-n", "2", "--dist", "loadscope", "-vvv", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *FILES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout
    ran = set(re.findall(r"^\[(gw\d)\].* PASSED (tests/\w+\.py)::", run.stdout, re.MULTILINE))
    assert len(ran) == len(FILES), ran
