"""No address of a repository is built in; one that is set makes links. The bootstrap cell installs from a folder."""

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
HOSTS = re.compile(
    r"https://(?:github\.com|colab\.research\.google\.com/github|mybinder\.org/v2/gh)/([\w.-]+/[\w.-]+?)(?=[/)\"'`\s<?]|$)"
    r"|https://([\w-]+\.github\.io/[\w-]+)"
)
OTHERS = {"tensorflow/models"}
"""Repositories of others that the texts may name, as what they are."""
PLACEHOLDER = "you/yours"
BOOTSTRAP = """\
import importlib.util
import os
import sys
from subprocess import check_call

if getattr(importlib.util.find_spec("lcnb"), "origin", None) is None:  # lcnb is not installed, as on Colab
    folder, address = "lcnb-checkout", os.environ.get("LCNB_REPOSITORY")
    if address and not os.path.isdir(folder):
        check_call(["git", "clone", "--quiet", "--depth=1", address, folder])
    if not os.path.isdir(folder):
        how = f"put its folder (the one with pyproject.toml) here as {folder}/ or set LCNB_REPOSITORY to its address"
        raise ImportError(f"lcnb is not installed: {how}, and run this cell again; or run %pip install -e FOLDER")
    needs = ["-e", f"./{folder}", "ipywidgets>=8.1", "anywidget>=0.9", "matplotlib", "seaborn", "psutil", "av>=14.1"]
    check_call([sys.executable, "-m", "pip", "install", "--quiet", *needs])
    sys.path.insert(0, os.path.abspath(folder))  # a running Python does not see the new installation
_ = importlib.import_module("lcnb")  # before torch: lets its idle threads sleep
"""
"""The cell tagged `bootstrap` of every notebook; where lcnb can be imported, it only does so."""


def texts():
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    listed = [ROOT / n for n in names.split("\0") if n] or [*ROOT.glob("*.md"), *ROOT.glob("docs/*"), *NOTEBOOKS]
    kinds = (".md", ".html", ".ipynb", ".yml", ".cff", ".toml")
    return [p for p in listed if p.suffix in kinds and p.is_file()]


def test_no_text_names_an_address_as_ours():
    found = {
        (a or b): path.name for path in texts() for a, b in HOSTS.findall(path.read_text(encoding="utf-8"))
    }  # fmt: skip
    assert PLACEHOLDER in found  # else this looked at nothing
    assert set(found) - OTHERS - {PLACEHOLDER} == set(), found


def test_the_package_has_no_default_address():
    """Nor do messages: they say what the repository is called, not where somebody else's may be."""
    clean = {k: v for k, v in os.environ.items() if k != "LCNB_REPOSITORY"}
    code = "from lcnb import paths; print([paths.REPOSITORY, paths.CHECKOUT])"
    command, mine = [sys.executable, "-c", code], "https://github.com/me/mine"
    for given, wanted in (("", ["", "the lcnb repository"]), (f"{mine}/", [mine, mine])):
        env = {**clean, "LCNB_REPOSITORY": given} if given else clean
        assert ast.literal_eval(subprocess.check_output(command, cwd=ROOT, env=env, text=True)) == wanted


def test_forms_of_the_address():
    at = importlib.util.spec_from_file_location("conf", ROOT / "docs" / "conf.py")
    conf = importlib.util.module_from_spec(at)
    at.loader.exec_module(conf)
    conf.REPOSITORY = ""  # a fork that sets LCNB_REPOSITORY tests the same
    assert conf.address("a.ipynb") is None
    for conf.REPOSITORY in ("https://github.com/me/mine", "https://github.com/me/mine.git"):
        assert conf.address("docs/a b.md") == "https://github.com/me/mine/blob/main/docs/a%20b.md"


def bootstraps():
    for path in [*NOTEBOOKS, *sorted((ROOT / "notebooks").glob("solutions/*.ipynb"))]:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if "bootstrap" in cell["metadata"].get("tags", []):
                yield path.stem, "".join(cell["source"])


def test_the_bootstrap_cells_are_one_text():
    assert "://" not in BOOTSTRAP
    assert {name for name, _ in bootstraps()} >= {path.stem for path in NOTEBOOKS}
    for name, source in bootstraps():
        assert source.strip() == BOOTSTRAP.strip(), name


def run_bootstrap(folder, **env):
    """In a Python of its own, with pip replaced by one that notes what it was asked for."""
    code = (
        "import json, subprocess, sys\n"
        "real, asked = subprocess.check_call, []\n"
        "def call(command):\n"
        "    asked.append(command)\n"
        "    return real(command) if command[0] == 'git' else 0\n"
        "subprocess.check_call = call\n"
        f"exec({BOOTSTRAP!r})\n"
        "import lcnb\n"
        "print(json.dumps([asked, lcnb.__file__]))\n"
    )
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LCNB_REPOSITORY")}
    command = [sys.executable, "-S", "-c", code]  # -S: this project's own installation cannot be seen
    return subprocess.run(command, cwd=folder, env={**clean, **env}, capture_output=True, text=True, check=False)


@pytest.fixture
def remote(tmp_path):
    """A git repository with a package of that name."""
    folder = tmp_path / "remote"
    (folder / "lcnb").mkdir(parents=True)
    (folder / "lcnb" / "__init__.py").write_text("")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], cwd=folder, check=True)
    return folder


def test_the_bootstrap_fetches_what_is_missing_once_and_is_silent(remote, tmp_path):
    for fetched in (True, False):
        done = run_bootstrap(tmp_path, LCNB_REPOSITORY=remote.as_uri())
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        asked, where = json.loads(done.stdout)
        assert ("git" in [c[0] for c in asked]) == fetched
        pip = asked[-1]
        assert pip[1:6] == ["-m", "pip", "install", "--quiet", "-e"]
        assert pip[6] == "./lcnb-checkout"
        assert Path(where) == tmp_path / "lcnb-checkout" / "lcnb" / "__init__.py"


def test_the_bootstrap_installs_from_a_folder_and_asks_for_no_address(remote, tmp_path):
    (tmp_path / "here").mkdir()
    shutil.copytree(remote, tmp_path / "here" / "lcnb-checkout")
    done = run_bootstrap(tmp_path / "here")
    assert (done.returncode, done.stderr) == (0, "")
    asked, where = json.loads(done.stdout)
    assert [command[0] for command in asked] == [sys.executable]
    assert Path(where) == tmp_path / "here" / "lcnb-checkout" / "lcnb" / "__init__.py"


def test_without_folder_and_address_the_bootstrap_explains_itself(tmp_path):
    """Even where a folder called lcnb could be taken for the package, such as the checkout itself."""
    (tmp_path / "lcnb").mkdir()
    done = run_bootstrap(tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    said = done.stderr.splitlines()[-1]
    assert said.startswith("ImportError: lcnb is not installed: put its folder (the one with pyproject.toml) here as")
    assert "or set LCNB_REPOSITORY to its address, and run this cell again; or run %pip install -e FOLDER" in said


def test_the_bootstrap_does_nothing_where_the_package_is(tmp_path):
    done = run_bootstrap(tmp_path, PYTHONPATH=str(ROOT))
    assert json.loads(done.stdout)[0] == []
    assert (done.stderr, list(tmp_path.iterdir())) == ("", [])


def test_the_bootstrap_installs_what_the_lessons_import():
    import tomllib

    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["notebooks"]
    bounds = {re.match(r"[\w-]+", text)[0]: text for text in extra}
    editable, path, *needs = re.findall(r'"(.*?)"', re.search(r"needs = (\[.*\])", BOOTSTRAP)[1])
    assert (editable, path) == ("-e", "./{folder}")
    for need in needs:
        name = re.match(r"[\w-]+", need)[0]
        assert need in (name, bounds[name])
