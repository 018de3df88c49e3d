"""One address setting: README, workflow, notebooks and the slider's page all name the repository of lcnb.paths."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lcnb import addresses
from lcnb.paths import HOME

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
HOSTS = re.compile(
    r"https://(?:github\.com|colab\.research\.google\.com/github|mybinder\.org/v2/gh)/([\w.-]+/[\w.-]+?)(?=[/)\"'\s<?]|$)"
    r"|https://([\w-]+\.github\.io/[\w-]+)"
)
OTHERS = {"tensorflow/models"}
"""Repositories of others that the texts may name."""


@pytest.fixture(autouse=True)
def default_address(monkeypatch):
    """A fork that sets LCNB_REPOSITORY tests the same."""
    monkeypatch.setattr(addresses, "REPOSITORY", HOME)


def texts():
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    listed = [ROOT / n for n in names.split("\0") if n] or [*ROOT.glob("*.md"), *ROOT.glob("docs/*"), *NOTEBOOKS]
    kinds = (".md", ".html", ".ipynb", ".yml", ".cff", ".toml")
    return [p for p in listed if p.suffix in kinds and p.is_file()]


def test_no_text_names_another_address():
    own = {"/".join(addresses.owner_and_name()), "{}.github.io/{}".format(*addresses.owner_and_name())}
    found = {
        (a or b): path.name for path in texts() for a, b in HOSTS.findall(path.read_text(encoding="utf-8"))
    }  # fmt: skip
    assert own <= set(found)  # else this looked at nothing
    assert set(found) - own - OTHERS == set(), found


def test_the_readme_opens_with_the_slider_the_site_and_the_badges():
    top = (ROOT / "README.md").read_text(encoding="utf-8")[:1500]
    for address in (
        addresses.site("docs/slider.html"), addresses.site(), addresses.colab("notebooks/00_quickstart.ipynb"),
        addresses.binder("notebooks"), "docs/slider.html", "docs/images/colab.svg", "docs/images/binder.svg",
    ):  # fmt: skip
        assert f"({address})" in top


def test_forms_of_the_address(monkeypatch):
    for given in ("https://github.com/me/mine", "https://github.com/me/mine.git"):
        monkeypatch.setattr(addresses, "REPOSITORY", given)
        assert addresses.colab("a b.ipynb") == "https://colab.research.google.com/github/me/mine/blob/main/a%20b.ipynb"
        assert (
            addresses.binder("n/x.ipynb") == "https://mybinder.org/v2/gh/me/mine/main?urlpath=lab%2Ftree%2Fn%2Fx.ipynb"
        )
        assert addresses.source("docs/a.md") == "https://github.com/me/mine/blob/main/docs/a.md"
        assert addresses.site("x.html") == "https://me.github.io/mine/x.html"


def bootstraps():
    for path in [*NOTEBOOKS, *sorted((ROOT / "notebooks").glob("solutions/*.ipynb"))]:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if "bootstrap" in cell["metadata"].get("tags", []):
                yield path.stem, "".join(cell["source"])


def test_the_bootstrap_cells_are_the_text_of_the_package():
    assert {name for name, _ in bootstraps()} >= {path.stem for path in NOTEBOOKS}
    for name, source in bootstraps():
        assert source.strip() == addresses.BOOTSTRAP.strip(), name


def test_the_bootstrap_is_short_and_names_the_default_address():
    ast.parse(addresses.BOOTSTRAP)
    assert f'"{HOME}"' in addresses.BOOTSTRAP
    assert len(addresses.BOOTSTRAP.splitlines()) <= 12


def run_bootstrap(folder, **env):
    """In a Python of its own, with pip replaced by one that notes what it was asked for."""
    code = (
        "import json, subprocess, sys\n"
        "real, asked = subprocess.check_call, []\n"
        "def call(command):\n"
        "    asked.append(command)\n"
        "    return real(command) if command[0] == 'git' else 0\n"
        "subprocess.check_call = call\n"
        f"exec({addresses.BOOTSTRAP!r})\n"
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


def test_the_bootstrap_does_nothing_where_the_package_is(tmp_path):
    done = run_bootstrap(tmp_path, PYTHONPATH=str(ROOT))
    assert json.loads(done.stdout)[0] == []
    assert (done.stderr, list(tmp_path.iterdir())) == ("", [])


def test_the_bootstrap_installs_what_the_lessons_import():
    import tomllib

    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["notebooks"]
    bounds = {re.match(r"[\w-]+", text)[0]: text for text in extra}
    editable, path, *needs = ast.literal_eval(re.search(r"needs = (\[.*\])", addresses.BOOTSTRAP)[1])
    assert (editable, path) == ("-e", "./lcnb-checkout")
    for need in needs:
        name = re.match(r"[\w-]+", need)[0]
        assert need in (name, bounds[name])
