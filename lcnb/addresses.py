"""Every absolute address that the suite shows, made of the one setting `LCNB_REPOSITORY` (GitHub's form of it).

There is no default, as an address that was not set could belong to anyone: without one there are no such links. Also
the text of the notebooks' bootstrap cell, which installs the package where it is missing, as on Colab.
"""

from __future__ import annotations

from urllib.parse import quote

from lcnb.paths import REPOSITORY

BRANCH = "main"
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


def source(path: str) -> str | None:
    """Where a file or folder of the repository is shown; None without an address."""
    return f"{REPOSITORY.removesuffix('.git')}/blob/{BRANCH}/{quote(path)}" if REPOSITORY else None
