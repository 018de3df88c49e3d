"""What is wrong with a set-up, in sentences that end in what to do, from what the probes of `lcnb info` found."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from lcnb.paths import CHECKOUT, extra, given_roots, searched

SPACE_GB, MEMORY_GB = 1.0, 3.0
"""Below which room may not do: for executed notebooks, pages and temporary files; for a kernel, whose
own part tests/notebooks/test_run.py bounds at .85 GB, and libraries, JupyterLab and a browser."""


def problems(found: dict[str, Any]) -> list[str]:
    """All of it; empty when all is well."""
    return [
        *_broken_torch(found),
        *_unused_gpu(found),
        *_packages(found),
        *_jupyter(found),
        *_data_faults(found),
        *_weights(found),
        *_room(found),
        *_not_looked_at(found),
    ]


def _broken_torch(found: dict[str, Any]) -> list[str]:
    errors, installed = found["errors"], found["versions"]
    if "torch" in errors:
        return [
            f"torch cannot be imported ({errors['torch']}): install it anew with `pip install --force-reinstall torch`"
        ]
    if "torchvision" not in errors:
        return []
    why = errors["torchvision"]
    if "torchvision::nms" in why or "undefined symbol" in why:
        return [
            f"torchvision {installed['torchvision']} was built for another torch than {installed['torch']} ({why}): "
            "take both from one place, for example `pip install --force-reinstall torch torchvision`, or both as CPU "
            "builds"
        ]
    return [f"torchvision cannot be imported ({why}): install it anew, from where torch comes from"]


def _unused_gpu(found: dict[str, Any]) -> list[str]:
    torch, driver = found["torch"], found["driver"]
    if driver is None or torch is None or torch["gpus"]:
        return []
    if torch["cuda"] is None:
        return [
            f"NVIDIA's driver {driver} is here, but this torch is built without CUDA: install a CUDA build of torch "
            "and torchvision to use the GPU (without it all notebooks run too)"
        ]
    return [
        f"NVIDIA's driver {driver} is here, but torch (built for CUDA {torch['cuda']}) sees no GPU: update the driver, "
        "or look whether CUDA_VISIBLE_DEVICES hides the GPU (without it all notebooks run too)"
    ]


def _packages(found: dict[str, Any]) -> list[str]:
    """Missing and outdated ones, of the core and of the notebooks."""
    rows = found["requirements"] or []
    missing = [r["name"] for r in rows if r["installed"] is None and r["extra"]]
    said = [f"the notebooks need {', '.join(missing)}: install with `{extra('notebooks')}`"] if missing else []
    for r in rows:
        name, needs = r["name"], f"{'the notebooks need' if r['extra'] else 'lcnb needs'} {r['name']}{r['wanted']}"
        if r["installed"] is None and not r["extra"]:
            said.append(f"{needs}, and it is not here: `pip install {name}`")
        elif r["installed"] is not None and not r["fits"]:
            said.append(f"{name} {r['installed']} is here, and {needs}: `pip install --upgrade {name}`")
    return said


def _jupyter(found: dict[str, Any]) -> list[str]:
    said, installed = [], found["versions"]
    kernel = found["kernel"]
    if kernel is not None and not _same(kernel, sys.executable):
        said.append(
            f"Jupyter's kernel `python3` starts {kernel}, not {sys.executable}: notebooks opened in JupyterLab would "
            "not see this installation; `jupyter kernelspec list` shows whose it is, `jupyter kernelspec remove "
            "python3` takes it away (`lcnb run` is not affected)"
        )
    both = installed.get("jupyterlab") and installed.get("ipywidgets")
    if both and "widgets" not in found["errors"] and found["widgets"] is None:
        said.append(
            "JupyterLab has no jupyterlab_widgets, so sliders would show as text: "
            "`pip install --force-reinstall jupyterlab_widgets`, then start JupyterLab anew"
        )
    return said


def _same(one: str, other: str) -> bool:
    """Whether two Pythons are of one environment: in the same folder (links are not followed)."""
    first, second = (os.path.normcase(os.path.dirname(os.path.abspath(path))) for path in (one, other))
    return first == second


def _data_faults(found: dict[str, Any]) -> list[str]:
    faults = [
        f"LCNB_DATA names {part}, which is no folder: correct it or unset LCNB_DATA"
        for part in given_roots()
        if not part.is_dir()
    ]
    if found["datasets"] is None:
        return faults
    folders = [folder for d in found["datasets"].values() if d for folder in d["folders"]]
    folders += list((found["weights"] or {}).values())
    faults += [
        f"LCNB_DATA names {part}, but no data set and no weights/ are in it: point it at the folder above camvid/, "
        "voc2012/ or cityscapes/"
        for part in given_roots()
        if part.is_dir() and not any(Path(folder).is_relative_to(part) for folder in folders)
    ]
    for name, one in found["datasets"].items():
        faults += [f"{name}: {v}" for v in (one["splits"].values() if one else ()) if isinstance(v, str)]
    if found["datasets"].get("streets") is None:
        faults.append(
            f"the embedded data set streets is not in {searched()}: it is in data/streets of {CHECKOUT}; clone it "
            "and work there, or point LCNB_DATA at its data/"
        )
    return faults


def _weights(found: dict[str, Any]) -> list[str]:
    if found["weights"]:
        return list(found["damaged_weights"] or [])
    return [
        f"no weights are in weights/ under {searched()}: they are in data/weights of {CHECKOUT}; clone it, or train "
        "with `lcnb train` and `lcnb weights pack`"
    ]


def _room(found: dict[str, Any]) -> list[str]:
    said, cache = [], found["cache"]
    if cache is not None and not cache["writable"]:
        said.append(
            f"{cache['folder']} cannot be written, so that each process measures the fastest way through the network "
            "again (seconds): set LCNB_CACHE to a folder of yours"
        )
    if found["free_gb"] is not None and found["free_gb"] < SPACE_GB:
        said.append(f"only {found['free_gb']:g} GB are free here: executed notebooks and pages may not fit; make room")
    memory = found["hardware"]["memory_gb"]
    if memory is not None and memory < MEMORY_GB:
        said.append(
            f"this machine has {memory:g} GB of memory: a notebook takes up to 1.2 GB beside JupyterLab and the "
            "browser; close other programs, and run one notebook at a time"
        )
    return said


def _not_looked_at(found: dict[str, Any]) -> list[str]:
    """Probes that failed for a reason which no sentence above names: each reason once."""
    errors = found["errors"]
    if "torch" in errors or "torchvision" in errors:
        return []
    without_jupyter = ("kernel", "widgets") if found["versions"]["jupyterlab"] is None else ()
    reasons = dict.fromkeys(why for name, why in errors.items() if name not in without_jupyter)
    return [
        f"{why}: install anew what it names, for example with `pip install --force-reinstall NAME`" for why in reasons
    ]
