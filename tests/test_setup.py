"""What a fresh machine meets: environment.yml, the Makefile's help and messages, and the built wheel."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from packaging.requirements import Requirement

import lcnb
from lcnb.models import irnet_lc
from lcnb.weights import save

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {"torch": "pytorch-cpu"}
"""Where conda-forge's name differs; pytorch-cpu is its CPU build of torch."""


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def bounds(requirements):
    """Requirements as name -> the rest, such as ">=2.4"."""
    pairs = (re.fullmatch(r"([\w.-]+)\s*(.*)", text).groups() for text in requirements)
    return {name.lower(): rest.replace(" ", "") for name, rest in pairs}


def test_every_place_names_one_version():
    version = project()["version"]
    assert lcnb.__version__ == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == version
    newest = re.search(r"^## (\S+) \(\d", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest[1] == version  # the newest that is released


@pytest.mark.trust("compatibility")
def test_environment_and_pyproject_agree():
    """The bounds of conda users are those of pip users."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    listed = bounds(item for item in environment["dependencies"] if isinstance(item, str))
    about = project()
    wanted = bounds([*about["dependencies"], *about["optional-dependencies"]["notebooks"]])
    wanted = {CONDA_NAMES.get(name, name): rest for name, rest in wanted.items()}
    wanted |= {"python": about["requires-python"], "pip": ""}
    assert listed == wanted


def test_environment_installs_this_checkout_and_nothing_else_by_pip():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)] == [["-e ."]]
    assert environment["channels"] == ["conda-forge", "nodefaults"]


def test_constraints_hold_every_dependency_within_its_bounds_and_name_no_host():
    lines = [Requirement(line) for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()]
    assert not [str(line) for line in lines if line.url or [pin.operator for pin in line.specifier] != ["=="]]
    about = project()
    extras = about["optional-dependencies"]
    installed = [wanted for name in ("notebooks", "docs", "test", "bench") for wanted in extras[name]]
    for wanted in map(Requirement, [*about["dependencies"], *installed]):
        pins = [pin.version for line in lines if line.name == wanted.name for pin in line.specifier]
        assert pins, f"{wanted.name} is missing from constraints.txt: make constraints"
        assert all(version in wanted.specifier for version in pins), f"{wanted}: make constraints"


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def make(*arguments, **env):
    clean = {k: v for k, v in os.environ.items() if k not in ("LCNB_DATA", "MAKEFLAGS", "MAKELEVEL")}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**clean, **env}, capture_output=True, text=True, check=False)


@needs_make
def test_help_names_the_targets():
    said = make().stdout
    for target in ("setup", "run", "lab", "book", "check", "test", "test-real", "clean"):
        assert re.search(rf"^  make {target} +\w", said, re.MULTILINE)
    assert "not tested here" in said


@needs_make
@pytest.mark.parametrize("python", ["", "no-such-python"])
def test_says_when_there_is_no_python(python):
    result = make("python-there", f"PYTHON={python}")
    assert result.returncode != 0
    assert "make: " in result.stderr
    assert "Python 3.11 or newer" in result.stderr


@needs_make
@pytest.mark.skipif(os.name == "nt", reason="a shell script stands for an old Python")
def test_says_when_python_is_too_old(tmp_path):
    old = tmp_path / "python-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    assert f"{old} is no Python 3.11 or newer" in make("python-there", f"PYTHON={old}").stderr


@needs_make
def test_says_when_chromium_or_data_is_missing(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "test", "echo", "make"):
        if (path := shutil.which(name)) is not None:
            (tools / name).symlink_to(path)
    assert "needs chromium" in make("browser-there", PATH=str(tools), LCNB_CHROMIUM="").stderr
    assert make("browser-there", LCNB_CHROMIUM="/some/browser").returncode == 0
    assert "test -n" in make("-n", "test-real", "--assume-old=setup").stdout


def test_ci_runs_what_people_run():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert "make test\n" in text
    assert "make test-real" in text
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    assert ".ci/run" in [step.get("run") for step in workflow["jobs"]["test"]["steps"]]
    (quick,) = re.findall(r"^QUICK := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert f'python -m pytest -m "{quick}"' in [step.get("run") for step in workflow["jobs"]["quick"]["steps"]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of the checkout, built from a copy by setuptools alone: no network, no traces in the tree."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "lcnb", source / "lcnb", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, source)
    code = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    run([sys.executable, "-c", code, str(out)], cwd=source)
    (built,) = out.glob("*.whl")
    return built


def run(command, **options):
    result = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The Python of a throw-away environment with the wheel in it, and this environment's packages below."""
    folder = tmp_path_factory.mktemp("env")
    run([sys.executable, "-m", "venv", str(folder)])
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run([str(python), "-m", "pip", "install", "--no-index", "--no-deps", "--quiet", str(wheel)])
    site = run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    # A path file adds a folder only: path files inside it, such as an editable install's, are not read.
    (Path(site) / "below.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def test_wheel_holds_every_module_and_no_data(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    kinds = ("py", "c", "js", "css", "typed")
    modules = {p.relative_to(ROOT).as_posix() for kind in kinds for p in (ROOT / "lcnb").rglob(f"*.{kind}")}
    assert {"lcnb/export/slider.js", "lcnb/regions/native.c"} <= modules
    assert modules <= names
    assert not [n for n in names if not n.startswith(("lcnb/", "lcnb-")) or n.endswith((".so", ".o", ".dll", ".pyd"))]


@pytest.fixture(scope="module")
def cloned(tmp_path_factory):
    """(Python, folder): an editable install of a checkout called `lcnb`, and the folder that holds the checkout."""
    parent, folder = tmp_path_factory.mktemp("parent"), tmp_path_factory.mktemp("env")
    checkout = parent / "lcnb"
    shutil.copytree(ROOT / "lcnb", checkout / "lcnb", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data", checkout / "data", ignore=shutil.ignore_patterns("__pycache__", "camvid", "voc2012"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = Path(run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    (site / "below.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    run([sys.executable, "-m", "pip", "--python", str(python), "install", *offline, "-e", str(checkout)], cwd=parent)
    return python, parent


@pytest.mark.slow
def test_an_editable_install_is_a_plain_path_entry(cloned):
    """An import hook would be asked after the path, where a folder called lcnb counts as a namespace package."""
    python, parent = cloned
    site = Path(run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    (entry,) = [path for path in site.glob("*.pth") if path.name != "below.pth"]
    assert entry.read_text(encoding="utf-8").splitlines() == [str(parent / "lcnb")]
    assert not list(site.glob("*finder*"))


@pytest.mark.slow
def test_the_readme_runs_from_the_folder_that_holds_the_checkout(cloned):
    python, parent = cloned
    clean = {k: v for k, v in os.environ.items() if k not in ("LCNB_DATA", "PYTHONPATH", "LCNB_REPOSITORY")}
    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    found = (
        "from importlib.resources import files\n"
        "print(lcnb.__file__)\n"
        "print(files('lcnb.regions').joinpath('native.c').is_file())\n"
        "print(files('lcnb.export').joinpath('slider.js').is_file())\n"
    )
    said = run([str(python), "-c", snippet + found], cwd=parent, env=clean).splitlines()
    assert said[-3:] == [str(parent / "lcnb" / "lcnb" / "__init__.py"), "True", "True"]
    assert "lcnb" in run([str(python), "-m", "lcnb", "--version"], cwd=parent, env=clean)
    script = python.parent / ("lcnb.exe" if os.name == "nt" else "lcnb")
    assert "streets-small" in run([str(script), "weights", "list"], cwd=parent, env=clean)


@pytest.mark.slow
def test_installed_wheel_works_elsewhere(installed, tmp_path):
    clean = {k: v for k, v in os.environ.items() if k not in ("LCNB_DATA", "PYTHONPATH", "LCNB_REPOSITORY")}
    code = (
        "import lcnb, sys, torch\n"
        "assert sys.prefix in lcnb.__file__, lcnb.__file__\n"
        "net = lcnb.irnet_lc(4, width=0.05, blocks=(1, 1, 1)).eval()\n"
        "print(tuple(net(torch.rand(1, 3, 16, 24)).labels.shape))\n"
        "try:\n    print(lcnb.load('streets-small').meta['name'])\n"
        "except lcnb.WeightsError as error:\n    print(error)\n"
    )
    alone = run([str(installed), "-c", code], cwd=tmp_path, env=clean)
    assert alone.startswith("(1, 16, 24)\nno weights named 'streets-small'")
    assert "clone it, or point LCNB_DATA at a folder that holds weights/" in alone

    torch.manual_seed(0)
    save(irnet_lc(11, width=0.05, blocks=(1, 1, 1)), tmp_path / "root" / "weights" / "streets-small", {"rho": 0.5})
    given = run([str(installed), "-c", code], cwd=tmp_path, env={**clean, "LCNB_DATA": str(tmp_path / "root")})
    assert given == "(1, 16, 24)\nstreets-small\n"

    command = [str(installed), "-m", "lcnb", "weights", "list"]
    assert "streets-small" in run(command, cwd=tmp_path, env={**clean, "LCNB_DATA": "root"})
    assert (installed.parent / ("lcnb.exe" if os.name == "nt" else "lcnb")).exists()
