"""Every address that the suite shows, made of the one setting `lcnb.paths.REPOSITORY` (GitHub's form of it).

Also the text of the notebooks' bootstrap cell, which fetches the package where it is missing, as on Colab.
"""

from __future__ import annotations

from urllib.parse import quote

from lcnb.paths import HOME, REPOSITORY

BRANCH = "main"
BOOTSTRAP = f"""\
import importlib.util
import os
import sys
from subprocess import check_call

if importlib.util.find_spec("lcnb") is None:  # on Colab, say: fetch the package with its data and weights
    address = os.environ.get("LCNB_REPOSITORY", "{HOME}")
    if not os.path.isdir("lcnb-checkout"):
        check_call(["git", "clone", "--quiet", "--depth=1", address, "lcnb-checkout"])
    needs = ["-e", "./lcnb-checkout", "ipywidgets>=8.1", "matplotlib", "seaborn", "psutil", "av>=14.1"]
    check_call([sys.executable, "-m", "pip", "install", "--quiet", *needs])
    sys.path.insert(0, os.path.abspath("lcnb-checkout"))  # a running Python does not see the new installation
"""
"""The cell tagged `bootstrap` of every notebook; it does nothing where lcnb can be imported."""


def owner_and_name() -> tuple[str, str]:
    """("lcnb", "lcnb") of https://github.com/lcnb/lcnb."""
    owner, name = REPOSITORY.removesuffix("/").removesuffix(".git").split("/")[-2:]
    return owner, name


def source(path: str) -> str:
    """Where a file or folder of the repository is shown."""
    return f"{REPOSITORY.removesuffix('.git')}/blob/{BRANCH}/{quote(path)}"


def colab(notebook: str) -> str:
    """Opens a notebook (its path in the repository) on Google Colab."""
    return f"https://colab.research.google.com/github/{'/'.join(owner_and_name())}/blob/{BRANCH}/{quote(notebook)}"


def binder(notebook: str) -> str:
    """Opens a notebook (its path in the repository) on Binder, which builds environment.yml."""
    inside = quote(f"lab/tree/{notebook}", safe="")
    return f"https://mybinder.org/v2/gh/{'/'.join(owner_and_name())}/{BRANCH}?urlpath={inside}"


def site(page: str = "") -> str:
    """A page of the site that `make book` builds, on GitHub Pages."""
    owner, name = owner_and_name()
    return f"https://{owner}.github.io/{name}/{quote(page)}"
