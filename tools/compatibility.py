"""Do the tests pass with the oldest and with the newest packages that pyproject.toml allows?

    python -m tools.compatibility oldest                   a fresh environment with the Python of this one
    python -m tools.compatibility newest --python 3.13     or with another; it has to be installed
    python -m tools.pages compatibility                    write docs/compatibility.md from what is kept

A virtual environment is made by uv outside of the checkout, from wheels only, and removed afterwards: `oldest` takes
the lowest version of everything that pyproject.toml names (what these need is as new as they allow), `newest` the
highest. In it the quick tests run that meet other people's packages, then notebook 00. The result is a row of
docs/results/compatibility.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from lcnb.machine import hardware
from lcnb.paths import write_json
from tools.pages import filled, shell, table

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "results" / "compatibility.json"
PAGE = ROOT / "docs" / "compatibility.md"
SCHEMA = "lcnb-compatibility-1"
RESOLUTION = {"oldest": "lowest-direct", "newest": "highest"}
TESTS = (
    "tests/models", "tests/regions", "tests/datasets", "tests/widgets", "tests/plots", "tests/video", "tests/training",
    "tests/evaluation", "tests/test_core.py", "tests/test_weights.py", "tests/test_difficulty.py",
    *(f"tests/cli/test_{n}.py" for n in ("eval", "executed", "info", "pages", "parameters", "scrub", "video")),
)  # fmt: skip
CHOSEN = "not slow and not browser and not real and not long"
QUIET = ("-W", "ignore::DeprecationWarning", "-W", "ignore::FutureWarning")
"""For `oldest` alone: packages of years ago use what their neighbours of today are about to drop."""
SHOWN = ("torch", "torchvision", "numpy", "pillow", "ipywidgets", "jupyterlab", "matplotlib", "av")


def _says(python: str | Path, code: str) -> str:
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def check(which: str, python: str | None) -> dict[str, Any]:
    """Make the environment, run tests and notebook in it, remove it.

    Returns:
        A row: which, python, versions, tests (passed, failed, skipped), failures (names), notebook (whether 00 ran),
        machine, command.
    """
    with tempfile.TemporaryDirectory(prefix="lcnb-compatibility-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        inside = _environment(folder / "env", python or sys.executable, which)
        env = {k: v for k, v in os.environ.items() if k not in ("LCNB_DATA", "PYTHONPATH", "VIRTUAL_ENV")}
        env |= {"PYTHONPATH": str(ROOT), "LCNB_CACHE": str(folder / "cache")}
        tests, failures = _tests(inside, which, folder / "tests.xml", env)
        notebook = subprocess.run(
            [inside, "-m", "lcnb", "run", "00", "--out", folder / "out"], cwd=ROOT, env=env, check=False
        )
        where = hardware()
        return {
            "which": which, "python": _says(inside, "import platform; print(platform.python_version())"),
            "versions": _versions(inside), "tests": tests, "failures": failures, "notebook": notebook.returncode == 0,
            "machine": {k: v for k, v in where.items() if k != "python"}, "command": _command(which, python),
        }  # fmt: skip


def _command(which: str, python: str | None) -> str:
    return f"python -m tools.compatibility {which}" + (f" --python {Path(python).name}" if python else "")


def _environment(folder: Path, base: str, which: str) -> Path:
    """The Python of a fresh environment with all that the package, its notebooks and its tests need."""
    uv = [sys.executable, "-m", "uv"] if importlib.util.find_spec("uv") else [shutil.which("uv") or "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--no-python-downloads", "--python", base, folder], check=True)
    inside = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    what = ["-r", "pyproject.toml", "--extra", "notebooks", "--extra", "test", "--only-binary", ":all:"]
    command = [*uv, "pip", "install", "--quiet", "--python", inside, "--resolution", RESOLUTION[which], *what]
    subprocess.run(command, cwd=ROOT, check=True)
    return inside


def _tests(inside: Path, which: str, report: Path, env: dict[str, str]) -> tuple[dict[str, int], list[str]]:
    """({"passed", "failed", "skipped"}, names of those that failed)."""
    quiet = QUIET if which == "oldest" else ()
    options = ["-p", "no:cacheprovider", "-m", CHOSEN, f"--junitxml={report}", "-o", "junit_family=xunit1", *quiet]
    subprocess.run([inside, "-m", "pytest", *options, *TESTS], cwd=ROOT, env=env, check=False)
    cases = list(ET.parse(report).iter("testcase"))
    skipped = [c for c in cases if c.find("skipped") is not None]
    failed = [c for c in cases if c.find("failure") is not None or c.find("error") is not None]
    counted = {"passed": len(cases) - len(failed) - len(skipped), "failed": len(failed), "skipped": len(skipped)}
    return counted, [f"{c.get('classname')}::{c.get('name')}" for c in failed]


def _versions(inside: Path) -> dict[str, str]:
    """Of everything that pyproject.toml names, as installed there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["notebooks"]]
    names = sorted(requirement.partition(">")[0] for requirement in named)
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {names!r}}}))"
    return json.loads(_says(inside, code))


def good(row: dict[str, Any]) -> bool:
    """Whether all tests passed there, of which there were many, and the notebook ran."""
    return row["tests"]["failed"] == 0 and row["tests"]["passed"] > 500 and row["notebook"]


def keep(path: Path, row: dict[str, Any]) -> None:
    """Put a row into the document, in place of that of the same environment."""
    rows = json.loads(path.read_text(encoding="utf-8"))["environments"] if path.is_file() else []
    kept = {_place(r): r for r in [*rows, row]}
    document = {
        "schema": SCHEMA,
        "tests": list(TESTS),
        "chosen": CHOSEN,
        "environments": [kept[p] for p in sorted(kept)],
    }
    write_json(path, document)


def _place(row: dict[str, Any]) -> tuple[list[int], bool]:
    return tuple(map(int, row["python"].split(".")[:2])), row["which"] == "newest"  # type: ignore[return-value]


def pages() -> dict[Path, str]:
    """The page."""
    found = json.loads(TARGET.read_text(encoding="utf-8"))
    rows = []
    for row in found["environments"]:
        tests = f"{row['tests']['passed']} passed, {row['tests']['failed']} failed, {row['tests']['skipped']} skipped"
        notebook = "ran" if row["notebook"] else "FAILED"
        rows.append([row["python"], row["which"], *(row["versions"][n] for n in SHOWN), tests, notebook])
    machines = {
        f"{m['cores']} cores of an {m['cpu']}, {m['platform']}" for m in (r["machine"] for r in found["environments"])
    }
    text = filled(
        PAGE,
        environments=table(["Python", "packages", *SHOWN, "tests", "notebook 00"], rows, left=2),
        machine="; ".join(sorted(machines)),
        commands=shell("\n".join(row["command"] for row in found["environments"])),
    )
    return {PAGE: text}


def main(arguments: list[str] | None = None) -> int:
    """0 if all is well there."""
    parser = argparse.ArgumentParser(prog="python -m tools.compatibility", description="Oldest and newest packages.")
    parser.add_argument("which", choices=tuple(RESOLUTION))
    parser.add_argument("--python", metavar="VERSION", help='such as "3.13", or a path (default: this one)')
    parser.add_argument("--to", type=Path, default=TARGET, metavar="FILE", help="(default: docs/results)")
    given = parser.parse_args(arguments)
    row = check(given.which, given.python)
    keep(given.to, row)
    print(f"Python {row['python']}, {row['which']}: {row['tests']}, notebook 00: {row['notebook']}", *row["failures"])
    return 0 if good(row) else 1


if __name__ == "__main__":
    sys.exit(main())
