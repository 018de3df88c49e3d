"""What `lcnb info` looks at: each probe returns plain values, and may fail where the installation is broken."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lcnb.machine import version
from lcnb.paths import absolute, cache_root, checkout, data_roots


def probes() -> dict[str, Callable[[], Any]]:
    """All of them by name, in the order of the report."""
    return {
        "torch": torch,
        "torchvision": torchvision,
        "driver": driver,
        "requirements": requirements,
        "kernel": kernel,
        "widgets": widgets,
        "backends": backends,
        "backends_unavailable": backends_unavailable,
        "native": native,
        "datasets": datasets,
        "weights": weights,
        "damaged_weights": damaged_weights,
        "cache": cache,
    }


def torch() -> dict[str, Any]:
    """Threads, and what it sees of GPUs."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"threads": torch.get_num_threads(), "cuda": torch.version.cuda, "gpus": gpus}


def torchvision() -> bool:
    """Loads the compiled operators, which is where a mismatch with torch shows."""
    import torchvision.ops

    return bool(torchvision.ops)


def driver() -> str | None:
    """Version of NVIDIA's driver on Linux; None where there is none."""
    try:
        words = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return None
    return next((w for w in words if w[:1].isdigit() and "." in w), "unknown")


def requirements() -> list[dict[str, Any]]:
    """Each package that this one, or its `notebooks` extra, asks for: name, wanted, installed, extra, fits."""
    found = []
    for line in _required():
        wanted, _, marker = line.partition(";")
        name, bounds = re.match(r"\s*([\w.-]+)\s*(.*?)\s*$", wanted).groups()  # type: ignore[union-attr]
        extra = re.search(r"extra == ['\"](\w+)", marker)
        if extra is None or extra[1] == "notebooks":
            here = version(name)
            row = {"name": name, "wanted": bounds, "installed": here, "extra": extra and extra[1]}
            found.append(row | {"fits": here is not None and _within(here, bounds)})
    return found


def _required() -> list[str]:
    """As the installed package says, or the source tree that was never installed."""
    try:
        return importlib.metadata.requires("lcnb") or []
    except importlib.metadata.PackageNotFoundError:
        root = checkout()
        if root is None:
            raise
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        more = project["optional-dependencies"]["notebooks"]
        return [*project["dependencies"], *(f'{line}; extra == "notebooks"' for line in more)]


def _within(installed: str, bounds: str) -> bool:
    """Taken for granted where `packaging` is missing: it comes with Jupyter, not with torch."""
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return True
    return SpecifierSet(bounds).contains(installed, prereleases=True)


def kernel() -> str:
    """The Python that JupyterLab would start for a notebook that asks for `python3`."""
    from jupyter_client.kernelspec import KernelSpecManager

    first = KernelSpecManager().get_kernel_spec("python3").argv[0]
    if first in ("python", "python3", f"python3.{sys.version_info.minor}"):  # Jupyter puts its own in this place
        return sys.executable
    return shutil.which(first) or first


def widgets() -> str | None:
    """Version of ipywidgets' part in the browser, as JupyterLab would load it; None if it is not there."""
    from jupyter_core.paths import jupyter_path

    for folder in jupyter_path("labextensions", "@jupyter-widgets", "jupyterlab-manager"):
        file = Path(folder) / "package.json"
        if file.is_file():
            return str(json.loads(file.read_text(encoding="utf-8"))["version"])
    return None


def backends() -> list[str]:
    """Backends of the region convolution that run here."""
    from lcnb.regions import backends

    return backends()


def backends_unavailable() -> dict[str, str]:
    """Those that do not, with the reason."""
    from lcnb.regions import unavailable

    return unavailable()


def native() -> dict[str, Any]:
    """Floats in a vector of the native CPU kernels, or None and why there are none. It may compile them."""
    from lcnb.regions.native import kernels, why_not

    found = kernels()
    return {"lanes": None if found is None else found.lanes, "why_not": why_not()}


def datasets() -> dict[str, Any]:
    """Folders and pairs by split of each data set; None for one that is not here."""
    from lcnb.datasets import names

    return {name: _one(name) for name in names()}


def _one(name: str) -> dict[str, Any] | None:
    """`folders`: the splits read from each, as `lcnb.datasets.folders` has them; `splits`: pairs, or what is wrong."""
    from lcnb.datasets import folders, load_dataset, splits
    from lcnb.errors import DataError

    found = {str(folder): own for folder, own in folders(name).items()}
    if not found:
        return None

    counts: dict[str, Any] = {}
    for split in splits(name):
        try:
            counts[split] = len(load_dataset(name, split))
        except DataError as error:
            counts[split] = str(error)
    return {"folders": found, "splits": counts}


def weights() -> dict[str, str]:
    """By name, read from the folders alone, so that a broken torch does not hide them."""
    found: dict[str, str] = {}
    for root in data_roots():
        for file in sorted((root / "weights").glob("*/model.safetensors")):
            found.setdefault(file.parent.name, str(file.parent))
    return found


def damaged_weights() -> list[str]:
    """What `lcnb.load` says of those that it cannot read."""
    from lcnb.errors import WeightsError
    from lcnb.weights import available, load

    said = []
    for folder in available().values():
        try:
            load(folder)
        except WeightsError as error:
            said.append(str(error))
    return said


def cache() -> dict[str, Any]:
    """Where measurements of this machine are kept, and whether that can be written."""
    folder = cache_root()
    there = next(p for p in (folder, *folder.parents) if p.exists())
    return {"folder": str(folder), "writable": there.is_dir() and os.access(there, os.W_OK)}


def free_gb(folder: str | Path = ".") -> float | None:
    """Free space where results would go, in 10^9 bytes; None where the system does not say."""
    try:
        return round(shutil.disk_usage(absolute(folder)).free / 1e9, 1)
    except OSError:
        return None
